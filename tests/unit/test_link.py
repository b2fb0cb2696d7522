"""The cable: whole lines or none, nothing waited for, everything lost counted."""

from hypothesis import given
from hypothesis import strategies as st

from loopwatch.link import COMMAND_MAX_N, PACKET_N, PUMP_MAX_N, QUEUE_N, RESERVE_N, Link


class Port:
    """The far end of a cable that takes as many packets as it is told to."""

    def __init__(self, incoming: bytes = b"") -> None:
        self.credit_n = 1 << 30
        self.got = bytearray()
        self.incoming = list(incoming)

    def write_packet(self, buffer, start, n):
        assert n == PACKET_N
        if self.credit_n == 0:
            return False
        self.credit_n -= 1
        self.got += buffer[start : start + n]
        return True

    def read_byte(self):
        return self.incoming.pop(0) if self.incoming else -1


def offer(link, text: bytes, urgent=False):
    return link.offer(bytearray(text), len(text), urgent)


@given(st.lists(st.tuples(st.integers(1, 120), st.integers(0, 5)), max_size=120))
def test_what_arrives_is_whole_lines_in_order_and_the_rest_is_counted(steps):
    port = Port()
    port.credit_n = 0
    link = Link(port)
    kept = []
    for i, (length, credit_n) in enumerate(steps):
        text = (b"%d:" % i + b"x" * length)[: length - 1] + b"\n"
        if offer(link, text):
            kept.append(text)
        port.credit_n += credit_n
        link.pump()
    port.credit_n = 1 << 30
    while link.waiting_n:
        link.pump()
    assert bytes(port.got).replace(b"\r", b"") == b"".join(kept)
    assert link.dropped_n == len(steps) - len(kept)


def test_one_pass_gives_the_port_no_more_than_its_share():
    port = Port()
    link = Link(port)
    while offer(link, b"s" * 100):
        pass
    link.pump()
    assert len(port.got) == PUMP_MAX_N * PACKET_N


def test_a_port_that_takes_nothing_is_not_sent_more_filler_with_every_pass():
    port = Port()
    port.credit_n = 0
    link = Link(port)
    for _ in range(5):
        link.pump()
        offer(link, b"s" * 99 + b"\n")
    port.credit_n = 1 << 30
    while link.waiting_n:
        link.pump()
    assert len(port.got) - 500 < PACKET_N


def test_samples_leave_room_for_events_when_nobody_reads():
    port = Port()
    port.credit_n = 0
    link = Link(port)
    while offer(link, b"s" * 100):
        pass
    assert link.dropped_n == 1
    for _ in range(RESERVE_N // 100):
        assert link.room_for_urgent(100)
        assert offer(link, b"e" * 100, urgent=True)
    assert not offer(link, b"e" * QUEUE_N, urgent=True)


def test_commands_come_as_lines_whatever_the_newline():
    link = Link(Port(b"*IDN?\r\n\n@1 STR ON\rrest"))
    got = []
    while link.poll_command():
        got.append(bytes(link.command[: link.command_n]))
    assert got == [b"*IDN?", b"@1 STR ON"]


def test_a_line_that_is_too_long_is_given_up_counted_and_the_next_is_taken():
    link = Link(Port(b"x" * (COMMAND_MAX_N + 1) + b"\n*IDN?\n"))
    assert link.poll_command()
    assert bytes(link.command[: link.command_n]) == b"*IDN?"
    assert link.overlong_n == 1


def test_a_line_of_exactly_the_limit_is_taken():
    link = Link(Port(b"x" * COMMAND_MAX_N + b"\n"))
    assert link.poll_command()
    assert link.command_n == COMMAND_MAX_N
