"""The guides of hardware/ as their readers see them: what each quotes as typed, and as shown.

A block ```console has commands after "$ " and below each what it prints. "…" stands for what differs from time to time:
within a line for any text, alone for any lines. Spaces count for nothing but a gap. A plain block is what `loopwatch
doctor` prints.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

GUIDES = Path(__file__).resolve().parents[2] / "hardware" / "guides"
ANY = "…"


@dataclass
class Command:
    """A command of a guide and the lines that the guide shows below it."""

    line: str
    shown: list[str] = field(default_factory=list)


def blocks(text: str, kind: str) -> list[str]:
    """The insides of the fenced blocks of a kind, "" for plain ones, at any indent."""
    found = re.findall(r"(?ms)^( *)```(\w*)\n(.*?)^\1```", text)
    return [inside for _, each, inside in found if each == kind]


def commands(page: str) -> list[Command]:
    """What a guide has its reader type, in its order."""
    found: list[Command] = []
    for block in blocks((GUIDES / page).read_text(encoding="utf-8"), "console"):
        for line in block.splitlines():
            if line.strip().startswith("$ "):
                found.append(Command(line.strip()[2:]))
            else:
                found[-1].shown.append(line)
    return found


def plain(line: str) -> str:
    """A line with single spaces."""
    return " ".join(line.split())


def missing(shown: list[str], printed: str) -> str:
    """The first line that a guide shows and that was not printed where it should be; empty when all were.

    After an ANY alone the next line may stand anywhere below; else it has to be the very next.
    """
    lines = [plain(line) for line in printed.splitlines() if line.strip()]
    at, anywhere = 0, False
    for line in shown:
        if plain(line) == ANY:
            anywhere = True
            continue
        pattern = ".*?".join(re.escape(part) for part in plain(line).split(ANY))
        while at < len(lines) and not re.fullmatch(pattern, lines[at]) and anywhere:
            at += 1
        if at == len(lines) or not re.fullmatch(pattern, lines[at]):
            return line
        at, anywhere = at + 1, False
    return "" if anywhere or at == len(lines) else f"(nothing, but {lines[at]!r})"
