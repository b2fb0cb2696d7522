"""What the client tells whoever listens: records of the board with their time, and the state of the link.

Every message carries `at_s`, wall time in seconds since 1970. For a record it is the board's
own time mapped to the wall (see clock.py), for the others the moment the laptop noticed. `t_ms` is the board's time
since its start, unwrapped; `epoch_n` counts the board's starts seen on this connection, from 1.
"""

from dataclasses import dataclass
from typing import Any

from loopwatch import alarms, records, sample
from loopwatch.journal import ALARM, MODE, MODE_NAMES

KIND_NAMES = tuple(kind[1] for kind in records.KINDS)

NE107_NAMES = ("good", "maintenance required", "out of specification", "function check", "failure")
RESET_CAUSES = {1: "power on", 2: "reset by software or pin", 3: "watchdog"}


@dataclass(frozen=True)
class Record:
    """One record of the board: name and values as in records.KINDS, None where a field has no value."""

    name: str
    seq: int
    epoch_n: int
    t_ms: int
    at_s: float
    values: dict[str, int | None]


@dataclass(frozen=True)
class Gap:
    """lost_n records of one kind after the one numbered after_seq never arrived."""

    name: str
    after_seq: int
    lost_n: int
    epoch_n: int
    t_ms: int
    at_s: float


@dataclass(frozen=True)
class Connected:
    """The port is open; board and firmware follow as Identified."""

    port: str
    at_s: float


@dataclass(frozen=True)
class Disconnected:
    """The link is gone; the client keeps looking for the board. reason is a sentence."""

    reason: str
    at_s: float


@dataclass(frozen=True)
class Identified:
    """Who is at the other end: unique id in hexadecimal and firmware version."""

    board_id: str
    firmware: str
    epoch_n: int
    at_s: float


@dataclass(frozen=True)
class Started:
    """A run of the board begins here; boot is its first record, None when the run was joined or its start missed."""

    epoch_n: int
    boot: Record | None
    at_s: float


@dataclass(frozen=True)
class Earlier:
    """An event of a start of the board before the present one, which the board has kept and sent late.

    record.epoch_n is 0 when this connection has not seen that start; then at_s is the latest it can have been.
    """

    record: Record
    board_id: str
    at_s: float


@dataclass(frozen=True)
class Mismatch:
    """Board and laptop speak different versions; text names both and what to do."""

    text: str
    at_s: float


@dataclass(frozen=True)
class Text:
    """A line for people: a traceback, the REPL, the reply to somebody's bare command."""

    text: str
    at_s: float


@dataclass(frozen=True)
class BlackBox:
    """What became of a black box that this laptop has fetched (box_keeper): text says it for people."""

    text: str
    kept: bool
    at_s: float


Message = Record | Gap | Connected | Disconnected | Identified | Started | Earlier | Mismatch | Text | BlackBox


@dataclass(frozen=True)
class AlarmChange:
    """An alarm's new state in words: name and priority of alarms.TABLE, state of alarms.STATE_NAMES."""

    name: str
    state: str
    priority_n: int
    value: int | None


def alarm_name(index: int) -> str:
    """Name of the alarm at this place of the table, or a name that says it is newer than this laptop's table."""
    return str(alarms.TABLE[index][0]) if 0 <= index < alarms.ALARM_N else f"unknown_{index}"


def alarm_change(record: Record) -> AlarmChange | None:
    """The change of alarm that an event record tells of; None for every other record."""
    if record.name != "event" or record.values["event_n"] != ALARM:
        return None
    subject_n, state_n = record.values["subject_n"], record.values["state_n"]
    priority_n = record.values["priority_n"]
    if subject_n is None or state_n is None or priority_n is None:
        return None
    state = alarms.STATE_NAMES[state_n] if 0 <= state_n < len(alarms.STATE_NAMES) else f"unknown_{state_n}"
    return AlarmChange(alarm_name(subject_n), state, priority_n, record.values["value"])


def priority_of(name: str) -> int:
    """Priority of the alarm of this name, 1 urgent to 4 advisory; an alarm that this laptop does not know is urgent."""
    index = alarms.index_of(name)
    return int(alarms.TABLE[index][1]) if index >= 0 else alarms.URGENT


def is_leak(name: str) -> bool:
    """Whether an alarm of this name tells of a leak: those names contain `leak`, no others do."""
    return "leak" in name


def event_words(record: Record) -> str:
    """An event record as words, e.g. `leak UNACK` or `mode monitoring`."""
    change = alarm_change(record)
    if change:
        return f"{change.name} {change.state}"
    subject_n = record.values["subject_n"]
    if record.values["event_n"] == MODE and subject_n is not None and 0 < subject_n < len(MODE_NAMES):
        return f"mode {MODE_NAMES[subject_n]}"
    return f"event {record.values['event_n']}, subject {subject_n}, state {record.values['state_n']}"


def event_record(row: dict[str, Any]) -> Record:
    """An event that was kept, a row with `seq`, `board_ms`, `at_s` and its fields, as the record it was."""
    fields = next(kind[3] for kind in records.KINDS if kind[1] == "event")
    return Record("event", row["seq"], 0, row["board_ms"], row["at_s"], {field[0]: row[field[0]] for field in fields})


def standing_alarms(alarm_bits: int) -> list[str]:
    """Names of the alarms that are not in the normal state, from a heartbeat's alarm_bits."""
    return [alarm_name(i) for i in range(alarm_bits.bit_length()) if alarm_bits >> i & 1]


def channel_status(record: Record, channel: int) -> str:
    """Status of one channel (place in sample.CHANNELS) of a sample or mean record, in the words of sample.STATUS_NAMES.

    A channel without a value never reads `good`, whatever the bits say.
    """
    bits = record.values["status_bits"]
    status = sample.NO_ANSWER if bits is None else bits >> (channel * sample.STATUS_BITS) & sample.STATUS_MASK
    word = sample.STATUS_NAMES[status] if status < len(sample.STATUS_NAMES) else f"unknown_{status}"
    if sample.usable(status) and record.values[sample.CHANNELS[channel]] is None:
        return "no_value"
    return word


def boot_board_id(boot: Record) -> str:
    """Unique id of the board in hexadecimal, from its boot record."""
    return "".join(f"{boot.values[f'board_id_w{i}'] or 0:04x}" for i in range(4))


def boot_firmware(boot: Record) -> str:
    """Firmware version of a boot record, e.g. `0.1.0`."""
    return ".".join(str(boot.values[name]) for name in ("fw_major_n", "fw_minor_n", "fw_patch_n"))


def crc_of(boot: Record, name: str) -> int:
    """The 32-bit CRC that a boot record carries as the halves name_hi and name_lo."""
    return (boot.values[name + "_hi"] or 0) << 16 | (boot.values[name + "_lo"] or 0)
