"""The page around a report: a verdict, pictures, figures with units, and where it all comes from.

One HTML file of at most SIZE_MAX_N bytes that loads nothing. The browser's print makes the PDF: A4, black on white, no
picture cut in two.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from pathlib import Path

from loopwatch import wire

from ..errors import LoopwatchError, UsageError
from ..hil.page import git_sha
from ..stream import HOST_VERSION

SIZE_MAX_N = 2 * 1024 * 1024
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"

FIGURES = frozenset("0123456789+-−")

GOOD, BAD, OPEN, PLAIN = "good", "bad", "open", "plain"

STYLE = """
:root{color-scheme:light}
*{box-sizing:border-box}
body{font:15px/1.55 system-ui,-apple-system,"Segoe UI",sans-serif;color:#1f2937;background:#f6f7f9;margin:0}
main{max-width:1040px;margin:0 auto;padding:32px 24px 48px}
header{border-left:6px solid #6b7280;padding:2px 0 2px 18px;margin-bottom:24px}
header.good{border-color:#009e73}header.bad{border-color:#d55e00}header.open{border-color:#e69f00}
.kind{color:#6b7280;font-size:13px;letter-spacing:.04em;text-transform:uppercase}
h1{font-size:28px;line-height:1.25;margin:2px 0 4px;font-weight:650}
header p{margin:0;color:#374151}
section{background:#fff;border:1px solid #e5e7eb;border-radius:10px;padding:18px 22px;margin:18px 0}
h2{font-size:16px;margin:0 0 10px;font-weight:650}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{padding:5px 14px 5px 0;text-align:left;vertical-align:top;border-top:1px solid #f0f1f3}
tr:first-child th,tr:first-child td{border-top:0}
th{font-weight:500;color:#6b7280}td.n,th.n{text-align:right}
.big{display:grid;grid-template-columns:repeat(auto-fit,minmax(185px,1fr));gap:14px 24px;margin:0}
.big dt{color:#6b7280;font-size:13px}.big dd{margin:0;font-size:22px;font-weight:600}
.big dd small{display:block;font-size:14px;line-height:1.4;font-weight:400;color:#4b5563}
.caption{color:#4b5563;font-size:13px;margin:6px 0 0}
.from td,.from th{font-size:13px;padding:3px 14px 3px 0;overflow-wrap:anywhere}
svg{width:100%;height:auto;display:block}svg text{font:12px system-ui,-apple-system,sans-serif}
svg text.tick{fill:#6b7280;font-size:11px}svg text.title{fill:#1f2937;font-weight:600}
svg text.mark{paint-order:stroke;stroke:#fff;stroke-width:3px}
polyline{fill:none;stroke-width:1.6;stroke-linejoin:round}.frame{fill:none;stroke:#d1d5db}.grid{stroke:#eef0f2}
ul{margin:0;padding-left:20px}
@media (max-width:640px){main{padding:16px 10px}section{padding:12px}.big dd{font-size:20px}}
@media print{@page{size:A4;margin:14mm}body{background:#fff;font-size:10.5pt}main{max-width:none;padding:0}
section{border:0;border-top:1px solid #d1d5db;border-radius:0;padding:10px 0;margin:8px 0;break-inside:avoid}
h1{font-size:18pt}*{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
"""


@dataclass(frozen=True)
class Written:
    """A report on the disk."""

    path: Path
    bytes_n: int
    sha256: str


def page(kind: str, title: str, lead: str, grade: str, sections: Iterable[str]) -> str:
    """The whole file. kind: what sort of report; title: the verdict; lead: a sentence; grade: GOOD and so on."""
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body><main>"
        f'<header class="{grade}"><div class="kind">{escape(kind)}</div><h1>{escape(title)}</h1>'
        f"<p>{escape(lead)}</p></header>" + "".join(sections) + "</main></body></html>\n"
    )


def picture(title: str, svg: str, caption: str = "") -> str:
    """A section with a picture; nothing when there is no picture."""
    if not svg:
        return ""
    below = f'<p class="caption">{escape(caption)}</p>' if caption else ""
    return f"<section><h2>{escape(title)}</h2>{svg}{below}</section>"


def headline(figures: Sequence[tuple[str, str, str]]) -> str:
    """The figures that matter, large: (what, number with unit, interval or remark)."""
    cells = "".join(
        f"<div><dt>{escape(what)}</dt><dd>{escape(number)} <small>{escape(remark)}</small></dd></div>"
        for what, number, remark in figures
    )
    return f'<section><dl class="big">{cells}</dl></section>'


def facts(title: str, rows: Sequence[tuple[str, str]]) -> str:
    """A table of two columns."""
    cells = "".join(f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in rows)
    return f"<section><h2>{escape(title)}</h2><table>{cells}</table></section>" if rows else ""


def table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]], caption: str = "") -> str:
    """A table. Nothing without rows."""
    if not rows:
        return ""

    # Figures stand to the right, words to the left.
    figures = [any(row[i][:1] in FIGURES for row in rows if row[i]) for i in range(len(header))]

    def line(tag: str, cells: Sequence[str]) -> str:
        return "".join(
            f"<{tag}{' class=n' if right else ''}>{escape(cell)}</{tag}>"
            for right, cell in zip(figures, cells, strict=True)
        )

    body = "".join(f"<tr>{line('td', row)}</tr>" for row in rows)
    below = f'<p class="caption">{escape(caption)}</p>' if caption else ""
    return f"<section><h2>{escape(title)}</h2><table><tr>{line('th', header)}</tr>{body}</table>{below}</section>"


def notes(title: str, lines: Sequence[str]) -> str:
    """A list of sentences; nothing without any."""
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f"<section><h2>{escape(title)}</h2><ul>{items}</ul></section>" if items else ""


def origin(rows: Sequence[tuple[str, str]]) -> str:
    """Where it comes from: what the caller knows, then this laptop's versions and the date."""
    protocol = wire.protocol_crc()
    ours = (
        ("laptop", f"loopwatch {HOST_VERSION}, protocol {wire.PROTOCOL_N} ({protocol.hi << 16 | protocol.lo:08X})"),
        ("git", git_sha()),
        ("report made", datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")),
    )
    cells = "".join(
        f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in (*rows, *ours) if value
    )
    return f'<section class="from"><h2>Where this comes from</h2><table>{cells}</table></section>'


def write(text: str, path: Path) -> Written:
    """Put a report on the disk, whole or not at all. Raises UsageError, LoopwatchError when it is too large."""
    data = text.encode()
    if len(data) > SIZE_MAX_N:
        raise LoopwatchError(
            f"{path}: the report would have {len(data)} bytes, {SIZE_MAX_N} are allowed: take a shorter time"
        )
    part = path.with_name(path.name + ".part")
    try:
        part.write_bytes(data)
        part.replace(path)
    except OSError as error:
        raise UsageError(f"{path}: cannot be written ({error.strerror}): is the folder there, and room?") from None
    return Written(path, len(data), hashlib.sha256(data).hexdigest())


def file_hash(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()
