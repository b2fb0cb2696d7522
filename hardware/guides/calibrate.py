"""From a filled sheet to rows of the configuration: two-point pressures, one-point temperatures.

    python hardware/guides/calibrate.py hardware/sheets/pressure.csv

A reading is what the board showed with the span and offset of its line. Prints `name = value`, and ends with 1 and one
line when a sheet cannot be right. Needs nothing but Python.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

from loopwatch.config import TABLE

LIMITS = {name: (least, most) for name, _, least, most, _ in TABLE}
LEAST_APART_PA = 30_000  # nearer points turn the gauge's own error into slope


def pressure_rows(lines: list[dict[str, str]]) -> dict[str, int]:
    """Span and offset of each channel from its two lines."""
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
        slope = (true2 - true1) / (read2 - read1)
        if not 0.9 < slope < 1.1:
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


def rows_of(sheet: Path) -> dict[str, int]:
    """The rows that a sheet makes; ValueError when one is outside what the board takes."""
    with sheet.open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    rows = pressure_rows(lines) if "true_pa" in lines[0] else temperature_rows(lines)
    for name, value in rows.items():
        least, most = LIMITS[name]
        if not least <= value <= most:
            raise ValueError(f"{name} = {value}: the board takes {least} to {most}; look for the fault first")
    return rows


def main() -> int:
    """The command line."""
    if len(sys.argv) != 2:
        print("name one sheet, as hardware/sheets/pressure.csv", file=sys.stderr)
        return 2
    try:
        for name, value in rows_of(Path(sys.argv[1])).items():
            print(f"{name} = {value}")
    except (OSError, ValueError, KeyError, ZeroDivisionError) as error:
        print(f"{sys.argv[1]}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
