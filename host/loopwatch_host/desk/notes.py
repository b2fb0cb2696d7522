"""What must not be missed, in words: one short line for each message that is an occurrence and not a figure.

A note has a grade, which a face turns into a style; its words say the same without it.
"""

from dataclasses import dataclass

from loopwatch.alarms import ADVISORY

from ..messages import (
    RESET_CAUSES,
    AlarmChange,
    BlackBox,
    Connected,
    Disconnected,
    Earlier,
    Gap,
    Identified,
    Message,
    Mismatch,
    Record,
    Started,
    Text,
    alarm_change,
    event_words,
    is_leak,
)
from .words import leak_words

PLAIN = "plain"
FAINT = "faint"
GOOD = "good"
ADVICE = "advice"
FAULT = "fault"
HIGH = "high"
URGENT = "urgent"
BENCH = "bench"

PRIORITY_GRADES = {1: URGENT, 2: HIGH, 3: FAULT, 4: ADVICE}
ALARM_WORDS = {"ACKED": "ACKNOWLEDGED", "RTNUN": "RETURNED", "LATCH": "LATCHED", "NORM": "NORMAL"}


@dataclass(frozen=True)
class Note:
    """A line of the log that people read; at_s is wall time in seconds since 1970."""

    at_s: float
    text: str
    grade: str
    is_alarm: bool = False


def notes_of(message: Message, decision: Record | None) -> list[Note]:
    """The notes of a message; decision is the latest one, for the figures of a leak. A figure gives none."""
    if isinstance(message, Record):
        return [_event(message, decision)] if message.name == "event" else []
    if isinstance(message, Started):
        return _start(message)
    at_s = message.at_s
    if isinstance(message, Gap):
        return [Note(at_s, f"GAP  {message.lost_n} {message.name} records did not arrive", FAULT)]
    if isinstance(message, Connected):
        return [Note(at_s, f"CONNECTED  {message.port}", PLAIN)]
    if isinstance(message, Disconnected):
        return [Note(at_s, f"DISCONNECTED  {message.reason}", URGENT)]
    if isinstance(message, Identified):
        return [Note(at_s, f"BOARD  {message.board_id}, firmware {message.firmware}", PLAIN)]
    if isinstance(message, Earlier):
        return [Note(at_s, f"EARLIER  {event_words(message.record)}, before the board started anew", FAINT)]
    if isinstance(message, Mismatch):
        return [Note(at_s, f"MISMATCH  {message.text}", FAULT)]
    if isinstance(message, BlackBox):
        return [Note(at_s, message.text, PLAIN if message.kept else FAULT)]
    assert isinstance(message, Text)
    return [Note(at_s, f"TEXT  {message.text}", FAINT)]


def _start(started: Started) -> list[Note]:
    if started.boot is None:
        words = "RESTARTED  the board has started anew; its first line was not heard"
        return [Note(started.at_s, words, FAULT)] if started.epoch_n > 1 else []
    cause_n = started.boot.values["reset_cause_n"] or 0
    words = f"STARTED  {RESET_CAUSES.get(cause_n, 'unknown cause')}"
    notes = [Note(started.at_s, words, PLAIN if cause_n == 1 else FAULT)]
    reason_n = started.boot.values["not_monitoring_n"]
    if reason_n:
        notes.append(Note(started.at_s, f"NOT MONITORING  the board says reason {reason_n}", URGENT))
    return notes


def _event(event: Record, decision: Record | None) -> Note:
    change = alarm_change(event)
    if change is None:
        return Note(event.at_s, f"EVENT  {event_words(event)}", FAINT)
    text = f"{_alarm_word(change)}  {change.name}  {change.state}  priority {change.priority_n}"
    if is_leak(change.name):
        text = f"{text}  {leak_words(decision)}".rstrip()
    grade = PRIORITY_GRADES.get(change.priority_n, HIGH)
    if change.state in ("NORM", "RTNUN", "LATCH"):
        grade = GOOD
    return Note(event.at_s, text, grade, is_alarm=True)


def _alarm_word(change: AlarmChange) -> str:
    return ALARM_WORDS.get(change.state, "ADVICE" if change.priority_n == ADVISORY else "ALARM")
