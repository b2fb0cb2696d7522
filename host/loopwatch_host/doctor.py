"""What is right and wrong with a board, its sensors and its link, line by line, and what to do about it.

observe() listens to a board for some seconds and asks it what it does not say by itself; judge() makes findings of
that and touches nothing. Times in seconds, voltages in mV, sizes in bytes. A board that does not answer a question,
because its firmware is older or nobody is there, is a finding and no exception.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from loopwatch import alarms, sample, wire
from loopwatch.config import Config
from loopwatch.telemetry import BEYOND_LOG, COMMISSIONED

from .client import Client, Subscription
from .errors import CommandFailed
from .messages import NE107_NAMES, Record, channel_status, standing_alarms
from .stream import HOST_VERSION

QUESTIONS = ("*IDN?", "*TST?", "SYST:PROT?", "SYST:FLASH?", "SYST:CRASH?", "SYST:ERR?", "CONF:CRC?")
FIRST_SAMPLE_S = 5.0

# Between the two a rail is usable and yet worth a look: USB 2.0 (7.2.2) promises 4.75 to 5.25 V at the port, a long
# cable or a hub without a supply costs more.
RAIL_GOOD_MV = (4_750, 5_250)
RAIL_USABLE_MV = (4_400, 5_500)
DRIFT_GOOD_PPM = 200  # a crystal with its load and temperature
DRIFT_USABLE_PPM = 10_000
HEAP_GOOD_N = 50_000
HEAP_USABLE_N = 16_000
FLASH_GOOD_N = 200_000  # room for a second firmware beside the running one
FLASH_USABLE_N = 32_000
JITTER_S = 0.002  # of a line's arrival, at its best


class Level(str, Enum):
    """How a finding is meant."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Finding:
    """One line: what was looked at, how it stands, in words, and what to do; advice is empty when all is well."""

    name: str
    level: Level
    text: str
    advice: str = ""


@dataclass
class Facts:
    """What was observed. replies: by question, None without an answer, a refusal with its leading "!".

    drift_ppm: the board's clock against the wall, positive is fast, and drift_error_ppm how well it is known; None when
    it cannot be compared, clock_note then says why.
    """

    port: str = ""
    board_id: str = ""
    replies: dict[str, str | None] = field(default_factory=dict)
    sample: Record | None = None
    heartbeat: Record | None = None
    decision: Record | None = None
    sample_n: int = 0
    rails_mv: list[int] = field(default_factory=list)
    lost_n: int = 0
    bad_lines_n: int = 0
    late_n: int = 0
    watched_s: float = 0.0
    drift_ppm: float | None = None
    drift_error_ppm: float = 0.0
    clock_note: str = "too few samples"


def observe(
    client: Client,
    heard: Subscription,
    watch_s: float,
    patience: float = 1.0,
    tell: Callable[[str], object] | None = None,
) -> Facts:
    """Listen for watch_s after the first sample, then ask QUESTIONS. patience: how many times slower the board is."""
    facts = Facts(port=client.port)
    arrivals: list[tuple[float, float]] = []
    begun_s = time.monotonic()
    end_s = begun_s + FIRST_SAMPLE_S * patience
    first_late_n: int | None = None
    while (now_s := time.monotonic()) < end_s:
        message = heard.get(min(0.2, max(0.0, end_s - now_s)))
        if not isinstance(message, Record):
            continue
        if message.name == "heartbeat":
            facts.heartbeat = message
        if message.name == "decision":
            facts.decision = message
        if message.name != "sample":
            continue
        if facts.sample is None:
            end_s = time.monotonic() + watch_s
            if tell:
                tell(f"listening to {client.port} for {watch_s:g} s")
        facts.sample, facts.sample_n = message, facts.sample_n + 1
        arrivals.append((message.t_ms / 1000, time.monotonic()))
        rail_mv, late_n = message.values["rail_mv"], message.values["late_n"] or 0
        first_late_n = late_n if first_late_n is None else first_late_n
        facts.late_n = late_n - first_late_n
        if rail_mv is not None:
            facts.rails_mv.append(rail_mv)
    facts.watched_s = watch_s
    for question in QUESTIONS:
        facts.replies[question] = _ask(client, question, patience)
    facts.board_id = client.stream.board_id
    facts.lost_n, facts.bad_lines_n = sum(client.lost_n.values()), client.bad_n
    drift = drift_ppm(arrivals)
    if drift is not None:
        facts.drift_ppm, facts.drift_error_ppm = drift
    return facts


def _ask(client: Client, question: str, patience: float) -> str | None:
    try:
        pending = client.post(question)
        pending.wait(2.0 * patience)
    except CommandFailed:
        return pending.reply if client.connected else None
    return pending.reply


def drift_ppm(arrivals: list[tuple[float, float]]) -> tuple[float, float] | None:
    """How much faster the board's clock runs than the wall's, in ppm, and the error of that; None with too few samples.

    arrivals: (board time, wall time) of each sample. A line is never early, so the least delay of the
    first half and that of the second half are compared.
    """
    half = len(arrivals) // 2
    if half < 5:
        return None
    early = min(arrivals[:half], key=lambda pair: pair[1] - pair[0])
    late = min(arrivals[half:], key=lambda pair: pair[1] - pair[0])
    wall_s = late[1] - early[1]
    if wall_s <= 0:
        return None
    return (late[0] - early[0] - wall_s) / wall_s * 1e6, JITTER_S / wall_s * 1e6


def judge(facts: Facts) -> list[Finding]:
    """The findings, in the order in which a person would look."""
    if facts.replies.get("*IDN?") is None and facts.sample is None and facts.heartbeat is None:
        return [_silent(facts)]
    return [
        _firmware(facts),
        _protocol(facts),
        _monitoring(facts),
        *_sensors(facts),
        _rail(facts),
        _link(facts),
        _deadlines(facts),
        _clock(facts),
        _heap(facts),
        _flash(facts),
        _configuration(facts),
        *_reach(facts),
        _crash(facts),
    ]


def _silent(facts: Facts) -> Finding:
    return Finding(
        "firmware",
        Level.FAIL,
        f"the port {facts.port} opens, and nothing that answers as loopwatch is behind it",
        "unplug the board and plug it in; if it stays silent, `loopwatch flash` puts the firmware on it",
    )


def _untold(name: str, question: str, facts: Facts) -> Finding | None:
    """A finding for a question without an answer."""
    reply = facts.replies.get(question)
    if reply is None:
        return Finding(name, Level.WARN, f"no answer to {question}", "try again; is the board restarting?")
    if reply.startswith("!"):
        text = f"this firmware does not know {question}"
        return Finding(name, Level.WARN, text, f"`loopwatch flash` puts firmware {HOST_VERSION} on the board")
    return None


def _firmware(facts: Facts) -> Finding:
    reply = facts.replies.get("*IDN?") or ""
    words = [word.strip() for word in reply.split(",")]
    if len(words) != 4 or words[0] != "loopwatch":
        text = f"answers *IDN? with {reply!r}"
        return Finding(
            "firmware", Level.FAIL, text, "another program is on the board: `loopwatch flash` puts ours on it"
        )
    text = f"{words[3]} on {words[1]} {words[2]}"
    if words[3] != HOST_VERSION:
        advice = f"`loopwatch flash` puts {HOST_VERSION} on the board, or install the laptop's version {words[3]}"
        return Finding("firmware", Level.WARN, f"{text}; this laptop has {HOST_VERSION}", advice)
    return Finding("firmware", Level.OK, text)


def _protocol(facts: Facts) -> Finding:
    untold = _untold("protocol", "SYST:PROT?", facts)
    if untold:
        return untold
    crc = wire.protocol_crc()
    ours = f"{wire.PROTOCOL_N},{crc.hi << 16 | crc.lo:08X}"
    theirs = facts.replies["SYST:PROT?"] or ""
    if theirs != ours:
        advice = f"fields may be missing; `loopwatch flash` puts firmware {HOST_VERSION} on the board"
        return Finding("protocol", Level.FAIL, f"the board speaks {theirs}, this laptop {ours}", advice)
    return Finding("protocol", Level.OK, ours.replace(",", " "))


def _monitoring(facts: Facts) -> Finding:
    bits = 0 if facts.heartbeat is None else facts.heartbeat.values["alarm_bits"] or 0
    standing = [name for name in standing_alarms(bits) if name != alarms.TABLE[alarms.NOT_COMMISSIONED][0]]
    if facts.sample is None:
        said = facts.replies.get("SYST:ERR?") or "it does not say why"
        advice = "switch the board off and on; if that does not help, `loopwatch flash` or `loopwatch flash --rollback`"
        return Finding("monitoring", Level.FAIL, f"the board answers and takes no samples: {said}", advice)
    if standing:
        advice = "see `loopwatch monitor`; a leak is acknowledged only after somebody has looked at the loop"
        return Finding("monitoring", Level.WARN, f"standing alarms: {', '.join(standing)}", advice)
    n = 0 if facts.heartbeat is None else facts.heartbeat.values["ne107_n"] or 0
    word = NE107_NAMES[n] if 0 <= n < len(NE107_NAMES) else f"unknown ({n})"
    return Finding("monitoring", Level.OK, f"{facts.sample_n} samples in {facts.watched_s:g} s, NE 107: {word}")


_SENSOR_ADVICE = {
    "no_answer": "check its plug, its supply and SDA and SCL; its address is in hardware/pinmap.toml",
    "timeout": "the chip answers and does not measure: switch the board off and on, else replace it",
    "stale": "its readings have stopped: check its plug, switch the board off and on",
    "open": "check the wire from the transducer, and that its supply is on",
    "short": "check the wire for a short to the supply, and the divider's lower resistor",
    "reference": "the 5 V supply is not usable as a reference: see rail",
    "starting": "it has not given a reading yet: look again in some seconds",
    "spec_low": "the pressure is near the lower end of what it can measure: is it the right one for this loop?",
    "spec_high": "the pressure is near the upper end of what it can measure: is it the right one for this loop?",
}


def _sensors(facts: Facts) -> list[Finding]:
    if facts.sample is None:
        return []
    findings = []
    for channel, field_name in enumerate(sample.CHANNELS[: sample.RAIL]):
        name, _, unit = field_name.rpartition("_")
        word = channel_status(facts.sample, channel)
        value = facts.sample.values[field_name]
        if word == "absent":
            findings.append(Finding(name, Level.OK, "not fitted, by configuration"))
        elif value is None:
            findings.append(Finding(name, Level.FAIL, word.replace("_", " "), _SENSOR_ADVICE.get(word, "")))
        else:
            shown = f"{value / 100:.1f} mbar" if unit == "pa" else f"{value / 1000:.2f} °C"
            level = Level.OK if word == "good" else Level.WARN
            text = shown if word == "good" else f"{shown}, {word.replace('_', ' ')}"
            findings.append(Finding(name, level, text, _SENSOR_ADVICE.get(word, "") if level is Level.WARN else ""))
    return findings


def _rail(facts: Facts) -> Finding:
    if not facts.rails_mv:
        if facts.sample is not None and channel_status(facts.sample, sample.RAIL) == "absent":
            return Finding("rail", Level.WARN, "not measured, by configuration", "pressures carry the supply's error")
        return Finding("rail", Level.FAIL, "no reading", "check the converter and the divider of the 5 V rail")
    low_mv, high_mv = min(facts.rails_mv), max(facts.rails_mv)
    text = f"{low_mv / 1000:.2f} to {high_mv / 1000:.2f} V"
    advice = "use a shorter cable or a hub with its own supply; what else is on the 5 V?"
    level = _level(
        RAIL_GOOD_MV[0] <= low_mv and high_mv <= RAIL_GOOD_MV[1],
        RAIL_USABLE_MV[0] <= low_mv and high_mv <= RAIL_USABLE_MV[1],
    )
    return Finding("rail", level, text, "" if level is Level.OK else advice)


def _link(facts: Facts) -> Finding:
    dropped_n = 0 if facts.heartbeat is None else facts.heartbeat.values["dropped_n"] or 0
    text = f"{facts.lost_n} records lost, {facts.bad_lines_n} lines damaged while listening"
    if facts.bad_lines_n:
        return Finding("link", Level.WARN, text, "another cable or port; a hub in between?")
    if facts.lost_n:
        return Finding("link", Level.WARN, text, "this laptop reads too slowly, or something stalls its USB")
    if dropped_n:
        text += f"; {dropped_n} given up by the board since its start, because nobody read"
    return Finding("link", Level.OK, text)


def _deadlines(facts: Facts) -> Finding:
    if facts.heartbeat is None:
        return Finding("deadlines", Level.WARN, "no heartbeat came", "it comes once a second: try again")
    errors_n, since_n = facts.heartbeat.values["bus_error_n"] or 0, facts.heartbeat.values["late_n"] or 0
    text = (
        f"{facts.late_n} late while listening, {since_n} since start, {errors_n} errors on the sensor bus since start"
    )
    if facts.late_n:
        return Finding("deadlines", Level.WARN, text, "is another program at the board's prompt (mpremote, Thonny)?")
    if errors_n:
        return Finding("deadlines", Level.WARN, text, "check plugs and pull-ups of the sensor bus, and its length")
    return Finding("deadlines", Level.OK, text)


def _clock(facts: Facts) -> Finding:
    if facts.drift_ppm is None:
        return Finding("clock", Level.OK, f"not compared: {facts.clock_note}")
    text = f"{facts.drift_ppm:+.0f} ppm against this laptop, known to ±{facts.drift_error_ppm:.0f}"
    off_ppm = abs(facts.drift_ppm) - facts.drift_error_ppm
    level = _level(off_ppm <= DRIFT_GOOD_PPM, off_ppm <= DRIFT_USABLE_PPM)
    advice = (
        "listen longer (--for 60); if it stays, rates are off by as much: is the laptop busy, or its clock being set?"
    )
    return Finding("clock", level, text, "" if level is Level.OK else advice)


def _heap(facts: Facts) -> Finding:
    free_n = None if facts.heartbeat is None else facts.heartbeat.values["heap_free_n"]
    if free_n is None:
        return Finding("heap", Level.WARN, "not told", "no heartbeat came: try again")
    level = _level(free_n >= HEAP_GOOD_N, free_n >= HEAP_USABLE_N)
    advice = "" if level is Level.OK else "switch the board off and on, and report it with this output"
    return Finding("heap", level, f"{free_n / 1000:.0f} kB free", advice)


def _flash(facts: Facts) -> Finding:
    untold = _untold("flash", "SYST:FLASH?", facts)
    if untold:
        return untold
    reply = facts.replies["SYST:FLASH?"] or ""
    words = reply.split(",")
    if len(words) != 2 or not all(word.strip().isdecimal() for word in words):
        return Finding("flash", Level.WARN, f"an answer nobody understands: {reply!r}", "`loopwatch flash`")
    free_n, all_n = (int(word) for word in words)
    level = _level(free_n >= FLASH_GOOD_N, free_n >= FLASH_USABLE_N)
    advice = "" if level is Level.OK else "files that are not loopwatch's fill it: remove them with `mpremote rm`"
    return Finding("flash", level, f"{free_n / 1000:.0f} of {all_n / 1000:.0f} kB free", advice)


def _configuration(facts: Facts) -> Finding:
    untold = _untold("configuration", "CONF:CRC?", facts)
    if untold:
        return untold
    theirs = facts.replies["CONF:CRC?"] or ""
    default = theirs == default_crc()
    return Finding(
        "configuration", Level.OK, f"{theirs}, {'the safe defaults, not commissioned' if default else 'its own'}"
    )


def _reach(facts: Facts) -> list[Finding]:
    """Whether the loop is where its log of commissioning has been; nothing on a board that has none."""
    state_bits = (facts.decision.values["state_bits"] or 0) if facts.decision else 0
    if not state_bits & COMMISSIONED:
        return []
    if not state_bits & BEYOND_LOG:
        return [Finding("reach", Level.OK, "the loop is where its log of commissioning has been")]
    text = (
        "the loop is warmer or colder, or its pump has stood longer, than in its log of commissioning: slow leaks are"
        " told later"
    )
    advice = "if it is to be so again, keep a day or more of it and commission anew: `loopwatch commission --recorded`"
    return [Finding("reach", Level.WARN, text, advice)]


def default_crc() -> str:
    """What a board answers to CONF:CRC? that runs on the safe defaults."""
    crc = Config().crc()
    return f"{crc.hi << 16 | crc.lo:08X}"


def _crash(facts: Facts) -> Finding:
    untold = _untold("last crash", "SYST:CRASH?", facts)
    if untold:
        return untold
    words = facts.replies["SYST:CRASH?"] or ""
    if words:
        advice = "report it with the whole traceback: `mpremote cat :crash.txt`; removing that file ends this warning"
        return Finding("last crash", Level.WARN, words, advice)
    return Finding("last crash", Level.OK, "none")


def _level(good: bool, usable: bool) -> Level:
    return Level.OK if good else Level.WARN if usable else Level.FAIL
