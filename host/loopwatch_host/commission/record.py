"""What commissioning leaves: a TOML file for people that holds the board's integers, sealed with their CRC.

The integers are the parameters of the firmware's kernels, residual, bank and burst, as the board takes them; the rest
of the file says what they mean. A file whose integers don't match their CRC is refused.
"""

from __future__ import annotations

import json
import sys
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from loopwatch import bank, burst, residual

from ..errors import UsageError
from . import thresholds
from .fit import Ints

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

LAYOUT_N = 1
WORD_N = residual.PARAM_N + bank.PARAM_N + burst.PARAM_N
KERNELS = ("residual", "bank", "burst")


class RecordError(UsageError):
    """A configuration that can't be used; the message names the file and says why."""


@dataclass(frozen=True)
class Commissioned:
    """The settings of one loop's detector, and what they were made from.

    residual, bank, burst: parameters of the kernels. curve: detectability, one row per leak rate.
    """

    residual: Ints
    bank: Ints
    burst: Ints
    liquid_ml: float
    gas_ml: float
    days: float
    false_alarms_per_year: float
    residual_rms_ul: float
    raw_rms_ul: float
    caveats: list[str] = field(default_factory=list)
    curve: list[dict[str, Any]] = field(default_factory=list)

    @property
    def words(self) -> Ints:
        """All integers in the order of the board's record."""
        return np.concatenate([self.residual, self.bank, self.burst])

    @property
    def crc(self) -> int:
        """CRC-32 of the layout's number and the words, little-endian."""
        return zlib.crc32(np.array([LAYOUT_N, *self.words], "<i4").tobytes())

    def members(self) -> list[dict[str, Any]]:
        """The bank for people."""
        rows = []
        for i, (ml_h, *_) in enumerate(thresholds.MEMBERS):
            limit = int(self.bank[bank.LIMITS + i])
            rows.append(
                {
                    "allowance_ml_h": ml_h,
                    "averages_s": 2 ** int(self.bank[bank.LEVEL_SHIFTS + i]),
                    "limit_ml": round(limit / 2**14 / 1000, 4),
                    "alarms": limit != thresholds.NEVER,
                }
            )
        return rows


def to_toml(made: Commissioned) -> str:
    """The file's text."""
    lines = [
        "# A loop's detector as commissioned. [words] is what the board runs, sealed by crc; the rest explains it.",
        f"layout = {LAYOUT_N}",
        f'crc = "{made.crc:08X}"',
        "",
        "[loop]",
        f"liquid_ml = {made.liquid_ml:.1f}",
        f"gas_ml = {made.gas_ml:.1f}",
        "",
        "[log]",
        f"days = {made.days:.3f}",
        f"raw_rms_ul = {made.raw_rms_ul:.1f}",
        f"residual_rms_ul = {made.residual_rms_ul:.1f}",
        f"false_alarms_per_year = {made.false_alarms_per_year:g}",
        # A JSON string is a TOML basic string.
        f"caveats = [{', '.join(json.dumps(text, ensure_ascii=False) for text in made.caveats)}]",
    ]
    for row in made.members():
        lines += ["", "[[members]]", *(f"{key} = {json.dumps(value)}" for key, value in row.items())]
    for row in made.curve:
        lines += ["", "[[detectability]]"]
        lines += [f"{key} = {json.dumps(value)}" for key, value in row.items() if value is not None]
    lines += ["", "[words]"]
    for name, words in zip(KERNELS, (made.residual, made.bank, made.burst), strict=True):
        lines.append(f"{name} = [")
        for i in range(0, len(words), 12):
            lines.append("    " + " ".join(f"{int(word)}," for word in words[i : i + 12]))
        lines.append("]")
    return "\n".join(lines) + "\n"


def load(path: Path) -> Commissioned:
    """Read a file that to_toml wrote; RecordError when it is not whole."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecordError(f"{path}: cannot be read ({error.strerror}): check the path of the configuration") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecordError(f"{path}: is not TOML ({error}): commission again, or take the file from a copy") from None
    try:
        if data["layout"] != LAYOUT_N:
            raise RecordError(f"{path}: has layout {data['layout']}, this version reads {LAYOUT_N}: commission again")
        words = [np.array(data["words"][name], np.int32) for name in KERNELS]
        if [len(part) for part in words] != [residual.PARAM_N, bank.PARAM_N, burst.PARAM_N]:
            raise RecordError(f"{path}: has {sum(map(len, words))} words, {WORD_N} are needed: the file is cut")
        made = Commissioned(
            words[0],
            words[1],
            words[2],
            float(data["loop"]["liquid_ml"]),
            float(data["loop"]["gas_ml"]),
            float(data["log"]["days"]),
            float(data["log"]["false_alarms_per_year"]),
            float(data["log"]["residual_rms_ul"]),
            float(data["log"]["raw_rms_ul"]),
            list(data["log"]["caveats"]),
            list(data.get("detectability", [])),
        )
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise RecordError(f"{path}: is no commissioned configuration ({error} is missing or wrong)") from None
    if f"{made.crc:08X}" != data.get("crc"):
        raise RecordError(
            f"{path}: its words give CRC {made.crc:08X}, the file says {data.get('crc')}: it was changed by hand or "
            "damaged; commission again, or take the file from a copy"
        )
    return made
