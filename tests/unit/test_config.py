"""The board's settings: a table, safe defaults, and a clear refusal of nonsense."""

import zlib

import pytest

from loopwatch.config import TABLE, Config


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


def test_the_crc_is_over_every_name_and_value():
    crc = Config(gas_ul=200_000).crc()
    text = ";".join(f"{row[0]}={200_000 if row[0] == 'gas_ul' else row[1]}" for row in TABLE)
    assert (crc.hi << 16 | crc.lo) == zlib.crc32(text.encode())
