"""The board's settings: a table, safe defaults, what commissioning found, and a clear refusal of nonsense."""

import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from commissioned_words import words
from hypothesis import given
from hypothesis import strategies as st
from strict_int import StrictInt

from loopwatch import bank, burst, estimate, parameters, residual, sample
from loopwatch.config import LAYOUT_N, TABLE, Config, decode
from loopwatch_host.commission.thresholds import NEVER

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PINMAP = Path(__file__).parents[2] / "hardware" / "pinmap.toml"
WORDS = words()


def changed(place: int, value: int) -> list[int]:
    """WORDS with another value in one place."""
    return [*WORDS[:place], value, *WORDS[place + 1 :]]


def test_every_row_of_the_table_is_a_declared_setting_and_no_other():
    assert list(Config.__annotations__) == [row[0] for row in TABLE]


def test_every_default_is_inside_its_own_range():
    for name, default, least, most, _ in TABLE:
        assert least <= default <= most, name


@pytest.mark.parametrize(("name", "value"), [("gas_ul", 4_999), ("period_ms", 1_001), ("commissioned", 2)])
def test_a_value_outside_its_range_is_refused_with_its_name_and_range(name, value):
    row = next(row for row in TABLE if row[0] == name)
    with pytest.raises(ValueError, match=f"{name}={value}: must be {row[2]} to {row[3]}"):
        Config(**{name: value})


def test_a_setting_that_does_not_exist_is_refused_by_name():
    with pytest.raises(ValueError, match="gas_ml: not in"):
        Config(gas_ml=150)


def test_a_period_that_lets_the_charge_pumps_relay_go_is_refused_with_what_to_do():
    # As far apart as the circuit's simulation holds the relay with its worst parts.
    most_ms = tomllib.loads(PINMAP.read_text(encoding="utf-8"))["interlock_pump"]["edge_most_ms"]
    assert Config(interlock_toggled=1, period_ms=most_ms).period_ms == most_ms
    assert Config(period_ms=most_ms + 1).interlock_toggled == 0
    with pytest.raises(ValueError, match=f"period_ms={most_ms + 1}: the relay drops; {most_ms}, or interlock_t"):
        Config(interlock_toggled=1, period_ms=most_ms + 1)


def test_words_and_the_mark_of_commissioning_come_together_or_not_at_all():
    with pytest.raises(ValueError, match="words: 0, must be 256"):
        Config(commissioned=1)
    with pytest.raises(ValueError, match="commissioned=0: must be 1"):
        Config(WORDS)


def test_the_crc_is_that_of_layout_scalars_and_words_with_the_lowest_byte_first():
    made = Config(WORDS, gas_ul=200_000, commissioned=1)
    given = {"gas_ul": 200_000, "commissioned": 1}
    scalars = [given.get(row[0], row[1]) for row in TABLE]
    content = struct.pack(f"<{3 + len(TABLE) + 256}i", LAYOUT_N, len(TABLE), *scalars, 256, *WORDS)
    assert made.content() == content
    crc = made.crc()
    assert (crc.hi << 16 | crc.lo) == zlib.crc32(content)


def test_settings_of_the_second_layout_are_still_read_and_nothing_is_beyond_their_log():
    scalars = [{"commissioned": 1}.get(row[0], row[1]) for row in TABLE]
    reach = slice(residual.REACH_LOW, residual.PARAM_N)
    words = [*WORDS[: residual.REACH_LOW], *WORDS[residual.PARAM_N :]]
    old = decode(struct.pack(f"<{3 + len(TABLE) + 247}i", 2, len(TABLE), *scalars, 247, *words))
    assert list(old.residual[reach]) == [0] * 9
    assert [*old.residual[: residual.REACH_LOW], *old.bank, *old.burst, *old.estimate] == words


@given(st.data())
def test_what_is_encoded_comes_back(data):
    given = {row[0]: data.draw(st.integers(row[2], row[3])) for row in TABLE if row[0] != "commissioned"}
    given["fitted_bits"] |= 0b11111
    if given["interlock_toggled"]:
        given["period_ms"] = 100
    with_words = data.draw(st.booleans())
    made = Config(WORDS if with_words else (), commissioned=int(with_words), **given)
    back = decode(made.content())
    assert [getattr(back, row[0]) for row in TABLE] == [getattr(made, row[0]) for row in TABLE]
    assert [*back.residual, *back.bank, *back.burst, *back.estimate] == (WORDS if with_words else [])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "length 0"),
        (b"12345", "length 5"),
        (struct.pack("<2i", 4, 0), "layout 4"),
        (struct.pack("<2i", 1, 15), "scalars: 15 in 2 words"),
        (struct.pack("<3i", 2, 1, 0), "scalars: 1, must be 15 to"),
        (Config().content() + b"\0\0\0\0", "words: 0 announced, 1 there"),
    ],
)
def test_bytes_that_are_no_configuration_are_refused_with_the_reason(content, reason):
    with pytest.raises(ValueError, match=reason):
        decode(content)


def test_the_places_of_the_words_are_those_of_the_kernels():
    sizes = (residual.PARAM_N, bank.PARAM_N, burst.PARAM_N, estimate.PARAM_N)
    places = (parameters.BANK, parameters.BURST, parameters.ESTIMATE, parameters.WORD_N)
    assert tuple(sum(sizes[: i + 1]) for i in range(4)) == places
    bounded = [place for _, first, n, *_ in parameters.BOUNDS for place in range(first, first + n)]
    assert sorted(bounded) == list(range(parameters.WORD_N)), "every word has one bound"


@pytest.mark.parametrize("row", parameters.BOUNDS, ids=lambda row: row[0])
def test_a_word_outside_its_bounds_is_refused_by_its_name(row):
    name, first, n, least, most = row
    for value in (least - 1, most + 1):
        if -(2**31) <= value < 2**31:
            with pytest.raises(ValueError, match=rf"{name}(\[\d+\])?={value}: must be {least} to {most}"):
                Config(changed(first + n - 1, value), commissioned=1)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({residual.P0: 500_000, residual.P_LEAST: 100_000}, "residual.p_least=100000: must be a quarter"),
        ({residual.GAS_T0: 65_536, residual.INVERSE_T0: 9_000}, "residual.inverse_t0=9000"),
        ({residual.SHIFTS + residual.DOME_4: 0}, "residual.dome_gain_q8=312"),
        ({residual.WEIGHTS + i: 16_000 for i in range(3)}, "residual.weights: together"),
        ({residual.SUM_SHIFT: 0, residual.C0_SUM: 2**29 + 1} | {residual.WEIGHTS + i: 0 for i in range(25)}, "weights"),
    ],
)
def test_words_that_are_too_large_together_are_refused(changes, reason):
    with pytest.raises(ValueError, match=reason):
        Config([changes.get(i, word) for i, word in enumerate(WORDS)], commissioned=1)


def test_a_channel_that_the_words_use_must_be_fitted():
    without_dome = 0b111111 & ~(1 << sample.T_DOME)
    with pytest.raises(ValueError, match="fitted_bits: channel 4 is not fitted, and the words use it"):
        Config(WORDS, commissioned=1, fitted_bits=without_dome)


def any_words(rng: np.random.Generator) -> list[int]:
    """Words from anywhere inside their bounds, a third of them at an edge, those that act together small enough."""
    made = [0] * parameters.WORD_N
    for _, first, n, least, most in parameters.BOUNDS:
        for place in range(first, first + n):
            made[place] = int(rng.choice([least, most])) if rng.random() < 0.3 else int(rng.integers(least, most + 1))
    for i in range(residual.FEATURE_N):
        made[residual.WEIGHTS + i] //= 40
    made[residual.C0_SUM] //= 4
    made[residual.SUM_SHIFT] = max(made[residual.SUM_SHIFT], 1)
    made[residual.P_LEAST] = max(made[residual.P_LEAST], made[residual.P0] // 4 + 1)
    made[residual.INVERSE_T0] = min(made[residual.INVERSE_T0], 8_000)
    made[residual.SHIFTS + residual.DOME_4] = max(made[residual.SHIFTS + residual.DOME_4], 4)
    return made


def strict(values) -> list[int]:
    """These values as integers that refuse to leave ±2**30."""
    return [StrictInt(value) for value in values]


@pytest.mark.parametrize("seed", range(60))
def test_kernels_on_accepted_words_stay_inside_the_boards_integers(seed):
    rng = np.random.default_rng(seed)
    taken = Config(any_words(rng), commissioned=1)
    part = [strict(words) for words in (taken.residual, taken.bank, taken.burst, taken.estimate)]
    rs, bs, us, out = (strict([0] * n) for n in (residual.STATE_N, bank.STATE_N, burst.STATE_N, residual.OUT_N))
    picked, told = strict([0] * bank.PICKED_N), strict([0] * estimate.OUT_N)
    usual = np.array([150_000, 185_000, 40_000, 30_000, 25_000, 5_000])
    for i in range(12):
        x = usual + rng.integers(-4_000, 4_000, 6) if i % 3 else rng.integers(-(2**28), 2**28, 6)
        row = strict(x.tolist())
        residual.take(rs, part[0], row)
        residual.gas(rs, part[0], row)
        residual.weigh(rs, part[0], out)
        bank.scale(bs, part[1], out)
        bank.judge(bs, part[1], out[0])
        burst.step(us, part[2], row)
        if bank.pick(bs, part[1], picked) >= 0:
            estimate.estimate(picked, part[3], told)


def test_a_member_that_never_alarms_is_inside_the_bounds():
    limit = next(row for row in parameters.BOUNDS if row[0] == "bank.limits")
    assert limit[3] <= NEVER <= limit[4]
