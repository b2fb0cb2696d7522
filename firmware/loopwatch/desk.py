"""What a person at the laptop can ask and order: the board's commands.

Handlers take strings and return a reply or None; what they refuse goes to the error queue (see scpi).
"""

import os

from . import VERSION, sample, scpi
from .alarm_desk import AlarmDesk
from .config import Config
from .crash import last_words
from .telemetry import Telemetry
from .wire import PROTOCOL_N, SEQ_MASK, Crc32


class Desk:
    """The commands of one board, and who is answered how: bare lines by bare lines, tagged ones by records.

    more: gives the rows of other desks (see scpi.Commands).
    """

    def __init__(
        self, board_id: bytes, sampler, orders: AlarmDesk, journal, telemetry: Telemetry, config: Config, more=None
    ) -> None:
        self._board_id = board_id
        self._config = config
        self._sampler = sampler
        self._orders = orders
        self._journal = journal
        self._telemetry = telemetry
        self._now_ms = 0
        self._commands = scpi.Commands(
            (
                ("*IDN?", self._identify, 0, "product, board, id, firmware version"),
                ("*CLS", self._clear_errors, 0, "forget the errors"),
                ("*TST?", self._self_test, 0, "0 when every fitted sensor answers, else one bit a channel"),
                ("HELP?", self._help, 0, "the commands"),
                ("SYSTem:ERRor?", self._next_error, 0, "oldest error"),
                ("SYSTem:PROTocol?", self._protocol, 0, "version and CRC of the table of records"),
                ("SYSTem:FLASH?", self._flash, 0, "free bytes, bytes in all of the file system"),
                ("SYSTem:RUN?", self._run, 0, "number of this start of the board, latest event before it"),
                ("SYSTem:CRASH?", last_words, 0, "last line of the last crash; empty without one"),
                ("CONFigure:CRC?", self._config_crc, 0, "CRC of the configuration in force"),
                ("STReam", self._stream, 1, "ON or OFF: records on this port"),
                ("STReam?", self._stream_state, 0, "1 or 0"),
                ("MEASure:PRESsure?", self._pressures, 0, "p_static, p_pump in Pa; empty without a value"),
                (
                    "MEASure:TEMPerature?",
                    self._temperatures,
                    0,
                    "source, radiator, dome in mdegC; empty without a value",
                ),
                ("EVENt:RESend?", self._resend, 1, "send the events after this number again"),
            )
            + orders.rows,
            more,
        )

    def bad_n(self) -> int:
        """Commands refused since start."""
        return self._commands.bad_n

    def note(self, code: int, about: str) -> None:
        """Put an error of scpi.ERROR_TEXT that no command has caused into the queue of SYST:ERR?."""
        self._commands.note(code, about)

    def overrun(self) -> None:
        """A line was too long to be taken."""
        self._commands.refuse(scpi.INPUT_OVERRUN, "")

    def answer(self, command: bytearray, n: int, now_ms: int) -> None:
        """Run the command line command[0:n] that came in at now_ms, and queue its reply."""
        self._now_ms = now_ms
        self._orders.now_ms = now_ms
        try:
            line = bytes(command[:n]).decode().strip()
        except UnicodeError:
            self._commands.refuse(scpi.INVALID_CHARACTER, "not UTF-8")
            return
        if line.startswith("@"):
            self._answer_tagged(line)
        elif line:
            # A program that speaks plain SCPI is told nothing that it did not ask for.
            if not scpi.matches("STReam", line.split()[0].upper()):
                self._telemetry.streaming = False
            reply = self._commands.execute(line)
            if reply is not None:
                self._telemetry.text(reply)

    def _answer_tagged(self, line: str) -> None:
        tag, _, command = line[1:].partition(" ")
        try:
            reply_id = int(tag) & SEQ_MASK
        except ValueError:
            self._commands.refuse(scpi.ILLEGAL_PARAMETER, "tag " + tag[:8])
            return
        bad_n = self._commands.bad_n
        reply = self._commands.execute(command)
        if self._commands.bad_n != bad_n:
            reply = "!" + self._commands.take_latest_error()
        self._telemetry.reply(reply_id, "OK" if reply is None else reply, self._now_ms)

    def _identify(self) -> str:
        board_id = "".join("{:02x}".format(byte) for byte in self._board_id)
        return "loopwatch,pico,{},{}.{}.{}".format(board_id, *VERSION)

    def _clear_errors(self) -> None:
        self._commands.clear()

    def _self_test(self) -> str:
        status = self._sampler.sample.status
        failed = 0
        for channel in range(sample.CHANNEL_N):
            if sample.faulty(status[channel]) or status[channel] == sample.STARTING:
                failed |= 1 << channel
        return str(failed)

    def _help(self) -> str:
        return self._commands.help()

    def _next_error(self) -> str:
        return self._commands.next_error()

    def _protocol(self) -> str:
        return "{},{}".format(PROTOCOL_N, _hex(self._telemetry.protocol))

    def _config_crc(self) -> str:
        return _hex(self._config.crc())

    def _run(self) -> str:
        return "{},{}".format(self._journal.run_n, self._journal.before_seq)

    def _flash(self) -> str:
        # block size, fragment size, blocks, free blocks
        state = os.statvfs(os.getcwd())
        return "{},{}".format(state[1] * state[3], state[1] * state[2])

    def _stream(self, word: str) -> None:
        if word.upper() not in ("ON", "OFF", "1", "0"):
            raise scpi.ScpiError(scpi.ILLEGAL_PARAMETER, word[:16])
        self._telemetry.streaming = word.upper() in ("ON", "1")

    def _stream_state(self) -> str:
        return "1" if self._telemetry.streaming else "0"

    def _pressures(self) -> str:
        return self._channel_text(sample.P_STATIC, sample.P_PUMP)

    def _temperatures(self) -> str:
        return self._channel_text(sample.T_SOURCE, sample.T_DOME)

    def _channel_text(self, first: int, last: int) -> str:
        latest = self._sampler.sample
        words = []
        for channel in range(first, last + 1):
            words.append(str(latest.values[channel]) if sample.usable(latest.status[channel]) else "")
        return ",".join(words)

    def _resend(self, after: str) -> str:
        try:
            seq = int(after)
        except ValueError:
            raise scpi.ScpiError(scpi.ILLEGAL_PARAMETER, after[:16]) from None
        if not 0 <= seq <= self._journal.seq:
            raise scpi.ScpiError(scpi.DATA_OUT_OF_RANGE, after[:16])
        self._journal.resend_after(seq)
        return str(self._journal.sent_seq)


def _hex(crc: Crc32) -> str:
    return "{:04X}{:04X}".format(crc.hi, crc.lo)
