"""A scenario run on a target through the client that people use, and judged by what must be observed.

On a virtual target every time in the result is virtual, counted from power-on, and comes from the board's own `t_ms`:
the same seed gives the same result but for wall_s. On a real board the scenario's events are told to the person at the
bench, times count from the run's start, and what only the bench knows (lost_ml) is None.
"""

import tempfile
import time
from bisect import bisect_left
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from loopwatch.config import Config
from loopwatch.settings import first_file

from .. import ports
from ..client import Client, Pending
from ..errors import NoBoard, UsageError
from ..messages import AlarmChange, Earlier, Gap, Identified, Message, Record, Started, alarm_change, is_leak
from .scenario import Command, Leak, PowerCut, Scenario, load_scenario
from .target import TargetError, VirtualTarget
from .world import World

VIRTUAL_KINDS = ("vm", "pico")
BOARD_ID = bytes.fromhex("e6614104032d5a2b")  # the emulated Pico's own
STEP_S = 0.5
CONSUME_TIMEOUT_S = 30.0

Progress = Callable[[float, float], None]


@dataclass(frozen=True)
class Alarm:
    """One change of an alarm's state, in the words of alarms.TABLE; t_s from the scenario's start."""

    t_s: float
    name: str
    state: str
    priority: int


@dataclass(frozen=True)
class ScenarioResult:
    """What a scenario showed. Rates and volumes in the units of their names; None is not known or did not happen.

    lost_ml: coolant lost when the leak alarm came, or until the end when none came. false_alarms: leak alarms without a
    leak. gaps: records that never arrived, by kind. late: samples taken late. faults: other alarms that stood at some
    time.
    """

    scenario: str
    target: str
    seed: int
    onset_s: float | None
    detected: bool
    delay_s: float | None
    lost_ml: float | None
    alarms: list[Alarm]
    false_alarms: int
    missed_expectations: list[str]
    samples: int
    gaps: dict[str, int]
    bad_lines: int
    late: int
    resets: list[dict[str, Any]]
    faults: list[str]
    commands: list[dict[str, str | None]]
    firmware: str
    virtual_s: float
    wall_s: float

    @property
    def met(self) -> bool:
        """Whether everything that the scenario expects was observed."""
        return not self.missed_expectations

    def as_json(self) -> dict[str, Any]:
        """The document of `loopwatch scenario run --json`."""
        return asdict(self)


class Observed:
    """What the client has told so far, with board time mapped to the scenario's time.

    starts_s: scenario time at which each start of the board (epoch_n from 1) had t_ms = 0.
    """

    def __init__(self, starts_s: Callable[[], Sequence[float]]) -> None:
        self.sample_n = 0
        self.late_n = 0
        self.firmware = ""
        self.gaps: dict[str, int] = {}
        self.changes: list[tuple[float, AlarmChange]] = []
        self._starts_s = starts_s
        self._late_before_n = 0

    def take(self, messages: Sequence[Message]) -> None:
        """Note a batch of messages."""
        for message in messages:
            if isinstance(message, Record):
                self._record(message)
            elif isinstance(message, Earlier) and message.record.epoch_n:
                self._record(message.record)
            elif isinstance(message, Gap):
                self.gaps[message.name] = self.gaps.get(message.name, 0) + message.lost_n
            elif isinstance(message, Started):
                self._late_before_n = self.late_n
            elif isinstance(message, Identified):
                self.firmware = message.firmware

    def alarms(self) -> list[Alarm]:
        """Every change of an alarm, in time."""
        changes = sorted(self.changes, key=lambda entry: entry[0])
        return [Alarm(round(t_s, 3), each.name, each.state, each.priority_n) for t_s, each in changes]

    def _record(self, record: Record) -> None:
        if record.name == "sample":
            self.sample_n += 1
            self.late_n = self._late_before_n + (record.values["late_n"] or 0)
        change = alarm_change(record)
        if change:
            starts_s = self._starts_s()
            start_s = starts_s[min(record.epoch_n, len(starts_s)) - 1]
            self.changes.append((start_s + record.t_ms / 1000, change))


class Truth:
    """How much coolant the loop has lost at every moment of a run, from the world's own books."""

    def __init__(self) -> None:
        self._times_s = [0.0]
        self._lost_ml = [0.0]

    def note(self, t_s: float, lost_ml: float) -> None:
        """Take the loss at a moment later than those before."""
        self._times_s.append(t_s)
        self._lost_ml.append(lost_ml)

    def lost_ml(self, t_s: float) -> float:
        """The loss at t_s, by a straight line between two notes."""
        at = min(max(bisect_left(self._times_s, t_s), 1), len(self._times_s) - 1)
        before_s, after_s = self._times_s[at - 1], self._times_s[at]
        if after_s == before_s:
            return self._lost_ml[at]
        part = min(1.0, (t_s - before_s) / (after_s - before_s))
        return self._lost_ml[at - 1] + part * (self._lost_ml[at] - self._lost_ml[at - 1])


def make_target(kind: str, world: World, scratch: Path, main: Path | None = None) -> VirtualTarget:
    """The virtual target of this kind (vm, pico) in a world; scratch is a folder that lives as long as it does.

    main: the program it runs instead of the firmware's own main.py; without one the board gets the scenario's settings.
    Both kinds are the same board: one id, and with it one seed of the sampler's dither.
    Raises NoBoard when the target is not to be had here, UsageError for another kind.
    """
    if kind not in VIRTUAL_KINDS:
        raise UsageError(f"no target {kind!r}: vm, pico, serial or serial:PORT")
    settings = _settings(world.scenario) if main is None else {}
    if kind == "vm":
        from .vm import VmTarget

        flash_dir = scratch / "flash"
        for path, data in settings.items():
            (flash_dir / path).parent.mkdir(parents=True)
            (flash_dir / path).write_bytes(data)
        return VmTarget(world, main=main, board_id=BOARD_ID, flash_dir=flash_dir if settings else None)
    try:
        from .pico.target import PicoTarget
    except ImportError as error:
        raise NoBoard(f"no emulated Pico here ({error}): install rp2040py, or use --target vm") from None
    changed = settings if main is None else {"main.py": main.read_bytes()}
    return PicoTarget(world, flash=_pico_flash(tuple(changed.items())))


def run_scenario(
    name_or_path: str | Path,
    target: str = "vm",
    seed: int | None = None,
    settings: Sequence[str] = (),
    progress: Progress | None = None,
    tell: Callable[[str], None] | None = None,
) -> ScenarioResult:
    """Run a scenario on `vm`, `pico`, `serial` or `serial:PORT`; seed defaults to the scenario's own.

    progress(t_s, duration_s) is called as it goes on; tell(sentence) when a person at a real loop must do something.
    Raises ScenarioError and UsageError for what cannot be run, NoBoard without a target.
    """
    scenario = load_scenario(name_or_path, settings)
    begun_s = time.monotonic()
    if target == "serial" or target.startswith("serial:"):
        return _run_on_board(scenario, target.partition(":")[2], seed, begun_s, progress, tell)
    return _run_virtual(scenario, target, seed, begun_s, progress)


def _run_virtual(
    scenario: Scenario, kind: str, seed: int | None, begun_s: float, progress: Progress | None
) -> ScenarioResult:
    world = World(scenario, seed)
    truth = Truth()
    with ExitStack() as opened:
        scratch = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="loopwatch-scenario-")))
        target = opened.enter_context(make_target(kind, world, scratch))
        client = Client(target.port, greet=False)
        heard = client.subscribe()
        opened.enter_context(client)
        observed = Observed(lambda: starts_s(target))
        commands = give_commands(world, target, client)
        power = PowerSwitch(world, target)
        for stop_s in _stops(world.duration_s, power.times_s):
            target.advance_to(stop_s)
            power.act(stop_s)
            truth.note(stop_s, world.truth.lost_ml)
            observed.take(heard.drain())
            if progress:
                progress(stop_s, world.duration_s)
        consume(client, target)
        observed.take(heard.drain())
        resets = [{"t_s": round(reset.t_s, 3), "cause": reset.cause} for reset in target.resets]
        virtual_s = target.now_s
        bad_n = client.bad_n
    onset_s = world.truth.onset_s
    return _judge(scenario, kind, world.seed, observed, commands, bad_n, resets, onset_s, truth, virtual_s, begun_s)


def _run_on_board(
    scenario: Scenario,
    port: str,
    seed: int | None,
    begun_s: float,
    progress: Progress | None,
    tell: Callable[[str], None] | None,
) -> ScenarioResult:
    if scenario.duration_s is None:
        raise UsageError(
            f"scenario {scenario.name} plays a recording: that needs a virtual target, such as --target vm"
        )
    first_ms: list[int] = []
    observed = Observed(lambda: [-first_ms[0] / 1000 if first_ms else 0.0])
    device = port or ports.the_board().device
    commands: list[Pending] = []
    due = sorted(scenario.events, key=lambda event: event.at_s)
    with Client(device) as client:
        heard = client.subscribe()
        started_s = time.monotonic()
        while (now_s := time.monotonic() - started_s) < scenario.duration_s:
            while due and due[0].at_s <= now_s:
                event = due.pop(0)
                if isinstance(event, Command):
                    commands.append(client.post(event.text))
                elif tell:
                    tell(f"{event.at_s:g} s: now {step_words(event)}")
            message = heard.get(0.1)
            batch = [message, *heard.drain()] if message else []
            first_ms = first_ms or [each.t_ms - round(now_s * 1000) for each in batch if isinstance(each, Record)][:1]
            observed.take(batch)
            if progress:
                progress(now_s, scenario.duration_s)
        bad_n = client.bad_n
    leaks_s = [event.at_s for event in scenario.events if isinstance(event, Leak)]
    onset_s = min(leaks_s, default=None)
    kind = f"serial:{device}"
    seed = scenario.seed if seed is None else seed
    return _judge(scenario, kind, seed, observed, commands, bad_n, [], onset_s, None, scenario.duration_s, begun_s)


@lru_cache(maxsize=4)
def _pico_flash(changed: tuple[tuple[str, bytes], ...]) -> bytes:
    """Flash of an emulated Pico with this firmware, compiled once, and these files by path instead of its own."""
    from .pico import flash_image
    from .pico.target import firmware_flash

    if not changed:
        return bytes(firmware_flash())
    flash = _pico_flash(())
    return bytes(flash_image.with_files(flash, flash_image.read_files(flash) | dict(changed)))


def _settings(scenario: Scenario) -> dict[str, bytes]:
    """The file by which a board begins with this scenario's settings; none when they are the defaults."""
    config = Config(**scenario.board_config())
    if config.content() == Config().content():
        return {}
    return dict([first_file(config.content())])


def give_commands(world: World, target: VirtualTarget, client: Client) -> list[Pending]:
    """Hand every command of the scenario to the target, to arrive at its time."""
    pending = []
    for t_us, event in world.board_events:
        if isinstance(event, Command):
            line, answer = client.tag(event.text)
            target.send(line, t_us / 1e6)
            pending.append(answer)
    return pending


class PowerSwitch:
    """The scenario's power cuts, as switchings of a target; times_s is when they are due."""

    def __init__(self, world: World, target: VirtualTarget) -> None:
        self._target = target
        self._due: list[tuple[float, bool]] = []
        for t_us, event in world.board_events:
            if isinstance(event, PowerCut):
                self._due += [(t_us / 1e6, False), (t_us / 1e6 + event.off_s, True)]
        self._due.sort()
        self.times_s = [t_s for t_s, _ in self._due]

    def act(self, now_s: float) -> None:
        """Switch what is due by now."""
        while self._due and self._due[0][0] <= now_s:
            if self._due.pop(0)[1]:
                self._target.power_on()
            else:
                self._target.power_off()


def _stops(duration_s: float, switches_s: Sequence[float]) -> list[float]:
    """Where a run pauses: every STEP_S, at each change of power, and at the end."""
    steps_s = (n * STEP_S for n in range(1, int(duration_s / STEP_S) + 1))
    return sorted({stop_s for stop_s in (*steps_s, *switches_s, duration_s) if stop_s <= duration_s})


def starts_s(target: VirtualTarget) -> list[float]:
    """Virtual time of every start of the board's clock; a soft reset leaves the clock running."""
    starts_s = [0.0]
    for reset in target.resets:
        starts_s.append(starts_s[-1] if reset.cause == "soft" else reset.t_s)
    return starts_s


def consume(client: Client, target: VirtualTarget) -> None:
    """Wait until the client has heard everything that the board has sent."""
    end_s = time.monotonic() + CONSUME_TIMEOUT_S
    while client.received_n < target.delivered_n:
        if time.monotonic() > end_s or not client.connected:
            raise TargetError(
                f"the client has {client.received_n} of the {target.delivered_n} bytes that the board sent: is another"
                f" program reading {target.port}?"
            )
        time.sleep(0.002)


def leaks_raised_s(alarms: Sequence[Alarm]) -> list[float]:
    """When the board said that there is a leak; a leak that goes from one class to another is one."""
    raised_s: list[float] = []
    standing: set[str] = set()
    for alarm in alarms:
        if not is_leak(alarm.name):
            continue
        if alarm.state == "UNACK" and not standing:
            raised_s.append(alarm.t_s)
        (standing.discard if alarm.state == "NORM" else standing.add)(alarm.name)
    return raised_s


def _judge(
    scenario: Scenario,
    kind: str,
    seed: int,
    observed: Observed,
    commands: Sequence[Pending],
    bad_n: int,
    resets: list[dict[str, Any]],
    onset_s: float | None,
    truth: Truth | None,
    virtual_s: float,
    begun_s: float,
) -> ScenarioResult:
    alarms = observed.alarms()
    leaks_s = leaks_raised_s(alarms)
    true_s = [t_s for t_s in leaks_s if onset_s is not None and t_s >= onset_s]
    delay_s = true_s[0] - onset_s if true_s and onset_s is not None else None
    lost_ml = None
    if truth is not None and onset_s is not None:
        lost_ml = round(truth.lost_ml(true_s[0] if true_s else virtual_s), 3)
    names = {alarm.name for alarm in alarms if alarm.state != "NORM"}
    return ScenarioResult(
        scenario=scenario.name,
        target=kind,
        seed=seed,
        onset_s=None if onset_s is None else round(onset_s, 3),
        detected=bool(true_s),
        delay_s=None if delay_s is None else round(delay_s, 3),
        lost_ml=lost_ml,
        alarms=alarms,
        false_alarms=len(leaks_s) - len(true_s),
        missed_expectations=_missed(scenario, observed, names, delay_s, lost_ml, len(leaks_s) - len(true_s)),
        samples=observed.sample_n,
        gaps=dict(sorted(observed.gaps.items())),
        bad_lines=bad_n,
        late=observed.late_n,
        resets=resets,
        faults=sorted(name for name in names if not is_leak(name) and name != "not_commissioned"),
        commands=[{"text": pending.text, "reply": pending.reply} for pending in commands],
        firmware=observed.firmware,
        virtual_s=round(virtual_s, 3),
        wall_s=round(time.monotonic() - begun_s, 3),
    )


def _missed(
    scenario: Scenario,
    observed: Observed,
    names: set[str],
    delay_s: float | None,
    lost_ml: float | None,
    false_n: int,
) -> list[str]:
    """Every expectation that was not met, as a sentence."""
    expect = scenario.expect
    missed = []
    if not observed.sample_n:
        missed.append("no sample arrived at all")
    if expect.detect_within_s is not None and delay_s is None:
        missed.append(f"the leak was not detected (expected within {expect.detect_within_s:g} s)")
    elif expect.detect_within_s is not None and delay_s is not None and delay_s > expect.detect_within_s:
        missed.append(f"the leak was detected after {delay_s:.1f} s, not within {expect.detect_within_s:g} s")
    if (expect.no_leak or expect.detect_within_s is not None) and false_n:
        missed.append(f"{false_n} leak alarms without a leak")
    missed += [f"no alarm {name}" for name in expect.alarms if name not in names]
    missed += [f"alarm {name}, which must not come" for name in expect.alarms_never if name in names]
    if observed.sample_n < expect.samples_min_n:
        missed.append(f"{observed.sample_n} samples, not at least {expect.samples_min_n}")
    if expect.late_max_n is not None and observed.late_n > expect.late_max_n:
        missed.append(f"{observed.late_n} late samples, not at most {expect.late_max_n}")
    if expect.lost_max_ml is not None and lost_ml is not None and lost_ml > expect.lost_max_ml:
        missed.append(f"{lost_ml:.1f} mL lost, not at most {expect.lost_max_ml:g}")
    if observed.gaps.get("event"):
        missed.append(f"{observed.gaps['event']} events lost")
    return missed


def step_words(event: Any) -> str:
    """An event of a scenario as something a person can do."""
    given = ", ".join(f"{name} {value}" for name, value in event if name not in ("at_s", "do") and value is not None)
    return f"{event.do.replace('_', ' ')}{': ' + given if given else ''}"
