"""Figures as people say them: durations, rates, what a decision tells of a leak."""

from ..messages import Record


def duration_words(seconds: float) -> str:
    """A duration as people say it: `40 s`, `1 min 25 s`, `3 h 10 min`, `8 h`."""
    whole_s = round(seconds)
    if whole_s < 60:
        return f"{whole_s} s"
    size_s, unit, rest_s, rest_unit = (60, "min", 1, "s") if whole_s < 3600 else (3600, "h", 60, "min")
    rest_n = whole_s % size_s // rest_s
    return f"{whole_s // size_s} {unit}" + (f" {rest_n} {rest_unit}" if rest_n else "")


def age_words(seconds: float) -> str:
    """How long ago, in its largest unit alone: `40 s`, `1 min`, `3 h`."""
    return " ".join(duration_words(seconds).split()[:2])


def rate_words(rate_ul_h: int) -> str:
    """A leak rate in the unit that suits its size: mL/min from 1 mL/min on, else mL/h."""
    if abs(rate_ul_h) >= 60_000:
        return f"{rate_ul_h / 60_000:.1f} mL/min"
    return f"{rate_ul_h / 1000:.1f} mL/h"


def interval_words(low_ul_h: int | None, high_ul_h: int | None) -> str:
    """A rate's interval, `0.8 to 1.3 mL/h`, or `at most 2.8 mL/h` where it may be nothing; nothing without one."""
    if low_ul_h is None or not high_ul_h:
        return ""
    if low_ul_h <= 0:
        return f"at most {rate_words(high_ul_h)}"
    low, high = rate_words(low_ul_h), rate_words(high_ul_h)
    return f"{low.split()[0]} to {high}" if low.split()[1] == high.split()[1] else f"{low} to {high}"


def left_words(left_s: int, rate_ul_h: int | None, low_ul_h: int | None, high_ul_h: int | None) -> str:
    """How long the reserve lasts, `2 min 29 s (1 min to 4 min)`: what is left at the rate, and at its interval's ends.

    Both ends are cut to their largest unit, so to the early side. Without an interval of the rate there is none here.
    """
    words = duration_words(left_s)
    if not rate_ul_h or low_ul_h is None or not high_ul_h:
        return words
    earliest = age_words(left_s * rate_ul_h // high_ul_h)
    return f"{words} ({earliest} {'at least' if low_ul_h <= 0 else 'to ' + age_words(left_s * rate_ul_h // low_ul_h)})"


def volume_words(volume_ul: int) -> str:
    """A volume in mL."""
    return f"{volume_ul / 1000:.1f} mL"


def clock_words(seconds: float) -> str:
    """A time since a start, as hours, minutes and seconds."""
    whole_s = int(seconds)
    return f"{whole_s // 3600:02}:{whole_s // 60 % 60:02}:{whole_s % 60:02}"


def leak_words(decision: Record | None) -> str:
    """What a decision record says of a leak: rate, volume lost, time left; what it does not know is left out."""
    if decision is None:
        return ""
    words = []
    rate_ul_h, lost_ul = decision.values["rate_ul_h"], decision.values["lost_ul"]
    ends_ul_h = decision.values["rate_low_ul_h"], decision.values["rate_high_ul_h"]
    interval = interval_words(*ends_ul_h)
    time_left_s = decision.values["time_left_s"]
    if rate_ul_h is not None:
        words.append(f"rate {rate_words(rate_ul_h)}" + (f" ({interval})" if interval else ""))
    if lost_ul is not None:
        words.append(f"lost {volume_words(lost_ul)}")
    if time_left_s is not None:
        words.append(f"time left {left_words(time_left_s, rate_ul_h, *ends_ul_h)}")
    return "  ".join(words)
