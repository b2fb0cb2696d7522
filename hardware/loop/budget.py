"""How well the inventory can be known: every error of the parts, in millilitres, added as in the GUM.

The loop is the firmware's default (config.py) at 1.5 bar absolute. Four questions: change within an hour, change
within a month, absolute without calibration, absolute after the two-point calibration. Half-widths become standard
uncertainties by the root of three; the sum is expanded by two. Needs nothing but Python.
"""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from pathlib import Path

from bench import MAP

from loopwatch.config import Config

COLUMNS = ("hour", "month", "absolute", "calibrated")
PRESSURE_MBAR = 1500.0
GAS_C = 25.0
COMPLIANCE_ML_MBAR = 0.002  # hoses, as the bench has them
RECTANGULAR = 1 / math.sqrt(3)

_config = Config()
GAS_ML = _config.gas_ul / 1000
LIQUID_ML = _config.liquid_ul / 1000
SPAN_MBAR = _config.p_static_span_pa / 100
# Inventory against each quantity: gas law at constant amount, and the coolant's expansion.
ML_PER_MBAR = GAS_ML / PRESSURE_MBAR + COMPLIANCE_ML_MBAR
ML_PER_K_GAS = GAS_ML / (273.15 + GAS_C)
ML_PER_K_LIQUID = LIQUID_ML * _config.expansion_ppm_k * 1e-6
# What a relative error of one divider against the other makes of the pressure: the signal's share of the rail.
SHARE = 0.1 + 0.8 * PRESSURE_MBAR / SPAN_MBAR
MBAR_PER_RATIO = SPAN_MBAR / 0.8 * SHARE
STEP_MBAR = SPAN_MBAR / 0.8 * MAP["chips"]["ads1115"]["full_scale_mv"] / 2**15 / (0.6 * 5000)


@dataclass(frozen=True)
class Term:
    """One source: its standard uncertainty in each question, in its unit, and millilitres a unit."""

    what: str
    basis: str
    unit: str
    ml_per_unit: float
    hour: float
    month: float
    absolute: float
    calibrated: float

    def ml(self, column: str) -> float:
        """Its share of one question."""
        return float(getattr(self, column)) * self.ml_per_unit


def terms() -> list[Term]:
    """All sources."""
    r = RECTANGULAR
    # Two dividers of two resistors each: a ratio of 0.6 moves by 0.4 of a resistor's relative change.
    divider = 0.4 * 2 * r
    drift = 10 * math.sqrt(30 / 365)
    return [
        Term(
            "transducer, total error band",
            "Honeywell PX2 datasheet 50069942, Total Error Band 2.0 % of span",
            "mbar",
            ML_PER_MBAR,
            0,
            0,
            0.02 * SPAN_MBAR * r,
            0,
        ),
        Term(
            "transducer, curvature and hysteresis left by two points",
            "assumed 0.25 % of span",
            "mbar",
            ML_PER_MBAR,
            0,
            0,
            0,
            0.0025 * SPAN_MBAR * r,
        ),
        Term("reference gauge", "class 0.25, 2.5 bar (EN 837-1)", "mbar", ML_PER_MBAR, 0, 0, 0, 6.25 * r),
        Term(
            "transducer, temperature of its body",
            "0.5 mbar/K as the bench has it; +-1 K, +-5 K",
            "mbar",
            ML_PER_MBAR,
            0.5 * 1 * r,
            0.5 * 5 * r,
            0,
            0.5 * 5 * r,
        ),
        Term(
            "transducer, drift", "10 mbar a root of year as the bench has it", "mbar", ML_PER_MBAR, 0, drift, 0, drift
        ),
        Term(
            "noise, mean of a minute",
            "2.5 mbar rms a 10 Hz sample",
            "mbar",
            ML_PER_MBAR,
            *(2.5 / math.sqrt(600),) * 4,
        ),
        Term("converter, step", "ADS1115 SBAS444: 125 uV", "mbar", ML_PER_MBAR, *(STEP_MBAR / math.sqrt(12),) * 4),
        Term(
            "converter, match of two inputs",
            "ADS1115 SBAS444, Electrical Characteristics: 0.1 %",
            "share",
            ML_PER_MBAR * MBAR_PER_RATIO,
            0,
            0,
            0.001 * r,
            0,
        ),
        Term(
            "dividers, tolerance",
            "resistors 1 %",
            "share",
            ML_PER_MBAR * MBAR_PER_RATIO,
            0,
            0,
            0.01 * divider,
            0,
        ),
        Term(
            "dividers, temperature",
            "resistors 50 ppm/K; +-1 K, +-10 K",
            "share",
            ML_PER_MBAR * MBAR_PER_RATIO,
            50e-6 * 1 * divider,
            50e-6 * 10 * divider,
            0,
            50e-6 * 10 * divider,
        ),
        Term(
            "cable, drop on its ground",
            "3 mA through 2 m of 2 x 0.25 mm2",
            "mbar",
            ML_PER_MBAR,
            0,
            0,
            0.2e-3 / 5 / 0.8 * SPAN_MBAR * r,
            0,
        ),
        Term(
            "dome's thermometer",
            "TMP117 SNOSD82: +-0.1 K from -20 to 50 C, repeatability one step",
            "K",
            ML_PER_K_GAS,
            0.0078 * r,
            0.0078 * r,
            0.1 * r,
            0.1 * r,
        ),
        Term(
            "coolant's thermometers",
            "TMP117 SNOSD82, as above",
            "K",
            ML_PER_K_LIQUID,
            0.0078 * r,
            0.0078 * r,
            0.1 * r,
            0.1 * r,
        ),
        Term(
            "coolant's mean temperature from three places",
            "simulated loops: 0.067 mL over an hour, 0.24 mL over 60 days",
            "mL",
            1.0,
            0.067,
            0.24,
            0.24,
            0.24,
        ),
    ]


def generate(into: Path) -> None:
    """budget.csv: every term, the root of the sum of squares, and twice that."""
    into.mkdir(parents=True, exist_ok=True)
    rows = terms()
    header = ["what", "basis", "unit", "ml_per_unit", *(f"{column}_ml" for column in COLUMNS)]
    with (into / "budget.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        for term in rows:
            shares = [f"{term.ml(column):.3f}" for column in COLUMNS]
            writer.writerow([term.what, term.basis, term.unit, f"{term.ml_per_unit:.4g}", *shares])
        total = [math.sqrt(sum(term.ml(column) ** 2 for term in rows)) for column in COLUMNS]
        writer.writerow(["standard uncertainty", "", "mL", "", *(f"{value:.3f}" for value in total)])
        writer.writerow(["expanded, k = 2", "", "mL", "", *(f"{2 * value:.2f}" for value in total)])
