"""The bill of materials: sums of both kits, and every part of the circuit bought exactly once.

parts.csv is written by hand; prices are for one piece, without tax, and meant to be checked: price_basis says whether
one was seen or estimated, checked how far maker and part number were held against documents:

    checked            what was seen
    datasheet          the maker's datasheet, with the figures on which the circuit relies
    distributor page   the part by its number, sold as what the line says
    part lists         the number for this part in several published part lists or a symbol library
    by description     nothing to check: any part that fits the words
    not checked        nothing; check_note says more

generate() leaves totals.csv and raises RuntimeError when a kit costs more than it may, or when
bill and circuit differ. Needs nothing but Python.
"""

from __future__ import annotations

import csv
from pathlib import Path

ROOM = Path(__file__).resolve().parent
KITS = ("minimal", "full")
CHECKED = ("datasheet", "distributor page", "part lists", "by description", "not checked")
LIMIT_EUR = {"minimal": 230, "full": 1_900}
GROUPS = ("board", "sensors", "loop")


def rows() -> list[dict[str, str]]:
    """The lines of parts.csv."""
    with (ROOM / "parts.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def totals() -> dict[tuple[str, str], float]:
    """Euro by (group, kit)."""
    return {
        (group, kit): sum(float(row["price_eur"]) * int(row[f"qty_{kit}"]) for row in rows() if row["group"] == group)
        for group in GROUPS
        for kit in KITS
    }


def unbought(circuit_parts: Path) -> set[str]:
    """References that stand in only one of bill and circuit, or twice in the bill, or in another number."""
    with circuit_parts.open(encoding="utf-8", newline="") as file:
        drawn = [row["reference"] for row in csv.DictReader(file)]
    wrong = set()
    listed: list[str] = []
    for row in rows():
        references = row["references"].split()
        listed += references
        if references and len(references) != int(row["qty_full"]):
            wrong.update(references)
    wrong |= {reference for reference in listed if listed.count(reference) > 1}
    return wrong | set(drawn).symmetric_difference(listed)


def generate(into: Path, circuit_parts: Path) -> None:
    """totals.csv."""
    into.mkdir(parents=True, exist_ok=True)
    sums = totals()
    with (into / "totals.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["group", *(f"{kit}_eur" for kit in KITS)])
        for group in GROUPS:
            writer.writerow([group, *(f"{sums[group, kit]:.2f}" for kit in KITS)])
        whole = {kit: sum(sums[group, kit] for group in GROUPS) for kit in KITS}
        writer.writerow(["total", *(f"{whole[kit]:.2f}" for kit in KITS)])
        writer.writerow(["at most", *(f"{LIMIT_EUR[kit]:.2f}" for kit in KITS)])
    dear = [f"{kit} kit {whole[kit]:.2f} EUR, at most {LIMIT_EUR[kit]}" for kit in KITS if whole[kit] > LIMIT_EUR[kit]]
    if dear:
        raise RuntimeError("bill of materials: " + "; ".join(dear))
    wrong = unbought(circuit_parts)
    if wrong:
        raise RuntimeError(f"bill of materials and circuit differ in {', '.join(sorted(wrong))}")
