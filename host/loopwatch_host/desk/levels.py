"""How much coolant may still be lost at once before each class of leak alarms: the bands of the inventory's chart.

The board sends evidence and no volumes. What a member of its detector needs besides is its threshold: the wide limits
have theirs in loopwatch.detector, a commissioned board tells those in its configuration when it is asked. A member
follows the residual with a filter, e = (r - L) / 2**n a step, and adds up what e exceeds its allowance k by; so a
sudden loss of V adds max over T of V (1 - (1 - 2**-n)**T) - k T, and the loss that brings the evidence to its threshold
is the V at which that is what is missing. This is the least: a restless loop divides its evidence by what it is doing
(loopwatch.bank), and what goes slowly is worn off by the allowance. What the longest memories forget meanwhile, a few
per cent, is left out.
"""

from __future__ import annotations

import base64
import binascii
import math
import struct
from collections.abc import Iterable
from dataclasses import dataclass

from loopwatch import bank, burst, config, detector, evidence, guard, residual
from loopwatch.telemetry import BASELINE_SETTLED, COMMISSIONED, WIDE_LIMITS

from ..messages import Record

SEEP, LEAK, RUPTURE = range(guard.CLASS_N)

# Seconds with every channel after which the groups of bank may judge, as in loopwatch.commissioned.
READY_S = (16, 1_800, 7_200, 21_600)

# Words of the configuration's bytes: a head of two, the scalars, how many words follow, the words (loopwatch.config).
_HEAD_N = 2
_GAS_UL = _HEAD_N + [row[0] for row in config.TABLE].index("gas_ul")
_BURST = residual.PARAM_N + bank.PARAM_N
_FROM = residual.PARAM_N + bank.GROUPS
_TO = _BURST + burst.PARAM_N
_SCALARS_MAX_N = 200


@dataclass(frozen=True)
class Member:
    """A member's threshold and allowance, in µL and µL a step, or in Pa; its filter's shift; when it may judge."""

    limit: float
    allowance: float
    shift: int
    ready_s: int = 0

    def missing(self, part: float) -> float:
        """The least sudden loss that brings evidence of part of the threshold to it; negative when it is beyond."""
        wanted = self.limit * (1 - part)
        if wanted <= 0:
            return wanted
        low, high = wanted, 2 * wanted + 4 * self.allowance * (1 << self.shift)
        while self._gained(high) < wanted:
            high *= 2
        while high - low > 1e-3 * high:
            middle = (low + high) / 2
            low, high = (low, middle) if self._gained(middle) >= wanted else (middle, high)
        return high

    def _gained(self, lost: float) -> float:
        """What a sudden loss adds to the score at most."""
        kept = 1 - 1 / (1 << self.shift)
        if not kept:
            return lost - self.allowance
        if not self.allowance:
            return lost
        share = self.allowance / (lost * (1 - kept))
        steps_n = max(0, math.floor(math.log(share) / math.log(kept)) + 1) if share < 1 else 0
        return lost * (1 - kept**steps_n) - self.allowance * steps_n


WIDE = tuple(Member(limit, allowance, shift) for _, shift, allowance, limit in detector.MEMBERS)
_WIDE_CLASSES = ((LEAK, 1), (RUPTURE, 0))  # the impatient one of each, which a sudden loss reaches first


@dataclass(frozen=True)
class Fine:
    """The members of a commissioned board by their place in its evidence record, None for one that never alarms."""

    members: tuple[Member | None, ...]
    bursts: tuple[Member, ...]
    gas_ul: int


class Levels:
    """What is known of one board's thresholds. Ask it question(), and give the reply to answer() or refused()."""

    def __init__(self) -> None:
        self.fine: Fine | None = None
        self._head = b""
        self._words = b""
        self._given_up = False

    def forget(self) -> None:
        """The board has started anew, perhaps with another configuration."""
        self.fine = None
        self._head = self._words = b""
        self._given_up = False

    def question(self, decision: Record | None) -> str | None:
        """The next command that brings a commissioned board's thresholds; None when nothing is wanted."""
        commissioned = decision is not None and (decision.values["state_bits"] or 0) & COMMISSIONED
        if not commissioned or self.fine or self._given_up:
            return None
        return f"CONF:READ? {self._words_at_n() + len(self._words) if self._head else 0}"

    def answer(self, reply: str) -> None:
        """A piece of the configuration: its head first, then what is wanted of its words."""
        try:
            piece = base64.b64decode(reply, validate=True)
        except (binascii.Error, ValueError):
            piece = b""
        if not piece or (not self._head and not _is_sound(piece)):
            self.refused()
        elif not self._head:
            self._head = piece
        else:
            self._words += piece
            if len(self._words) >= 4 * (_TO - _FROM):
                self.fine = self._parsed()

    def refused(self) -> None:
        """The board does not tell: its thresholds stay unknown until it starts anew."""
        self._given_up = True

    def missing_ul(
        self, decision: Record, members: Record | None, p_static_pa: int | None, uptime_s: int | None
    ) -> tuple[float | None, ...]:
        """The least sudden loss in µL that raises each class's alarm now; None where nobody watches or knows.

        members: the evidence record of the same second. Negative: the evidence is beyond its threshold.
        """
        least: list[float | None] = [None] * guard.CLASS_N
        state_bits = decision.values["state_bits"] or 0
        if not state_bits & BASELINE_SETTLED:
            return tuple(least)
        known: list[tuple[int, float]] = []
        if state_bits & WIDE_LIMITS or not state_bits & COMMISSIONED:
            known += self._wide(decision)
        if self.fine and members:
            known += self._fine(self.fine, members, p_static_pa, uptime_s or 0)
        for class_n, missing_ul in known:
            before = least[class_n]
            least[class_n] = missing_ul if before is None else min(before, missing_ul)
        return tuple(least)

    def _wide(self, decision: Record) -> Iterable[tuple[int, float]]:
        noise_limit_ul = (decision.values["noise_ul"] or 0) * detector.NOISE_FACTOR
        for class_n, place in _WIDE_CLASSES:
            permille = decision.values[f"evidence_{guard.CLASS_NAMES[class_n]}_permille"]
            if permille is not None:
                member = WIDE[place]
                limit = max(member.limit, noise_limit_ul)
                yield class_n, Member(limit, member.allowance, member.shift).missing(permille / 1000)

    def _fine(self, fine: Fine, members: Record, p_static_pa: int | None, uptime_s: int) -> Iterable[tuple[int, float]]:
        for place, member in enumerate(fine.members):
            permille = members.values[f"member_{place}_permille"]
            if member and permille is not None and uptime_s >= member.ready_s:
                seep = evidence.SEEP_BITS >> place & 1
                yield (SEEP if seep else LEAK), member.missing(permille / 1000)
        permille = members.values["burst_permille"]
        if permille is not None and p_static_pa:
            # The gas takes the place of what is lost: at once p falls by p V / gas.
            least_pa = min(member.missing(permille / 1000) for member in fine.bursts)
            yield RUPTURE, least_pa * fine.gas_ul / p_static_pa

    def _words_at_n(self) -> int:
        """The byte from which on words are wanted; firmware of another version may have other scalars."""
        scalar_n = int(struct.unpack_from("<i", self._head, 4)[0])
        return 4 * (_HEAD_N + scalar_n + 1 + _FROM)

    def _parsed(self) -> Fine:
        words = struct.unpack_from(f"<{_TO - _FROM}i", self._words)
        gas_ul = struct.unpack_from("<i", self._head, 4 * _GAS_UL)[0]
        members: list[Member | None] = []
        for i in range(bank.MEMBER_N):
            group, shift, allowance, limit = (
                words[place - bank.GROUPS + i]
                for place in (bank.GROUPS, bank.LEVEL_SHIFTS, bank.ALLOWANCES, bank.LIMITS)
            )
            known = limit < evidence.NEVER and 0 <= group < len(READY_S)
            members.append(Member(limit / 2**14, allowance / 2**14, shift, READY_S[group]) if known else None)
        at = _BURST - _FROM
        bursts = tuple(
            Member(
                words[at + burst.LIMITS + i] / 64,
                words[at + burst.ALLOWANCES + i] / 64,
                words[at + burst.LEVEL_SHIFTS + i],
            )
            for i in range(burst.MEMBER_N)
        )
        return Fine(tuple(members), bursts, gas_ul)


def _is_sound(head: bytes) -> bool:
    """Whether this is the beginning of a configuration that is laid out as this loopwatch knows it."""
    if len(head) < 4 * (_GAS_UL + 1):
        return False
    layout_n, scalar_n = struct.unpack_from("<2i", head)
    return bool(layout_n == config.LAYOUT_N and 0 < scalar_n <= _SCALARS_MAX_N)
