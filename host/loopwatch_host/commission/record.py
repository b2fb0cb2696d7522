"""A configuration as a TOML file for people, which holds the board's integers, sealed with their CRC.

[board] has the scalars of loopwatch.config.TABLE, [words] the parameters of the kernels residual, bank, burst and
estimate as commissioning finds them, crc is the board's own of both; the rest of the file says what they mean. A file
whose integers don't match their CRC is refused, unless it says crc = "" because a person has changed it.
"""

from __future__ import annotations

import json
import sys
import zlib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from loopwatch import bank, burst, config, estimate, residual

from ..errors import UsageError

if TYPE_CHECKING:
    from .fit import Ints

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

LAYOUT_N = config.LAYOUT_N
KERNELS = ("residual", "bank", "burst", "estimate")
KERNEL_WORDS_N = [residual.PARAM_N, bank.PARAM_N, burst.PARAM_N, estimate.PARAM_N]


class RecordError(UsageError):
    """A configuration that can't be used; the message names the file and says why."""


@dataclass(frozen=True)
class Commissioned:
    """The settings of one loop's detector, and what they were made from.

    residual, bank, burst, estimate: parameters of the kernels. curve: detectability, one row per leak rate. board:
    scalars of config.TABLE that are not the default.
    """

    residual: Ints
    bank: Ints
    burst: Ints
    estimate: Ints
    liquid_ml: float
    gas_ml: float
    days: float
    false_alarms_per_year: float
    residual_rms_ul: float
    raw_rms_ul: float
    caveats: list[str] = field(default_factory=list)
    curve: list[dict[str, Any]] = field(default_factory=list)
    board: dict[str, int] = field(default_factory=dict)

    @property
    def words(self) -> Ints:
        """All integers in the order of the board's record."""
        return np.concatenate([self.residual, self.bank, self.burst, self.estimate])

    @property
    def config(self) -> config.Config:
        """What the board runs. Raises RecordError, naming the field, for what no board would take."""
        given = {**_given(self.gas_ml, self.liquid_ml), **self.board, "commissioned": 1}
        try:
            return config.Config([int(word) for word in self.words], **given)
        except ValueError as error:
            raise RecordError(f"the board would refuse this configuration ({error}): commission again") from None

    @property
    def crc(self) -> int:
        """CRC-32 by which the board calls it."""
        return crc_of(self.config)

    def members(self) -> list[dict[str, Any]]:
        """The bank for people."""
        # It loads the twin's compiler, which nobody needs who only reads a file.
        from . import thresholds

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
        "# A loop's configuration as commissioned. [board] and [words] are what the board runs, sealed by crc; the rest"
        " explains them.",
        *_head(made.config),
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
    return "\n".join(lines + _words(made.config)) + "\n"


def board_toml(of: config.Config) -> str:
    """The text of a file for a configuration of which nothing else is known, as it comes from a board."""
    lines = ['# A board\'s configuration. To change it by hand, set crc to ""; `loopwatch config push` sends it.']
    return "\n".join(lines + _head(of) + _words(of)) + "\n"


def crc_of(of: config.Config) -> int:
    """CRC-32 of a configuration, as the board tells it."""
    return zlib.crc32(of.content())


def _head(of: config.Config) -> list[str]:
    lines = [f"layout = {LAYOUT_N}", f'crc = "{crc_of(of):08X}"', "", "[board]"]
    return lines + [f"{name} = {getattr(of, name)}  # {text}" for name, _, _, _, text in config.TABLE]


def _words(of: config.Config) -> list[str]:
    if not of.commissioned:
        return []
    lines = ["", "[words]"]
    for name in KERNELS:
        words = getattr(of, name)
        lines.append(f"{name} = [")
        for i in range(0, len(words), 12):
            lines.append("    " + " ".join(f"{word}," for word in words[i : i + 12]))
        lines.append("]")
    return lines


def _given(gas_ml: float, liquid_ml: float) -> dict[str, int]:
    """The scalars that follow from the volumes, inside what the board takes."""
    given = {"gas_ul": round(gas_ml * 1000), "liquid_ul": round(liquid_ml * 1000)}
    limits = {row[0]: (row[2], row[3]) for row in config.TABLE}
    return {name: min(max(value, limits[name][0]), limits[name][1]) for name, value in given.items()}


def on_board(made: Commissioned, kept: config.Config) -> Commissioned:
    """The same detector for a board that has these settings: what the log cannot tell, as a calibration, stays."""
    told = {*_given(made.gas_ml, made.liquid_ml), *made.board, "commissioned"}
    scalars = {row[0]: getattr(kept, row[0]) for row in config.TABLE if row[0] not in told}
    return replace(made, board={**scalars, **made.board})


def load(path: Path) -> Commissioned:
    """Read a commissioned configuration, from commission or from a board; RecordError when it is not whole."""
    data = _data(path)
    of = _config(path, data)
    if not of.commissioned:
        raise RecordError(f"{path}: has no [words], so no detector was commissioned: `loopwatch commission` makes one")
    loop, log = data.get("loop", {}), data.get("log", {})
    try:
        return Commissioned(
            np.array(of.residual, np.int32),
            np.array(of.bank, np.int32),
            np.array(of.burst, np.int32),
            np.array(of.estimate, np.int32),
            liquid_ml=float(loop.get("liquid_ml", of.liquid_ul / 1000)),
            gas_ml=float(loop.get("gas_ml", of.gas_ul / 1000)),
            days=float(log.get("days", 0.0)),
            false_alarms_per_year=float(log.get("false_alarms_per_year", 0.0)),
            residual_rms_ul=float(log.get("residual_rms_ul", 0.0)),
            raw_rms_ul=float(log.get("raw_rms_ul", 0.0)),
            caveats=list(log.get("caveats", [])),
            curve=list(data.get("detectability", [])),
            board={row[0]: getattr(of, row[0]) for row in config.TABLE},
        )
    except (TypeError, ValueError, AttributeError) as error:
        raise RecordError(f"{path}: is no commissioned configuration ({error})") from None


def load_config(path: Path) -> config.Config:
    """Read what a board would run from a file, commissioned or not; RecordError when it is not whole."""
    return _config(path, _data(path))


def _data(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecordError(f"{path}: cannot be read ({error.strerror}): check the path of the configuration") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecordError(f"{path}: is not TOML ({error}): commission again, or take the file from a copy") from None


def _config(path: Path, data: dict[str, Any]) -> config.Config:
    layout_n = data.get("layout", 0)
    if layout_n not in range(1, LAYOUT_N + 1):
        raise RecordError(f"{path}: has layout {layout_n}, this version reads 1 to {LAYOUT_N}: commission again")
    try:
        parts = (
            [[int(word) for word in data["words"][name]] for name in KERNELS]
            if "words" in data
            else [[] for _ in KERNELS]
        )
        # Layout 1 had words and volumes, and no table of scalars.
        board = _layout_1(data) if layout_n == 1 else data["board"]
        if not all(type(value) is int for value in board.values()):
            raise RecordError(f"{path}: [board] holds something else than whole numbers")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RecordError(f"{path}: is no configuration ({error} is missing or wrong)") from None
    old = [word for part in parts for word in part]
    if layout_n < LAYOUT_N and "words" in data and len(parts[0]) == config.LAYOUT_2_RESIDUAL_N:
        parts[0] += [0] * (residual.PARAM_N - config.LAYOUT_2_RESIDUAL_N)
    if "words" in data and [len(part) for part in parts] != KERNEL_WORDS_N:
        raise RecordError(
            f"{path}: has {sum(map(len, parts))} words, {sum(KERNEL_WORDS_N)} are needed: the file is cut"
        )
    words = [word for part in parts for word in part]
    try:
        of = config.Config(words, **board)
        found = crc_of(of) if layout_n == LAYOUT_N else _old_crc(layout_n, of, old)
    except (ValueError, OverflowError) as error:
        raise RecordError(f"{path}: {error}: no board would take it") from None
    if data.get("crc") not in ("", f"{found:08X}"):
        raise RecordError(
            f"{path}: its numbers give CRC {found:08X}, the file says {data.get('crc')}: it was changed by hand or"
            ' damaged; commission again, take the file from a copy, or say crc = "" if the change is meant'
        )
    return of


def _old_crc(layout_n: int, of: config.Config, words: list[int]) -> int:
    """What sealed a file of an older layout: layout 1 its words alone, layout 2 all rows of TABLE with them."""
    scalars = [] if layout_n == 1 else [len(config.TABLE), *(getattr(of, row[0]) for row in config.TABLE), len(words)]
    return zlib.crc32(np.array([layout_n, *scalars, *words], "<i4").tobytes())


def _layout_1(data: dict[str, Any]) -> dict[str, int]:
    loop = data["loop"]
    return {**_given(float(loop["gas_ml"]), float(loop["liquid_ml"])), "commissioned": 1}
