"""Scenarios: a loop, its sensors, what happens to them and what must be observed, as a TOML file.

A file that says something impossible, or something nobody reads, is refused with the file, the key and the reason
(ScenarioError). Times are seconds from the board's power-on; the bench acts on its 0.1 s grid.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from loopwatch import alarms
from loopwatch.config import Config

from ..errors import UsageError
from .frontend import PressureSensor, Rail, TemperatureSensor
from .plant import DutyParams, LoopParams, RoomParams

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

BUILT_IN = Path(__file__).parent / "scenarios"

PRESSURES = ("p_static", "p_pump")
TEMPERATURES = ("t_source", "t_radiator", "t_dome")
CONVERTER_CHANNELS = (*PRESSURES, "rail")

PressureName = Literal["p_static", "p_pump"]
ChannelName = Literal["p_static", "p_pump", "t_source", "t_radiator", "t_dome"]
LineName = Literal["p_static", "p_pump", "t_source", "t_radiator", "t_dome", "rail"]

NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]


class ScenarioError(UsageError):
    """A scenario that cannot be used; the message names file and key."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Event(_Strict):
    at_s: NotNegative


class Load(_Event):
    """Heat into the source block."""

    do: Literal["load"]
    load_w: NotNegative


class Pump(_Event):
    """Pump speed as part of full speed; 0 stops it."""

    do: Literal["pump"]
    speed: Annotated[float, Field(ge=0, le=1)]


class Ambient(_Event):
    """Mean temperature of the room, reached over over_s."""

    do: Literal["ambient"]
    ambient_c: Annotated[float, Field(ge=-40, le=80)]
    over_s: NotNegative = 0.0


class Leak(_Event):
    """A leak of a fixed rate, or a hole whose flow follows the pressure at its point."""

    do: Literal["leak"]
    rate_ml_h: Positive | None = None
    hole_mm: Positive | None = None
    point: Literal["static", "discharge"] = "static"

    @model_validator(mode="after")
    def _one_size(self) -> Leak:
        if (self.rate_ml_h is None) == (self.hole_mm is None):
            raise ValueError("a leak has either rate_ml_h or hole_mm")
        return self


class LeakStop(_Event):
    """The leak is closed."""

    do: Literal["leak_stop"]


class Refill(_Event):
    """Coolant put in, evenly over over_s."""

    do: Literal["refill"]
    volume_ml: Positive
    over_s: Positive = 10.0


class Withdraw(_Event):
    """Coolant taken out by a person; it is not a leak."""

    do: Literal["withdraw"]
    volume_ml: Positive
    over_s: Positive = 10.0


class SensorFault(_Event):
    """A channel fails until sensor_heal; a spike is over by itself.

    nack: its chip does not answer. never_ready: its chip finishes no conversion. power_up: its chip keeps losing its
    supply and shows power-up values; power_cycle: it loses it once. stuck: its value stays. open, short: its wire
    (pressures and rail only). spike: size_pa for for_s, 0.1 s unless given. The pressures and the rail share one
    converter: what fails the chip fails all three.
    """

    do: Literal["sensor_fault"]
    channel: LineName
    kind: Literal["nack", "open", "short", "stuck", "power_up", "power_cycle", "never_ready", "spike"]
    to: Literal["ground", "rail"] | None = None
    size_pa: Finite | None = None
    for_s: Positive | None = None

    @model_validator(mode="after")
    def _fits(self) -> SensorFault:
        if self.kind in ("open", "short") and self.channel in TEMPERATURES:
            raise ValueError(f"{self.channel} is a chip on the bus and has no analog wire: use nack")
        if self.kind == "stuck" and self.channel == "rail":
            raise ValueError("the rail has no sensor that could stick: use the rail event")
        if self.channel == "rail" and self.to == "rail":
            raise ValueError("a rail shorted to itself is no fault")
        if self.kind == "spike" and (self.channel not in PRESSURES or self.size_pa is None):
            raise ValueError("a spike is on p_static or p_pump and has a size_pa")
        if self.kind != "spike" and (self.size_pa is not None or self.for_s is not None):
            raise ValueError("size_pa and for_s belong to a spike")
        if self.to is not None and self.kind != "short":
            raise ValueError("to belongs to a short")
        return self


class SensorHeal(_Event):
    """Every fault of a channel ends."""

    do: Literal["sensor_heal"]
    channel: LineName


class PickupEvent(_Event):
    """Mains on a wire from now on, as it reaches the converter: its peak in Pa, or in volts before the divider.

    It takes the place of the pickup that was there; an amplitude of 0 ends it.
    """

    do: Literal["pickup"]
    channel: Literal["p_static", "p_pump", "rail"]
    amplitude_pa: NotNegative | None = None
    amplitude_v: NotNegative | None = None
    frequency_hz: Positive = 50.0
    phase_deg: Finite = 0.0

    @model_validator(mode="after")
    def _one_amplitude(self) -> PickupEvent:
        if (self.amplitude_pa is None) == (self.amplitude_v is None):
            raise ValueError("pickup has either amplitude_pa or amplitude_v")
        if self.channel == "rail" and self.amplitude_v is None:
            raise ValueError("pickup on the rail is given as amplitude_v")
        return self


class Emi(_Event):
    """A burst of interference: white noise of this rms (in a 10 Hz sample) for for_s."""

    do: Literal["emi"]
    channel: PressureName
    noise_pa: Positive
    for_s: Positive


class RailEvent(_Event):
    """The 5 V supply goes to another voltage."""

    do: Literal["rail"]
    volts: Annotated[float, Field(ge=0, le=6)]


class BusStuck(_Event):
    """The data line is held low for for_s, or until the board has clocked it clocks_n times: nobody answers."""

    do: Literal["bus_stuck"]
    for_s: Positive
    clocks_n: Annotated[int, Field(ge=1, le=1000)] | None = None


class AdcGain(_Event):
    """The converter's reference moves: from now on all that it reads is this part of what is there."""

    do: Literal["adc_gain"]
    gain: Positive


class DataPath(_Event):
    """What lies between the converter and the board gives the same word for both pressures, whatever they are.

    share: of the rail, as the word reads; 0.1 is 0 Pa. It ends with SensorHeal of either pressure.
    """

    do: Literal["data_path"]
    share: Annotated[float, Field(ge=0, le=1)] = 0.1


class ProbeOut(_Event):
    """A thermometer falls out of its pocket, or is put back: from now on it has the room's temperature, or not."""

    do: Literal["probe_out", "probe_in"]
    channel: Literal["t_source", "t_radiator", "t_dome"]


class Exchange(_Event):
    """Two sensors of one kind are plugged in each other's place from now on."""

    do: Literal["exchange"]
    channels: tuple[ChannelName, ChannelName]

    @model_validator(mode="after")
    def _one_kind(self) -> Exchange:
        if len({name in PRESSURES for name in self.channels}) != 1 or len(set(self.channels)) != 2:
            raise ValueError("two pressures or two thermometers can be exchanged")
        return self


class Offset(_Event):
    """A transducer reads this much more from now on: knocked, drifted, or bubbles in its line."""

    do: Literal["offset"]
    channel: PressureName
    offset_pa: Finite
    over_s: NotNegative = 0.0


class Host(_Event):
    """The laptop stops or takes up reading, or the cable is pulled or plugged."""

    do: Literal["host_stops_reading", "host_reads", "host_unplugs", "host_plugs"]


class Command(_Event):
    """A line that the laptop sends."""

    do: Literal["command"]
    text: Annotated[str, Field(min_length=1)]


class Press(_Event):
    """A person holds the acknowledge button for for_s."""

    do: Literal["press"]
    for_s: Positive = 0.3


class PowerCut(_Event):
    """The board and its sensors lose their supply for off_s."""

    do: Literal["power_cut"]
    off_s: Positive = 0.1


Event = (
    Load
    | Pump
    | Ambient
    | Leak
    | LeakStop
    | Refill
    | Withdraw
    | SensorFault
    | SensorHeal
    | PickupEvent
    | Emi
    | RailEvent
    | BusStuck
    | AdcGain
    | DataPath
    | ProbeOut
    | Exchange
    | Offset
    | Host
    | Command
    | Press
    | PowerCut
)


class Start(_Strict):
    """What the loop has been doing for long when the board powers on."""

    load_w: NotNegative = 150.0
    pump_speed: Annotated[float, Field(ge=0, le=1)] = 1.0
    ambient_c: Annotated[float, Field(ge=-40, le=80)] = 22.0


class Sensors(_Strict):
    """What is fitted; adc_rate_error is the converter's own (±0.1), drawn from the seed unless given."""

    p_static: PressureSensor = PressureSensor()
    p_pump: PressureSensor = PressureSensor()
    t_source: TemperatureSensor = TemperatureSensor()
    t_radiator: TemperatureSensor = TemperatureSensor()
    t_dome: TemperatureSensor = TemperatureSensor()
    rail: Rail = Rail()
    adc_rate_error: Annotated[float, Field(ge=-0.1, le=0.1)] | None = None


class Column(_Strict):
    """Where a channel's values come from: cell · scale + offset, in Pa absolute or °C."""

    column: Annotated[str, Field(min_length=1)]
    scale: Finite = 1.0
    offset: Finite = 0.0


class RecordingSpec(_Strict):
    """A recorded log that stands in for the loop; channels without a column follow the simulated one."""

    path: Path | None = None
    separator: Annotated[str, Field(min_length=1, max_length=1)] = ","
    time_column: str = "t_ms"
    time_scale_s: Positive = 0.001
    columns: Annotated[dict[ChannelName, Column], Field(min_length=1)]


class Expect(_Strict):
    """What must be observed for the scenario to be met.

    alarms: names that must appear; alarms_never: names that must not. detect_within_s counts from the leak's onset.
    """

    detect_within_s: Positive | None = None
    no_leak: bool = False
    alarms: tuple[str, ...] = ()
    alarms_never: tuple[str, ...] = ()
    samples_min_n: Annotated[int, Field(ge=0)] = 0
    late_max_n: Annotated[int, Field(ge=0)] | None = None
    lost_max_ml: Positive | None = None


class Scenario(_Strict):
    """One scenario as its file says it, with every default filled in.

    duration_s is None when it is the recording's. board: rows of the firmware's config.TABLE that differ from their
    defaults.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_]*$")]
    title: Annotated[str, Field(min_length=1)]
    duration_s: Positive | None = None
    seed: Annotated[int, Field(ge=0)] = 1
    loop: LoopParams = LoopParams()
    start: Start = Start()
    room: RoomParams | None = None
    duty: DutyParams | None = None
    sensors: Sensors = Sensors()
    board: dict[str, int] = {}
    recording: RecordingSpec | None = None
    events: tuple[Annotated[Event, Field(discriminator="do")], ...] = Field((), alias="event")
    expect: Expect = Expect()

    @model_validator(mode="after")
    def _hangs_together(self) -> Scenario:
        if self.duration_s is None and self.recording is None:
            raise ValueError("duration_s is missing: only a recording brings its own")
        leaks = any(isinstance(event, Leak) for event in self.events)
        if self.expect.detect_within_s is not None and not leaks:
            raise ValueError("expect.detect_within_s without a leak event can never be met")
        if self.expect.no_leak and leaks:
            raise ValueError("expect.no_leak beside a leak event contradicts it")
        if self.duty is not None and any(isinstance(event, (Load, Pump)) for event in self.events):
            raise ValueError("load and pump events are overruled by [duty]: leave one of them out")
        for event in self.events:
            channel = getattr(event, "channel", "rail")
            if channel != "rail" and not getattr(self.sensors, channel).fitted:
                raise ValueError(f"an event at {event.at_s:g} s is on {channel}, which is not fitted")
        if "fitted_bits" in self.board:
            raise ValueError("board.fitted_bits follows from the sensors: set sensors.<channel>.fitted")
        try:
            Config(**self.board_config())
        except ValueError as error:
            raise ValueError(f"board: {error}") from None
        for name in (*self.expect.alarms, *self.expect.alarms_never):
            if alarms.index_of(name) < 0:
                known = ", ".join(row[0] for row in alarms.TABLE)
                raise ValueError(f"expect: the board has no alarm {name!r}: its alarms are {known}")
        return self

    def board_config(self) -> dict[str, int]:
        """What the board's configuration must say for these sensors: rows of config.TABLE by name."""
        config = {}
        fitted = self.sensors.rail.fitted << len(CHANNEL_SPECS)
        for place, channel in enumerate(CHANNEL_SPECS):
            spec = getattr(self.sensors, channel)
            fitted |= spec.fitted << place
            if isinstance(spec, PressureSensor):
                config[f"{channel}_span_pa"] = round(spec.span_pa)
        return {**config, "fitted_bits": fitted, **self.board}


CHANNEL_SPECS = (*PRESSURES, *TEMPERATURES)


def scenario_names() -> list[str]:
    """The built-in scenarios, sorted."""
    return sorted(path.stem for path in BUILT_IN.glob("*.toml"))


def load_scenario(name_or_path: str | Path, settings: Sequence[str] = ()) -> Scenario:
    """A built-in scenario by its name, or a file by its path.

    settings: "key.key=value" each, put over what the file says; a number in a key is a place in a list, values are
    TOML or else text. "recording=PATH" means recording.path. Paths in a file are relative to it. ScenarioError says
    what is wrong.
    """
    path = _find(name_or_path)
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ScenarioError(f"{path}: cannot be read ({error.strerror}): check the path") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ScenarioError(f"{path}: is not TOML: {error}") from None
    _resolve_path(data, path.parent)
    for setting in settings:
        _set(data, setting)
    try:
        return Scenario.model_validate(data)
    except ValidationError as error:
        raise ScenarioError("\n".join(f"{path.name}: {_explain(one)}" for one in error.errors())) from None


def _find(name_or_path: str | Path) -> Path:
    text = str(name_or_path)
    if text in scenario_names():
        return BUILT_IN / f"{text}.toml"
    path = Path(text)
    if path.suffix == ".toml" or path.exists():
        return path
    known = ", ".join(scenario_names())
    raise ScenarioError(f"no scenario {text!r}: built in are {known}; a file of your own is named by its path")


def _resolve_path(data: dict[str, Any], base: Path) -> None:
    recording = data.get("recording")
    if isinstance(recording, dict) and isinstance(recording.get("path"), str):
        recording["path"] = str(base / recording["path"])


def _set(data: dict[str, Any], setting: str) -> None:
    """Put one "key.key=value" into the file's data."""
    key, equals, text = setting.partition("=")
    if not equals or not key:
        raise ScenarioError(f"setting {setting!r}: write it as key=value, such as loop.gas_ml=300")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    keys = ["recording", "path"] if key == "recording" else key.split(".")
    place: Any = data
    try:
        for part in keys[:-1]:
            place = place[int(part)] if isinstance(place, list) else place.setdefault(part, {})
        place[int(keys[-1]) if isinstance(place, list) else keys[-1]] = value
    except (AttributeError, IndexError, TypeError, ValueError):
        raise ScenarioError(f"setting {setting!r}: there is no {key} in this scenario") from None


def _explain(error: Any) -> str:
    """One finding of pydantic in words: key, what is wrong."""
    key = ""
    for part in error["loc"]:
        if isinstance(part, int):
            key += f"[{part}]"
        elif not key.endswith("]") or part not in EVENT_NAMES:
            key += f".{part}" if key else str(part)
    kind = error["type"]
    if kind in ("extra_forbidden", "unexpected_keyword_argument"):
        what = "no such key"
    elif kind == "union_tag_invalid":
        what = f"do = {error['input'].get('do')!r} is not an event: one of {', '.join(EVENT_NAMES)}"
    elif kind == "union_tag_not_found":
        what = "do is missing: it says which event this is"
    elif kind == "value_error":
        what = str(error["ctx"]["error"])
    else:
        what = f"{error['msg'][0].lower()}{error['msg'][1:]}"
        if not isinstance(error["input"], dict):
            what += f", not {error['input']!r}"
    return f"{key}: {what}" if key else what


def _event_names() -> tuple[str, ...]:
    names: list[str] = []
    for model in Event.__args__:
        names += model.model_fields["do"].annotation.__args__
    return tuple(names)


EVENT_NAMES = _event_names()
