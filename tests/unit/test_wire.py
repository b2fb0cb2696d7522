"""The lines between board and laptop: what is sent arrives, what is damaged is refused and counted."""

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopwatch import guard, records, telemetry, wire

INT31 = st.integers(-(2**30) + 1, 2**30 - 1)
LETTERS = [kind[0] for kind in records.KINDS]

# The widest value of a field, by its name or else by its unit: what decides the longest line.
WIDEST = {
    "fw_major_n": 99,
    "fw_minor_n": 99,
    "fw_patch_n": 99,
    "protocol_n": 99,
    "reset_cause_n": 9,
    "not_monitoring_n": 99,
    "period_ms": 1000,
    "sample_n": 2**30 - 1,
    "priority_n": 4,
    "ne107_n": 4,
    "status_bits": 2**24 - 1,
    "state_bits": 2**16 - 1,
    "alarm_bits": 2**30 - 1,
    "event_seq": 2**30 - 1,
    "before_seq": 2**30 - 1,
    "run_n": 9_999,
    "value": -(2**30) + 1,
    "residual_ul": -(2**20),  # as residual and inventory limit it
    "lost_ul": 2**20,
    "noise_ul": 2**21,
    "time_left_s": telemetry.time_left_s(2**21, 1),
    "_pa": -2_000_000,
    "_mdegc": -256_000,
    "_mv": 65_535,
    "_ul": -(2**30) + 1,
    "_ul_h": guard.RATE_MAX_UL_H,
    "_permille": 9_999,
    "_s": 2**30 - 1,
    "_hi": 65_535,
    "_lo": 65_535,
    "_w0": 65_535,
    "_w1": 65_535,
    "_w2": 65_535,
    "_w3": 65_535,
    "_n": 9_999_999,
}


def widest(name: str) -> int:
    if name in WIDEST:
        return WIDEST[name]
    return next(value for unit, value in WIDEST.items() if unit.startswith("_") and name.endswith(unit))


def encode(letter: str, values: list, absent: int = 0, seq: int = 7, t_ms: int = 1234) -> bytes:
    record = wire.Record(letter)
    for i, value in enumerate(values):
        record.values[i] = value
    record.absent, record.seq, record.t_ms = absent, seq, t_ms
    encoder = wire.Encoder()
    n = encoder.record(record)
    return bytes(encoder.line[:n])


@st.composite
def a_record(draw):
    letter = draw(st.sampled_from(LETTERS))
    field_n = wire.Record(letter).field_n
    values = draw(st.lists(INT31, min_size=field_n, max_size=field_n))
    return letter, values, draw(st.integers(0, 2**field_n - 1)), draw(st.integers(0, 2**30 - 1))


@given(st.binary(max_size=200))
def test_the_crc_is_that_of_zlib(data):
    crc = wire.Crc32()
    crc.of(data, 0, len(data))
    assert (crc.hi << 16 | crc.lo) == zlib.crc32(data)


@given(a_record(), st.integers(1, 50))
def test_every_record_comes_back_whole_whatever_the_pieces(record, piece_n):
    letter, values, absent, seq = record
    line = encode(letter, values, absent, seq)
    decoder = wire.Decoder()
    got = [item for at in range(0, len(line), piece_n) for item in decoder.feed(line[at : at + piece_n])]
    names = [field[0] for field in records.KINDS[LETTERS.index(letter)][3]]
    expected = {name: None if absent >> i & 1 else values[i] for i, name in enumerate(names)}
    assert len(line) > 2 * wire.LINE_MAX_N or ([m.values for m in got], got[0].seq) == ([expected], seq)


@given(a_record(), st.data())
def test_a_line_with_any_byte_changed_is_never_taken_for_a_record(record, data):
    line = bytearray(encode(*record[:3]))
    at = data.draw(st.integers(0, len(line) - 2))
    line[at] ^= data.draw(st.integers(1, 255))
    decoder = wire.Decoder()
    assert not [item for item in decoder.feed(bytes(line)) if isinstance(item, wire.Message)]


@given(st.binary(max_size=400))
def test_the_decoder_is_whole_again_at_the_newline_after_any_rubbish(rubbish):
    decoder = wire.Decoder()
    decoder.feed(rubbish + b"\n")
    assert [m.name for m in decoder.feed(encode("S", [1] * 8))] == ["sample"]


def test_a_record_glued_to_the_stump_of_another_is_kept_and_the_stump_counted():
    decoder = wire.Decoder()
    got = decoder.feed(encode("S", [1] * 8)[:17] + encode("H", [2] * 10))
    assert [m.name for m in got] == ["heartbeat"]
    assert decoder.bad_n == 1


def test_a_newer_board_may_add_kinds_and_fields():
    def checked(body: bytes) -> bytes:
        return b"$" + body + b"*%08X\n" % zlib.crc32(body)

    decoder = wire.Decoder()
    got = decoder.feed(checked(b"Z,1,2,3") + checked(b"M,1,2,3,4,5,6,7,8,9,10,11,12"))
    assert decoder.unknown_n == 1
    assert [(m.name, m.values["used_n"]) for m in got] == [("mean", 10)]
    older = decoder.feed(checked(b"M,1,2,3,4"))
    assert (older[0].values["p_pump_pa"], older[0].values["used_n"]) == (4, None)
    assert decoder.bad_n == 0


def test_text_between_records_is_handed_on_as_text():
    decoder = wire.Decoder()
    got = decoder.feed(b"Traceback (most recent call last):\r\n" + encode("S", [0] * 8) + b">>> \r\n\r\n")
    assert got[0] == "Traceback (most recent call last):"
    assert got[1].name == "sample"
    assert got[2] == ">>>"
    assert decoder.bad_n == 0


def test_a_reply_carries_its_text_with_commas_and_without_what_would_break_the_line():
    encoder = wire.Encoder()
    n = encoder.reply(12, 99, "loopwatch,pico,0*1\n$ä")
    message = wire.Decoder().feed(bytes(encoder.line[:n]))[0]
    assert (message.name, message.seq, message.text) == ("reply", 12, "loopwatch,pico,0?1????")


def test_a_long_reply_is_cut_to_the_line():
    encoder = wire.Encoder()
    assert encoder.reply(2**30 - 1, 2**30 - 1, "x" * 500) <= wire.LINE_MAX_N


@pytest.mark.parametrize("letter", LETTERS)
def test_no_record_is_longer_than_the_line_allows(letter):
    values = [widest(field[0]) for field in records.KINDS[LETTERS.index(letter)][3]]
    assert len(encode(letter, values, 0, 2**30 - 1, 2**30 - 1)) <= wire.LINE_MAX_N


def test_the_protocol_crc_changes_with_the_table(monkeypatch):
    before = wire.protocol_crc()
    monkeypatch.setattr(records, "KINDS", records.KINDS[:-1])
    after = wire.protocol_crc()
    assert (before.hi, before.lo) != (after.hi, after.lo)
