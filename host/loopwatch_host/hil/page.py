"""The page of a run on the bench: what was asked, what came of it, and a plot of every procedure.

One HTML file that needs nothing else and no network. Firmware, protocol, source, bench and date stand on top; where
procedures disagree about one of them, all values are named.
"""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from pathlib import Path
from typing import Any

from loopwatch import wire

from ..stream import HOST_VERSION
from . import plot
from .trace import Trace

WORDS = {"passed": "passed", "failed": "FAILED", "skipped": "left out"}

STYLE = """
body{font:15px/1.5 system-ui,sans-serif;color:#212121;background:#fafafa;margin:0 auto;max-width:1000px;padding:24px}
h1{font-size:24px;margin:0 0 12px}h2{font-size:17px;margin:0}
section{background:#fff;border:1px solid #e0e0e0;border-radius:6px;padding:14px 18px;margin:16px 0}
table{border-collapse:collapse}td,th{padding:2px 16px 2px 0;text-align:left;vertical-align:top}th{font-weight:600}
.passed{color:#2e7d32}.failed{color:#c62828;font-weight:600}.skipped{color:#757575}
.reason{white-space:pre-wrap;font-family:ui-monospace,monospace;font-size:13px}
.said{color:#616161;font-size:13px}ol{margin:4px 0;padding-left:24px;columns:2;font-size:13px}
svg{width:100%;height:auto;margin-top:8px}polyline{stroke-width:1.4}
.frame{fill:#fff;stroke:#bdbdbd}.grid{stroke:#eeeeee}.limit{stroke:#c62828;stroke-dasharray:5 4}
line.deed{stroke:#9e9e9e;stroke-dasharray:2 3}text{font:11px system-ui,sans-serif;fill:#424242}
text.deed{font-weight:600}text.title{font-size:12px;font-weight:600}text.state{fill:#fff;font-size:10px}
"""


@dataclass(frozen=True)
class Shown:
    """One procedure: title is a sentence, outcome one of WORDS, reason why it failed or was left out."""

    title: str
    outcome: str
    reason: str
    bench_id: str
    trace: Trace


def shown(node_id: str, outcome: str, reason: str, seen: dict[str, Any]) -> Shown:
    """A procedure from pytest's report of it. node_id: file::test_name[target]."""
    name = node_id.split("::")[-1].partition("[")[0]
    title = name.removeprefix("test_").replace("_", " ")
    return Shown(title, outcome, reason, seen["bench_id"], Trace.from_json(seen["trace"]))


def html(procedures: Sequence[Shown]) -> str:
    """The whole page."""
    counts = Counter(each.outcome for each in procedures)
    verdict = ", ".join(f"{counts[outcome]} {WORDS[outcome]}" for outcome in WORDS if counts[outcome])
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>loopwatch on the bench</title>'
        f"<style>{STYLE}</style></head><body><h1>loopwatch on the bench: {escape(verdict)}</h1>"
        + _head(procedures)
        + _index(procedures)
        + "".join(_section(i, each) for i, each in enumerate(procedures, 1))
        + "</body></html>\n"
    )


def _head(procedures: Sequence[Shown]) -> str:
    protocol = wire.protocol_crc()
    traces = [each.trace for each in procedures]
    rows = (
        ("firmware", _all(trace.firmware for trace in traces)),
        ("protocol", _all(trace.protocol for trace in traces)),
        ("laptop", f"{HOST_VERSION}, protocol {wire.PROTOCOL_N} ({protocol.hi << 16 | protocol.lo:08X})"),
        ("git", git_sha()),
        ("bench", _all(each.bench_id for each in procedures)),
        ("target", _all(trace.target for trace in traces)),
        ("board", _all(trace.board_id for trace in traces)),
        ("date", datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")),
    )
    return "<table>" + "".join(f"<tr><th>{name}</th><td>{escape(value)}</td></tr>" for name, value in rows) + "</table>"


def _index(procedures: Sequence[Shown]) -> str:
    rows = [
        f'<tr><td>{i}</td><td class="{each.outcome}">{WORDS[each.outcome]}</td>'
        f'<td><a href="#p{i}">{escape(each.title)}</a></td><td>{escape(each.trace.target)}</td></tr>'
        for i, each in enumerate(procedures, 1)
    ]
    return f"<section><table>{''.join(rows)}</table></section>"


def _section(number: int, each: Shown) -> str:
    trace = each.trace
    outcome = f'<span class="{each.outcome}">{WORDS[each.outcome]}</span>'
    parts = [
        f'<section id="p{number}"><h2>{outcome} {escape(each.title)}</h2>',
        f'<div class="said">{escape(trace.target)}, {len(trace.samples)} samples</div>',
    ]
    if each.reason:
        parts.append(f'<div class="reason {each.outcome}">{escape(each.reason)}</div>')
    parts.append(plot.svg(trace))
    said = [f"<li>{t_s:.2f} s: {escape(words)}</li>" for t_s, words in trace.deeds]
    if said:
        parts.append(f"<ol>{''.join(said)}</ol>")
    changes = [f"{change.t_s:.2f} s {change.name} {change.state}" for change in trace.alarms]
    if changes:
        parts.append(f'<div class="said">alarms: {escape("; ".join(changes))}</div>')
    return "".join(parts) + "</section>"


def _all(values: Any) -> str:
    return ", ".join(dict.fromkeys(value for value in values if value)) or "unknown"


def git_sha() -> str:
    """The commit of this checkout, with a plus when something is changed in it; "unknown" outside of one."""
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--abbrev=12", "--dirty=+", "--exclude=*"],
            cwd=Path(__file__).parent, capture_output=True, text=True, timeout=10, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return done.stdout.strip()
