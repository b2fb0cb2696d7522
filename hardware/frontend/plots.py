"""The pictures of the front end: response, settling, faults in the firmware's bands, the interlock dropping out."""

from __future__ import annotations

import math
from pathlib import Path

import matplotlib as mpl
from bench import MAP

from . import decks, spice

mpl.use("svg")
mpl.rcParams.update(
    {
        "svg.hashsalt": "loopwatch",
        "svg.fonttype": "none",
        "font.family": "sans-serif",
        "font.size": 10,
        "axes.grid": True,
    }
)
mpl.rcParams.update({"grid.alpha": 0.3, "axes.spines.top": False, "axes.spines.right": False})

from matplotlib import pyplot as plt  # noqa: E402  (after its settings)

# NE 43 as the firmware applies it (firmware/loopwatch/scaling.py): per mille of the rail, colour, word.
BANDS = (
    (0, 40, "#e8b4a8", "open"),
    (40, 100, "#f4e3b5", ""),
    (100, 900, "#cfe6cf", "signal"),
    (900, 960, "#f4e3b5", ""),
    (960, 1040, "#e8b4a8", "short"),
)


def _save(figure, path: Path) -> None:
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None, "Creator": None})
    plt.close(figure)


def response(curve: list[list[float]], path: Path) -> None:
    """Filter alone, in decibel."""
    figure, axes = plt.subplots(figsize=(7, 3.2))
    gain = curve[0][1]
    axes.semilogx([row[0] for row in curve], [20 * math.log10(row[1] / gain) for row in curve], color="#1f4e79")
    corner_hz = next(row[0] for row in curve if row[1] < gain / math.sqrt(2))
    axes.axvline(corner_hz, color="gray", linestyle=":")
    axes.annotate(f"corner {corner_hz:.1f} Hz", (1.5, -30))
    for hz in (50, 60):
        axes.axvline(hz, color="#b03a2e", linewidth=0.8)
    axes.annotate("50, 60 Hz", (66, -3), color="#b03a2e")
    axes.set(xlabel="frequency, Hz", ylabel="dB", ylim=(-50, 2), title="Divider and filter, ngspice")
    _save(figure, path)


def settling(curve: list[list[float]], path: Path) -> None:
    """What is left of a whole step, logarithmic."""
    figure, axes = plt.subplots(figsize=(7, 3.2))
    begin, end = curve[0][1], curve[-1][1]
    rows = [(1000 * (row[0] - 0.01), abs(row[1] - end) / (end - begin)) for row in curve if 0.0101 < row[0] < 0.09]
    axes.semilogy([row[0] for row in rows], [row[1] for row in rows], color="#1f4e79")
    axes.axhline(1e-3, color="gray", linestyle=":")
    axes.annotate("0.1 %", (2, 1.15e-3))
    axes.set(
        xlabel="ms after the step",
        ylabel="share left",
        ylim=(1e-5, 1.2),
        title="Settling of a step of the whole signal",
    )
    _save(figure, path)


def mains(rows: spice.Rows, path: Path) -> None:
    """What filter and sampler leave of 5 mbar."""
    figure, both = plt.subplots(1, 2, figsize=(7, 3.0), sharey=True)
    for axes, centre in zip(both, (50, 60), strict=True):
        part = [row for row in rows if abs(float(str(row[0])) - centre) < 1]
        axes.semilogy([float(str(row[0])) for row in part], [float(str(row[2])) for row in part], "--", color="gray")
        axes.semilogy([float(str(row[0])) for row in part], [float(str(row[3])) for row in part], "o-", color="#1f4e79")
        axes.axhline(0.3, color="#b03a2e", linewidth=1)
        axes.set(xlabel="Hz", ylim=(1e-3, 5))
    both[0].set_ylabel("mbar rms, of 5 mbar peak")
    both[0].annotate("behind the filter", (49.55, 2.0), color="gray")
    both[0].annotate("allowed at 1 Hz", (49.9, 0.34), color="#b03a2e")
    both[0].annotate("filter and sampler at 1 Hz", (49.5, 0.075), color="#1f4e79")
    _save(figure, path)


def faults(rows: spice.Rows, path: Path) -> None:
    """Every wiring's ratio in the bands."""
    figure, axes = plt.subplots(figsize=(8.4, 4.6))
    for least, most, color, word in BANDS:
        axes.axvspan(least / 10, most / 10, color=color, zorder=0)
        place, side = {"open": (0.5, "left"), "short": (103.5, "right")}.get(word, ((least + most) / 20, "center"))
        axes.text(place, -1.0, word, ha=side, fontsize=9)
    for i, row in enumerate(rows):
        told = row[9] == "told"
        if row[5] == "":
            axes.text(20, i, "rail gone: no ratio", va="center", fontsize=8)
        else:
            axes.plot(float(str(row[5])) / 10, i, "o", color="#888888" if told else "#1f4e79")
        axes.text(104.5, i, f"{row[7]}{' (not promised)' if told else ''}", va="center", fontsize=9)
    axes.set_yticks(range(len(rows)), [str(row[1]) for row in rows])
    axes.set(xlim=(0, 104), ylim=(len(rows) - 0.5, -1.6), xlabel="signal, % of the rail as measured")
    axes.grid(axis="y", alpha=0)
    _save(figure, path)


def interlock(curves: dict[str, list[list[float]]], path: Path) -> None:
    """Gate and coil while the pin toggles, and after it sticks."""
    figure, (gate, coil) = plt.subplots(2, 1, figsize=(8, 5), sharex=True)
    shown = ("toggling with every sample", "stuck high", "stuck low", "static, pin released")
    for name, color in zip(shown, ("#2e7d32", "#b03a2e", "#1f4e79", "#8e6c00"), strict=True):
        rows = [row for row in curves[name] if 2.5 <= row[0] <= 8.0]
        seconds = [row[0] - decks.EDGES_UNTIL_S for row in rows]
        gate.plot(seconds, [row[1] for row in rows], color=color, linewidth=1.2, label=name)
        coil.plot(seconds, [row[2] for row in rows], color=color, linewidth=1.2)
    gate.axhspan(0.5, 1.1, color="#eeeeee")
    gate.annotate("threshold of Q1, least to most", (-1.45, 0.72), fontsize=8)
    gate.set(ylabel="gate, V", ylim=(0, 3.6))
    gate.legend(fontsize=8, ncols=2, loc="upper right")
    limit_s = MAP["interlock_pump"]["drop_out_most_ms"] / 1000
    coil.axvline(limit_s, color="black", linestyle=":")
    coil.annotate(f"out at {limit_s:g} s at the latest", (limit_s + 0.05, 3.5), fontsize=8)
    coil.set(ylabel="coil, V", xlabel="s after the last edge", ylim=(-1, 6))
    _save(figure, path)


def generate(curves: dict[str, object], into: Path) -> None:
    """All plots of one run of spice.generate()."""
    response(curves["response"], into / "response.svg")  # type: ignore[arg-type]
    settling(curves["settling"], into / "settling.svg")  # type: ignore[arg-type]
    mains(curves["mains"], into / "mains.svg")  # type: ignore[arg-type]
    faults(curves["faults"], into / "faults.svg")  # type: ignore[arg-type]
    interlock(curves["interlock"], into / "interlock.svg")  # type: ignore[arg-type]
