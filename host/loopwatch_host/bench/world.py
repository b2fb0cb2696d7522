"""Everything outside the board under one virtual clock: the loop, its sensors, their chips, the pins, the cable.

A board reaches the world by `bus` and the pins; whoever runs the board calls advance(t_us), at least up to each moment
at which the board looks. Times are integer microseconds since power-on. The loop moves on a fixed 0.1 s grid, and the
scenario's events happen on it; between two grid points pressures run straight. What a chip measures depends on the
time and the transfers alone, so that a seed makes the same run however advance() is cut in pieces.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Callable
from functools import partial

from . import scenario as script
from .bus import Bus
from .chips import ADS1115, TMP117
from .chips.words import WordChip
from .frontend import (
    OPEN,
    RATIO_SPAN,
    SHORT_TO_GROUND,
    SHORT_TO_RAIL,
    SLOW_EVERY_S,
    Burst,
    Pickup,
    PressureLine,
    RailLine,
    TemperatureLine,
    generator,
)
from .plant import (
    AMBIENT_C,
    FILL_M3_S,
    LOAD_W,
    PUMP_SPEED,
    RADIATOR_C,
    SOURCE_C,
    STEP_S,
    Duty,
    Plant,
    Room,
)
from .recording import Recording, RecordingError

STEP_US = round(STEP_S * 1e6)
SLOW_EVERY_N = round(SLOW_EVERY_S / STEP_S)

# hardware/pinmap.toml: addresses, converter inputs, the acknowledge button.
ADC_ADDRESS = 0x48
TEMPERATURE_ADDRESSES = {"t_source": 0x49, "t_radiator": 0x4A, "t_dome": 0x4B}
CONVERTER_INPUTS = ("p_static", "p_pump", "rail")
ACK_GPIO = 15
SCL_GPIO = 5

SPIKE_S = 0.1  # one sample's conversions

# The pressures of the latest steps are kept: the longest conversion (8 SPS) takes 139 ms, its middle lies 0.07 s back.
KEPT_N = 4


class Truth:
    """What really goes on in the loop, for whoever judges the board; onset_s is None before the first leak."""

    def __init__(self, plant: Plant) -> None:
        self._plant = plant
        self.onset_s: float | None = None

    @property
    def lost_ml(self) -> float:
        """Coolant leaked so far; permeation and withdrawal are not in it."""
        return self._plant.lost_ml

    @property
    def leak_rate_ml_h(self) -> float:
        """Flow through the leak."""
        return self._plant.leak_rate_ml_h

    @property
    def p_static_pa(self) -> float:
        """Absolute pressure at the vessel."""
        return self._plant.p_static_pa

    @property
    def p_pump_pa(self) -> float:
        """Absolute pressure at the pump's discharge."""
        return self._plant.p_pump_pa

    @property
    def liquid_ml(self) -> float:
        """Coolant in the loop."""
        return self._plant.liquid_ml

    @property
    def gas_ml(self) -> float:
        """Gas in the vessel."""
        return self._plant.gas_ml

    @property
    def temperatures_c(self) -> dict[str, float]:
        """Temperatures at the three thermometers' places."""
        state = self._plant.state
        return {"t_source": state[SOURCE_C], "t_radiator": state[RADIATOR_C], "t_dome": self._plant.dome_c}


class World:
    """A scenario under way for a seed (the scenario's own unless given); a target's Surroundings.

    bus, advance, pin_write and pin_read are the board's side. link_reading and link_connected say what the laptop does.
    pins: what the board's outputs did, (t_us, gpio, value) at each change. board_events: what the board's runner must
    act on, (t_us, Command or PowerCut) in order; it takes them off. ScenarioError when a recording cannot be played.
    """

    def __init__(self, scenario: script.Scenario, seed: int | None = None) -> None:
        self.scenario = scenario
        self.seed = scenario.seed if seed is None else seed
        self.pins: list[tuple[int, int, int]] = []
        self.link_reading = True
        self.link_connected = True
        self.board_powered = True
        self.board_events: deque[tuple[int, script.Command | script.PowerCut]] = deque()
        start = scenario.start
        self.plant = Plant(scenario.loop, start.load_w, start.pump_speed, start.ambient_c)
        self.truth = Truth(self.plant)
        self.bus = Bus(on_time=self.advance)
        self._duty = scenario.duty and Duty(scenario.duty, generator(self.seed, "duty"), start.load_w, start.pump_speed)
        self._room = scenario.room and Room(scenario.room, generator(self.seed, "room"))
        self._recording = _open_recording(scenario)
        self._recorded: dict[str, float] = {}
        self._step_n = 0
        self._next_us = 0
        self._pin_levels: dict[int, int] = {}
        self._pin_inputs: dict[int, int] = {}
        self._ambient_from_c = self._ambient_to_c = start.ambient_c
        self._ambient_from_s, self._ambient_over_s = 0.0, 0.0
        self._pressures = {name: [(0.0, 0.0)] * KEPT_N for name in script.PRESSURES}
        self._later: list[tuple[int, int, Callable[[], None]]] = []
        self._later_n = 0
        self._probes_out: set[str] = set()
        self._fit_sensors()
        self._schedule()
        self.advance(0)

    @property
    def duration_s(self) -> float:
        """How long the scenario runs: as it says, else as long as its recording."""
        if self.scenario.duration_s is not None:
            return self.scenario.duration_s
        assert self._recording is not None
        return self._recording.duration_s

    @property
    def recording_row_n(self) -> int:
        """Rows of the recording in play, 0 without one."""
        return self._recording.row_n if self._recording else 0

    def advance(self, t_us: int) -> None:
        """Let the world come as far as t_us; a moment already past changes nothing."""
        while self._next_us <= t_us:
            self._pass_grid_point()

    def do(self, event: script.Event) -> None:
        """Let an event happen now, at the next grid point, whatever its at_s."""
        if isinstance(event, (script.Command, script.PowerCut)):
            self.board_events.append((self._next_us, event))
        self._at(self._next_us, partial(self._happen, event))

    def pin_write(self, gpio: int, value: int, t_us: int) -> None:
        """The board drives a pin."""
        if self._pin_levels.get(gpio) != value:
            self._pin_levels[gpio] = value
            if gpio == SCL_GPIO and value:
                self.advance(t_us)
                self.bus.clock()
            self.pins.append((t_us, gpio, value))

    def pin_read(self, gpio: int, t_us: int) -> int:
        """The level of a pin: what is outside drives it, else the board itself, else its pull-up."""
        self.advance(t_us)
        return self._pin_inputs.get(gpio, self._pin_levels.get(gpio, 1))

    def pin_drive(self, gpio: int, value: int | None) -> None:
        """Drive an input of the board from outside from now on; None lets go."""
        if value is None:
            self._pin_inputs.pop(gpio, None)
        else:
            self._pin_inputs[gpio] = value

    def _fit_sensors(self) -> None:
        sensors, seed = self.scenario.sensors, self.seed
        rates = generator(seed, "clocks").uniform(-0.1, 0.1, 4).tolist()
        self.rail = RailLine(sensors.rail, seed)
        self._pressure_lines = {
            name: PressureLine(
                name, getattr(sensors, name), self.rail, partial(self._mean_pressure, self._pressures[name]), seed
            )
            for name in script.PRESSURES
        }
        self._lines: dict[str, PressureLine | RailLine] = {**self._pressure_lines, "rail": self.rail}
        error = rates[0] if sensors.adc_rate_error is None else sensors.adc_rate_error
        self.adc = ADS1115(self._pin_volts, error)
        self.bus.add(ADC_ADDRESS, self.adc)
        self._temperature_lines: dict[str, TemperatureLine] = {}
        self._chips: dict[str, tuple[int, WordChip]] = dict.fromkeys(CONVERTER_INPUTS, (ADC_ADDRESS, self.adc))
        now_c = self.truth.temperatures_c
        if self._recording:
            now_c |= {name: value for name, value in self._recording.at(0.0).items() if name in now_c}
        for place, (name, address) in enumerate(TEMPERATURE_ADDRESSES.items()):
            spec = getattr(sensors, name)
            line = TemperatureLine(name, spec, now_c[name], STEP_S, seed)
            self._temperature_lines[name] = line
            if spec.fitted:
                chip = TMP117(line.mean_c, rates[1 + place])
                self.bus.add(address, chip)
                self._chips[name] = (address, chip)

    def _schedule(self) -> None:
        for event in sorted(self.scenario.events, key=lambda event: event.at_s):
            at_us = math.ceil(event.at_s / STEP_S - 1e-9) * STEP_US
            self._at(at_us, partial(self._happen, event))
            if isinstance(event, (script.Command, script.PowerCut)):
                self.board_events.append((at_us, event))

    def _at(self, t_us: int, action: Callable[[], None]) -> None:
        """Do something at the first grid point not before t_us; things of one moment keep their order."""
        self._later_n += 1
        heapq.heappush(self._later, (t_us, self._later_n, action))

    def _after(self, delay_s: float, action: Callable[[], None]) -> None:
        self._at(self._next_us + round(delay_s * 1e6), action)

    def _pass_grid_point(self) -> None:
        """What was due is finished, events happen, and the loop moves on to the next grid point."""
        t_us = self._next_us
        for chip in self.bus.chips.values():
            chip.settle(t_us)
        while self._later and self._later[0][0] <= t_us:
            heapq.heappop(self._later)[2]()
        t_s = t_us * 1e-6
        self._drive_plant(t_s)
        self._step_sensors(t_us)
        before = self.plant.p_static_pa, self.plant.p_pump_pa
        self.plant.step()
        after = self.plant.p_static_pa, self.plant.p_pump_pa
        place = self._step_n % KEPT_N
        for i, name in enumerate(script.PRESSURES):
            held = self._recorded.get(name)
            self._pressures[name][place] = (before[i], after[i]) if held is None else (held, held)
        self._step_n += 1
        self._next_us = t_us + STEP_US

    def _drive_plant(self, t_s: float) -> None:
        inputs = self.plant.inputs
        if self._duty:
            self._duty.apply(t_s, inputs)
        inputs[AMBIENT_C] = self._room_mean_c(t_s) + (self._room.deviation_k(t_s) if self._room else 0.0)
        if self._recording:
            self._recorded = self._recording.at(t_s)

    def _room_mean_c(self, t_s: float) -> float:
        """The room without its deviation, on its way from one ambient event's temperature to the next."""
        part = (t_s - self._ambient_from_s) / self._ambient_over_s if self._ambient_over_s > 0 else 1.0
        return self._ambient_from_c + min(part, 1.0) * (self._ambient_to_c - self._ambient_from_c)

    def _step_sensors(self, t_us: int) -> None:
        state = self.plant.state
        around_c = (state[SOURCE_C], state[RADIATOR_C], self.plant.dome_c)
        for (name, line), t_c in zip(self._temperature_lines.items(), around_c, strict=True):
            place_c = self._recorded.get(name, t_c)
            line.step(self.plant.inputs[AMBIENT_C] if name in self._probes_out else place_c)
        if self._step_n % SLOW_EVERY_N == 0:
            self.rail.wander.step()
            for pressure in self._pressure_lines.values():
                pressure.wander.step()
                pressure.body_c = self.plant.dome_c
            for analog in self._lines.values():
                analog.disturbed.forget(t_us - KEPT_N * STEP_US)

    def _mean_pressure(self, kept: list[tuple[float, float]], from_us: float, to_us: float) -> float:
        """The loop's mean pressure over a window: that of its middle, as pressures run straight between grid points."""
        middle = 0.5 * (from_us + to_us) / STEP_US
        step_n = min(max(int(middle), self._step_n - KEPT_N, 0), self._step_n - 1)
        begin, end = kept[step_n % KEPT_N]
        return begin + (end - begin) * min(max(middle - step_n, 0.0), 1.0)

    def _pin_volts(self, place: int, from_us: float, to_us: float) -> float:
        """Mean voltage at a pin of the converter; the fourth is not wired."""
        if place >= len(CONVERTER_INPUTS):
            return 0.0
        return self._lines[CONVERTER_INPUTS[place]].pin_mean_v(from_us, to_us)

    def _happen(self, event: script.Event) -> None:
        inputs = self.plant.inputs
        match event:
            case script.Load():
                inputs[LOAD_W] = event.load_w
            case script.Pump():
                inputs[PUMP_SPEED] = event.speed
            case script.Ambient():
                now_s = self._next_us * 1e-6
                self._ambient_from_c, self._ambient_to_c = self._room_mean_c(now_s), event.ambient_c
                self._ambient_from_s, self._ambient_over_s = now_s, event.over_s
            case script.Leak():
                self.plant.leak(event.rate_ml_h or 0.0, event.hole_mm or 0.0, event.point == "discharge")
                if self.truth.onset_s is None:
                    self.truth.onset_s = self._next_us * 1e-6
            case script.LeakStop():
                self.plant.leak()
            case script.Refill():
                self._pour(event.volume_ml, event.over_s)
            case script.Withdraw():
                self._pour(-event.volume_ml, event.over_s)
            case script.SensorFault():
                self._fail(event)
            case script.SensorHeal():
                self._heal(event.channel)
            case script.PickupEvent():
                self._pick_up(event)
            case script.Emi():
                self._disturb(event.channel, event.for_s, noise_rms=event.noise_pa)
            case script.RailEvent():
                self.rail.set_volts = event.volts
            case script.BusStuck():
                self.bus.stuck = True
                self.bus.stuck_clocks_n = event.clocks_n or 0
                self._after(event.for_s, partial(setattr, self.bus, "stuck", False))
            case script.AdcGain():
                self.adc.gain = event.gain
            case script.DataPath():
                for pressure in self._pressure_lines.values():
                    pressure.told_share = event.share
            case script.ProbeOut():
                (self._probes_out.add if event.do == "probe_out" else self._probes_out.discard)(event.channel)
            case script.Exchange():
                self._exchange(*event.channels)
            case script.Offset():
                self._drift(event.channel, event.offset_pa, max(1, round(event.over_s / STEP_S)))
            case script.Host():
                self._host(event.do)
            case script.Press():
                self.pin_drive(ACK_GPIO, 0)
                self._after(event.for_s, partial(self.pin_drive, ACK_GPIO, None))
            case script.PowerCut():
                self._power(False)
                self._after(event.off_s, partial(self._power, True))
            case script.Command():
                pass  # the board's runner takes it from board_events

    def _exchange(self, one: str, other: str) -> None:
        """Plug two sensors in each other's place: cables of transducers, or addresses of thermometers."""
        if one in self._pressure_lines:
            lines = self._pressure_lines
            lines[one], lines[other] = lines[other], lines[one]
            self._lines |= lines
            return
        (address, chip), (other_address, other_chip) = self._chips[one], self._chips[other]
        self._chips[one], self._chips[other] = (address, other_chip), (other_address, chip)
        self.bus.chips[address], self.bus.chips[other_address] = other_chip, chip

    def _drift(self, channel: str, offset_pa: float, steps_n: int) -> None:
        """Shift a transducer in this many steps of the grid."""
        line = self._pressure_lines[channel]
        line.shift_pa += offset_pa / steps_n
        if steps_n > 1:
            self._after(STEP_S, partial(self._drift, channel, offset_pa * (steps_n - 1) / steps_n, steps_n - 1))

    def _pour(self, volume_ml: float, over_s: float) -> None:
        """Coolant in (or out, negative), evenly over this time."""
        steps_n = max(1, round(over_s / STEP_S))
        rate_m3_s = volume_ml * 1e-6 / (steps_n * STEP_S)
        self._fill(rate_m3_s)
        self._after(steps_n * STEP_S, partial(self._fill, -rate_m3_s))

    def _fill(self, more_m3_s: float) -> None:
        rate = self.plant.inputs[FILL_M3_S] + more_m3_s
        self.plant.inputs[FILL_M3_S] = rate if abs(rate) > 1e-15 else 0.0  # what rounding leaves is not a flow

    def _fail(self, event: script.SensorFault) -> None:
        channel, t_us = event.channel, self._next_us
        address, chip = self._chips[channel]
        line = self._lines.get(channel)
        if event.kind == "nack":
            self.bus.nack(address)
        elif event.kind == "power_cycle":
            chip.power_cycle(t_us)
        elif event.kind == "spike":
            self._disturb(channel, event.for_s or SPIKE_S, size=event.size_pa or 0.0)
        elif event.kind == "stuck" and isinstance(line, PressureLine):
            line.hold(t_us - STEP_US, t_us)
        elif event.kind in ("stuck", "never_ready", "power_up"):
            chip.fail(event.kind, t_us)
        elif line is not None:
            line.fault = OPEN if event.kind == "open" else SHORT_TO_RAIL if event.to == "rail" else SHORT_TO_GROUND

    def _heal(self, channel: str) -> None:
        address, chip = self._chips[channel]
        self.bus.heal(address)
        if chip.fault is not None:
            chip.heal(self._next_us)
        if channel in self._lines:
            self._lines[channel].heal()

    def _pick_up(self, event: script.PickupEvent) -> None:
        if event.amplitude_pa is not None:
            amplitude = event.amplitude_pa
        else:
            amplitude = event.amplitude_v or 0.0
            if event.channel != "rail":
                span_pa: float = getattr(self.scenario.sensors, event.channel).span_pa
                amplitude *= span_pa / (RATIO_SPAN * self.scenario.sensors.rail.volts)
        pickup = Pickup(amplitude, event.frequency_hz, math.radians(event.phase_deg))
        self._lines[event.channel].disturbed.pickup = [pickup] if amplitude > 0 else []

    def _disturb(self, channel: str, for_s: float, size: float = 0.0, noise_rms: float = 0.0) -> None:
        burst = Burst(self._next_us, self._next_us + for_s * 1e6, size, noise_rms)
        self._lines[channel].disturbed.bursts.append(burst)

    def _host(self, what: str) -> None:
        if what in ("host_unplugs", "host_plugs"):
            self.link_connected = what == "host_plugs"
        else:
            self.link_reading = what == "host_reads"

    def _power(self, on: bool) -> None:
        """The board's and the chips' supply goes or comes back; without it every output of the board falls."""
        self.board_powered = self.bus.powered = on
        if on:
            for chip in self.bus.chips.values():
                chip.power_cycle(self._next_us)
            return
        for gpio in self._pin_levels:
            self.pin_write(gpio, 0, self._next_us)


def _open_recording(scenario: script.Scenario) -> Recording | None:
    spec = scenario.recording
    if spec is None:
        return None
    if spec.path is None:
        raise script.ScenarioError(f"{scenario.name}: plays a recording: name one with --set recording=PATH")
    try:
        return Recording(spec.path, spec.columns, spec.time_column, spec.separator, spec.time_scale_s)
    except RecordingError as error:
        raise script.ScenarioError(f"{scenario.name}: {error}") from None
