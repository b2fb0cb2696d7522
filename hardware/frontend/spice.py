"""ngspice runs the decks; what must hold is asserted here, and every number goes into a table.

generate() leaves faults.csv, interlock.csv, mains.csv, rope.csv, checks.csv, the decks, and the curves for plots. It
raises RuntimeError when a check does not hold or ngspice does not run. Bands and statuses are the firmware's own: its
scaling is called with the codes that the converter would give.
"""

from __future__ import annotations

import cmath
import csv
import itertools
import math
import random
import re
import subprocess
import tempfile
from array import array
from pathlib import Path

from bench import MAP, divider_ratio

from loopwatch import sampler, scaling
from loopwatch.drivers import ads1115
from loopwatch.fixed import trimmed_mean
from loopwatch.sample import GOOD, OPEN, RAIL, REFERENCE, SHORT, STATUS_NAMES, faulty

from . import decks

Rows = list[tuple[object, ...]]

SPAN_PA = next(row["span_pa"] for row in MAP["channels"] if row["name"] == "p_static_pa")
# What the firmware has to say of each wiring; None: told in the documents, not promised.
EXPECTED: dict[str, tuple[int, ...] | None] = {
    "good_300_mbar": (GOOD,),
    "good_1500_mbar": (GOOD,),
    "good_span": (GOOD,),
    "rail_low_10": (GOOD,),
    "rail_high_10": (GOOD,),
    "signal_open": (OPEN,),
    "supply_open": (OPEN,),
    "cable_off": (OPEN,),
    "short_to_ground": (OPEN,),
    "short_to_5v": (SHORT,),
    "reversed_blocked": (OPEN,),
    "reversed_diodes": (REFERENCE,),
    "supply_short": (REFERENCE,),
    "rail_low_25": (REFERENCE,),
    "both_grounds_open": None,
    "output_as_supply": None,
}
# Pressures that the good cases stand for.
TRUE_PA = {
    "good_300_mbar": 30_000,
    "good_1500_mbar": 150_000,
    "good_span": 500_000,
    "rail_low_10": 150_000,
    "rail_high_10": 150_000,
}


class Checks:
    """What was asserted: a row each, and whether all held."""

    def __init__(self) -> None:
        self.rows: Rows = []
        self.failed: list[str] = []

    def within(self, what: str, value: float, unit: str, least: float, most: float) -> None:
        """A number that has to lie between two others."""
        holds = least <= value <= most
        self.rows.append((what, f"{value:.4g}", unit, f"{least:g}", f"{most:g}", "holds" if holds else "FAILS"))
        if not holds:
            self.failed.append(f"{what}: {value:.4g} {unit}, not {least:g} to {most:g}")


def run(deck: str) -> tuple[str, list[list[float]]]:
    """What ngspice prints for a deck, and the columns that it wrote, if any."""
    with tempfile.TemporaryDirectory() as place:
        Path(place, "deck.cir").write_text(deck, encoding="utf-8")
        done = subprocess.run(
            ["ngspice", "-b", "deck.cir"], cwd=place, capture_output=True, text=True, timeout=120, check=False
        )
        out = Path(place, "out.txt")
        if done.returncode and not out.exists() and " = " not in done.stdout:
            raise RuntimeError(f"ngspice: {done.stderr.strip() or done.stdout.strip()}\n{deck}")
        lines = out.read_text().splitlines()[1:] if out.exists() else []
    return done.stdout, [[float(word) for word in line.split()] for line in lines if line.split()]


def code(volts: float) -> int:
    """What the converter gives for a voltage at its pin."""
    return max(ads1115.RAW_MIN, min(ads1115.RAW_MAX, round(volts * 1e6 / ads1115.STEP_UV)))


def status_of(signal_v: float, rail_v: float) -> tuple[int, int, int | None]:
    """(status of the rail, status of the pressure, pressure in Pa or None), as the firmware's sampler has it."""
    rail_raw = code(rail_v)
    rail = scaling.rail_status(rail_raw)
    if rail != GOOD:
        return rail, REFERENCE, None
    pair_raw = 2 * code(signal_v)
    status = scaling.pressure_status(pair_raw, rail_raw)
    return rail, status, None if faulty(status) else scaling.pressure_pa(pair_raw, rail_raw, SPAN_PA)


def faults(checks: Checks, into: Path) -> Rows:
    """Every wiring of decks.FAULTS: levels, ratio and what the firmware says."""
    rows: Rows = []
    for case, what, lines in decks.FAULTS:
        deck = decks.fault_deck(case, lines)
        (into / "decks" / f"fault_{case}.cir").write_text(deck, encoding="utf-8")
        said, _ = run(deck)
        signal_v, rail_pin_v, rail_v = (float(x) for x in re.findall(r"^v\(\w+\) = (\S+)", said, re.MULTILINE))
        rail, status, pressure_pa = status_of(signal_v, rail_pin_v)
        ratio = signal_v / rail_pin_v
        expected = EXPECTED[case]
        holds = "told" if expected is None else "holds" if status in expected else "FAILS"
        if holds == "FAILS":
            checks.failed.append(f"{case}: {STATUS_NAMES[status]}")
        if case in TRUE_PA and pressure_pa is not None:
            # The divider loads the transducer's output: 100 ohm of 25k is 0.4 % of the signal, which begins at 10 %.
            load_pa = 0.005 * (TRUE_PA[case] + SPAN_PA / 8)
            checks.within(f"pressure, {what}", pressure_pa - TRUE_PA[case], "Pa off", -round(load_pa), 100)
        rows.append(
            (
                case,
                what,
                round(rail_v * 1000),
                round(signal_v * 1e6),
                round(rail_pin_v * 1e6),
                round(ratio * 1000) if rail_pin_v > 0.1 else "",
                STATUS_NAMES[rail],
                STATUS_NAMES[status],
                "" if expected is None else STATUS_NAMES[expected[0]],
                holds,
            )
        )
    return rows


def response(checks: Checks, into: Path) -> list[list[float]]:
    """Corner, gain and load; returns frequency, magnitude, phase."""
    deck = decks.response_deck()
    (into / "decks" / "response.cir").write_text(deck, encoding="utf-8")
    _, curve = run(deck)
    gain = curve[0][1]
    corner_hz = next(row[0] for row in curve if row[1] < gain / math.sqrt(2))
    checks.within("divider with the converter's load", gain, "", 0.5965, 0.5995)
    checks.within("load of converter and transducer's output", 1e6 * (gain / divider_ratio() - 1), "ppm", -6_000, 0)
    checks.within("corner", corner_hz, "Hz", 26.0, 27.0)
    return curve


def settling(checks: Checks, into: Path) -> list[list[float]]:
    """How long a step of the whole signal takes; returns time, v(pin)."""
    deck = decks.settling_deck()
    (into / "decks" / "settling.cir").write_text(deck, encoding="utf-8")
    _, curve = run(deck)
    end = curve[-1][1]
    begin = curve[0][1]
    for share, unit_most_ms in ((1e-2, 30.0), (1e-3, 45.0), (2e-4, 55.0)):
        at_s = max(row[0] for row in curve if abs(row[1] - end) > share * (end - begin)) - 0.01
        checks.within(f"settling to {share:.2%} of a whole step", 1000 * at_s, "ms", 1, unit_most_ms)
    return curve


def left_of_pickup(gain: float, hz: float, rate: float, seconds_n: int = 150) -> float:
    """What the sampler leaves at 1 Hz of pickup with amplitude 1 before the filter: rms.

    Conversions are boxcars of 1/128 s, shorter or longer by `rate`; places in time and the dither are the sampler's.
    """
    window_s = 1 / MAP["chips"]["ads1115"]["data_rate_sps"] / rate
    # Integer samples, as on the board: one unit is a ten-thousandth of the amplitude.
    places_s = [row[0] / 1000 for row in sampler.PLAN if row[2] == sampler.PLAN[0][2]]
    w = 2 * math.pi * hz
    window = cmath.exp(1j * w * window_s / 2) * math.sin(w * window_s / 2) / (w * window_s / 2)
    pair = window * sum(cmath.exp(1j * w * place) for place in places_s) / len(places_s)
    dither = random.Random(7)
    means = []
    dither_s, shifted = 0.0, True
    for second in range(seconds_n):
        samples = []
        for tenth in range(10):
            if shifted:
                dither_s = dither.randrange(sampler.DITHER_N) / 1000
            else:
                dither_s += sampler.SHIFT_MS / 1000
            shifted = not shifted
            begin_s = second + tenth / 10 + dither_s
            samples.append(round(1e4 * gain * (pair * cmath.exp(1j * w * begin_s)).imag))
        means.append(trimmed_mean(array("i", sorted(samples)), 10, 2) / 1e4)
    return math.sqrt(sum(mean * mean for mean in means) / seconds_n)


def mains(checks: Checks, curve: list[list[float]]) -> Rows:
    """What the filter, and filter and sampler together, leave of pickup with a peak of 5 mbar."""
    rows: Rows = []
    for centre in (50, 60):
        worst = 0.0
        for tenth_hz in range(10 * centre - 5, 10 * centre + 6):
            hz = tenth_hz / 10
            gain = _gain_at(curve, hz) / curve[0][1]
            left = max(left_of_pickup(gain, hz, rate) for rate in (0.9, 1.0, 1.1))
            worst = max(worst, left)
            rows.append((f"{hz:.1f}", f"{gain:.4f}", f"{5 * gain / math.sqrt(2):.3f}", f"{5 * left:.4f}"))
        checks.within(
            f"filter alone at {centre} Hz", 20 * math.log10(_gain_at(curve, centre) / curve[0][1]), "dB", -9, -6
        )
        checks.within(f"left at 1 Hz of 5 mbar at {centre}+-0.5 Hz before the filter", 5 * worst, "mbar rms", 0, 0.15)
    return rows


def _gain_at(curve: list[list[float]], hz: float) -> float:
    """Magnitude at a frequency, between two points of the curve."""
    for low, high in itertools.pairwise(curve):
        if low[0] <= hz <= high[0]:
            share = (hz - low[0]) / (high[0] - low[0])
            return low[1] + share * (high[1] - low[1])
    raise ValueError(f"{hz} Hz is outside the curve")


# Omron G5LE-1 DC5, "Coil Ratings" and "Characteristics": in at 75 % of 5 V, out at 10 %, released 5 ms later.
OPERATE_V = 3.75
RELEASE_V = 0.5
RELEASE_S = 0.005


def interlock(checks: Checks, into: Path) -> tuple[Rows, dict[str, list[list[float]]]]:
    """Whether the relay stays in while it should, and when it is out after each way of sticking."""
    most_ms = MAP["interlock_pump"]["drop_out_most_ms"]
    rows: Rows = []
    curves = {}
    for case, corner, mode, edge_ms, after in decks.INTERLOCK:
        deck = decks.interlock_deck(corner, mode, edge_ms, after)
        (into / "decks" / f"interlock_{case.replace(' ', '_').replace(',', '')}.cir").write_text(deck, encoding="utf-8")
        _, curve = run(deck)
        curves[case] = curve
        if after in ("toggles", "late"):
            steady = [row for row in curve if row[0] > 3.0]
            coil_v = min(row[2] for row in steady)
            checks.within(f"relay's coil, {case}", coil_v, "V", OPERATE_V, 6.0)
            rows.append((case, corner, mode, edge_ms, f"{min(row[1] for row in steady):.2f}", f"{coil_v:.2f}", ""))
            continue
        from_s = 1.0 if edge_ms == 0 and after == "high" else decks.EDGES_UNTIL_S
        out_ms = 1000 * (max(row[0] for row in curve if row[2] > RELEASE_V) - from_s + RELEASE_S)
        was_in_v = max(row[2] for row in curve if row[0] < from_s + 0.5)
        checks.within(f"relay's coil before, {case}", was_in_v, "V", OPERATE_V, 6.0)
        checks.within(f"relay out, {case}", out_ms, "ms after the last edge", 0, most_ms)
        rows.append((case, corner, mode, edge_ms, "", f"{was_in_v:.2f}", f"{out_ms:.0f}"))
    return rows, curves


def rope(checks: Checks, into: Path) -> Rows:
    """The rope's levels in both corners: dry, wet and broken must fall into bands that do not meet."""
    of = MAP["rope"]
    bands = {
        "wet": (0, of["wet_most_mv"]),
        "dry": (of["dry_least_mv"], of["dry_most_mv"]),
        "broken": (of["broken_least_mv"], 3_400),
    }
    rows: Rows = []
    for case, band, lines in decks.ROPE:
        millivolts = []
        for corner in decks.ROPE_CORNERS:
            deck = decks.rope_deck(case, corner, lines)
            name = re.sub(r"\W+", "_", case)
            (into / "decks" / f"rope_{name}_{corner}.cir").write_text(deck, encoding="utf-8")
            said, _ = run(deck)
            (volts,) = (float(x) for x in re.findall(r"^v\(\w+\) = (\S+)", said, re.MULTILINE))
            millivolts.append(1000 * volts)
            checks.within(f"rope, {case}, corner {corner}", millivolts[-1], "mV", *bands[band])
        rows.append((case, band, *(round(each) for each in millivolts), *bands[band]))
    return rows


def write_table(path: Path, header: str, rows: Rows) -> None:
    """A CSV file with a header line."""
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([header.split(","), *rows])


def generate(into: Path) -> dict[str, object]:
    """Run everything, write the tables, and return the curves for the plots."""
    (into / "decks").mkdir(parents=True, exist_ok=True)
    assert sampler.PLAN[-1][2] == RAIL
    checks = Checks()
    fault_rows = faults(checks, into)
    curve = response(checks, into)
    step = settling(checks, into)
    mains_rows = mains(checks, curve)
    interlock_rows, curves = interlock(checks, into)
    write_table(
        into / "faults.csv",
        "case,what,rail_mv,signal_pin_uv,rail_pin_uv,ratio_permille,rail_status,pressure_status,expected,verdict",
        fault_rows,
    )
    write_table(into / "mains.csv", "hz,filter_gain,after_filter_mbar_rms,at_1_hz_mbar_rms", mains_rows)
    write_table(into / "interlock.csv", "case,corner,mode,edge_ms,least_gate_v,coil_v,out_after_ms", interlock_rows)
    write_table(into / "rope.csv", "case,band,low_mv,high_mv,least_mv,most_mv", rope(checks, into))
    write_table(into / "checks.csv", "what,value,unit,least,most,verdict", checks.rows)
    if checks.failed:
        raise RuntimeError("front end: " + "; ".join(checks.failed))
    return {"faults": fault_rows, "response": curve, "settling": step, "mains": mains_rows, "interlock": curves}
