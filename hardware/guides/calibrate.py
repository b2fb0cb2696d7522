"""From readings to the board's configuration: means of a log, rows from filled sheets, rows into a file.

    python hardware/guides/calibrate.py --mean minute.csv
    python hardware/guides/calibrate.py hardware/sheets/pressure.csv hardware/sheets/temperature.csv
    python hardware/guides/calibrate.py hardware/sheets/pressure.csv --set interlock_toggled=1 --into board.toml

Two points make span and offset of a pressure, one the offset of a temperature. A reading is what the board showed with
the span and offset of its line. The file is one that `loopwatch config pull` or `loopwatch commission` wrote: its rows
in [board] are replaced and its crc emptied, so that `loopwatch config push` takes it. Ends with 1 and one line when a
sheet or file cannot be right, and has changed nothing then. Needs nothing but Python.
"""

from __future__ import annotations

import argparse
import csv
import re
import sys
from pathlib import Path

from loopwatch.config import TABLE
from loopwatch.sample import CHANNELS

LIMITS = {name: (least, most) for name, _, least, most, _ in TABLE}
LEAST_APART_PA = 30_000  # nearer points turn the gauge's own error into slope
SLOPES = (0.9, 1.1)  # a calibration mends percents; what is further off is something else


def pressure_rows(lines: list[dict[str, str]]) -> dict[str, int]:
    """Span and offset of each channel from its two lines. Raises ValueError when they cannot be right."""
    rows: dict[str, int] = {}
    for channel in sorted({line["channel"] for line in lines}):
        points = [line for line in lines if line["channel"] == channel]
        if len(points) != 2:
            raise ValueError(f"{channel}: {len(points)} lines, needs two")
        (true1, read1), (true2, read2) = (
            (float(point["true_pa"]), float(point["reading_pa"]) - float(point["offset_pa"])) for point in points
        )
        span = float(points[0]["span_pa"])
        if points[1]["span_pa"] != points[0]["span_pa"]:
            raise ValueError(f"{channel}: both points must be read with one span")
        if abs(true2 - true1) < LEAST_APART_PA:
            raise ValueError(f"{channel}: points are {abs(true2 - true1):.0f} Pa apart, needs {LEAST_APART_PA}")
        if read1 == read2:
            raise ValueError(f"{channel}: both readings are the same: the signal does not move")
        slope = (true2 - true1) / (read2 - read1)
        if not SLOPES[0] < slope < SLOPES[1]:
            raise ValueError(f"{channel}: slope {slope:.3f}: wrong span, a vented transducer, or a slip of the pen")
        name = channel.removesuffix("_pa")
        rows[f"{name}_span_pa"] = round(span * slope)
        rows[f"{name}_offset_pa"] = round(true1 - slope * read1)
    return rows


def temperature_rows(lines: list[dict[str, str]]) -> dict[str, int]:
    """Offset of each channel from its one line."""
    return {
        f"{line['channel'].removesuffix('_mdegc')}_offset_mdegc": round(
            float(line["true_mdegc"]) - float(line["reading_mdegc"]) + float(line["offset_mdegc"])
        )
        for line in lines
    }


def lines_of(table: Path) -> list[dict[str, str]]:
    """The lines of a CSV file. Raises ValueError when there are none."""
    with table.open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    if not lines:
        raise ValueError("has no lines below its header")
    return lines


def rows_of(sheet: Path) -> dict[str, int]:
    """The rows that a sheet makes."""
    lines = lines_of(sheet)
    return pressure_rows(lines) if "true_pa" in lines[0] else temperature_rows(lines)


def setting(text: str) -> tuple[str, int]:
    """NAME=VALUE."""
    name, _, value = text.partition("=")
    if not re.fullmatch(r"-?\d+", value):
        raise ValueError(f"--set {text}: must be a name, = and a whole number")
    return name, int(value)


def check(rows: dict[str, int]) -> None:
    """Raises ValueError for a row that no board takes."""
    for name, value in rows.items():
        if name not in LIMITS:
            raise ValueError(f"{name}: the board has no such row; `loopwatch config show` lists them")
        least, most = LIMITS[name]
        if not least <= value <= most:
            raise ValueError(f"{name} = {value}: the board takes {least} to {most}; look for the fault first")


def enter(rows: dict[str, int], file: Path) -> dict[str, int]:
    """Replace rows in [board] of a configuration and empty its crc; returns what the rows were.

    Raises ValueError, with the file as it was, when it is no configuration.
    """
    text = file.read_text(encoding="utf-8")
    before = {}
    for name, value in rows.items():
        found = re.search(rf"(?m)^{name} = (-?\d+)", text)
        if found is None:
            raise ValueError(f"has no row {name}: is it one that `loopwatch config pull` or `commission` wrote?")
        before[name] = int(found[1])
        text = text[: found.start(1)] + str(value) + text[found.end(1) :]
    text, seals_n = re.subn(r'(?m)^crc = "[0-9A-F]*"', 'crc = ""', text)
    if seals_n != 1:
        raise ValueError("has no crc: is it one that `loopwatch config pull` or `commission` wrote?")
    part = file.with_name(file.name + ".part")
    part.write_text(text, encoding="utf-8")
    part.replace(file)
    return before


def means(log: Path) -> dict[str, float]:
    """The mean of each channel of a log, of the samples that have it."""
    lines = lines_of(log)
    found = {}
    for channel in CHANNELS:
        values = [float(line[channel]) for line in lines if line.get(channel)]
        if values:
            found[channel] = sum(values) / len(values)
    if not found:
        raise ValueError(f"has none of the channels {', '.join(CHANNELS)}")
    return found


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="From readings to the board's configuration.")
    parser.add_argument("sheets", nargs="*", type=Path, metavar="SHEET", help="filled sheets: pressure, temperature")
    parser.add_argument("--mean", type=Path, metavar="LOG", help="the means of a log instead, for the sheets")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a row of any other kind")
    parser.add_argument("--into", type=Path, metavar="FILE", help="enter the rows into this configuration")
    given = parser.parse_args()
    if given.mean is None and not given.sheets and not given.set:
        parser.error("name a sheet, --set or --mean")
    at = ""
    try:
        if given.mean is not None:
            at = f"{given.mean}: "
            for channel, mean in means(given.mean).items():
                print(f"{channel} {mean:.0f}")
            return 0
        rows: dict[str, int] = {}
        for sheet in given.sheets:
            at = f"{sheet}: "
            made = rows_of(sheet)
            check(made)
            rows |= made
        at = ""
        asked = dict(setting(text) for text in given.set)
        check(asked)
        rows |= asked
        before = {}
        if given.into is not None:
            at = f"{given.into}: "
            before = enter(rows, given.into)
        for name, value in rows.items():
            print(f"{name} = {value}" + (f" (was {before[name]})" if name in before else ""))
    except (OSError, ValueError) as error:
        print(f"{at}{error}", file=sys.stderr)
        return 1
    except KeyError as error:
        print(f"{at}has no column {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
