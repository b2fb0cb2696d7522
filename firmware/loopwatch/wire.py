"""The lines between board and laptop, all derived from the table of records.

A record is one printable line of integers,

    $S,1041,104100,151300,186200,24812,23953,23906,5021,0,0*6C1B09D2

`$`, the letter of its kind, `seq` (counts the records of that kind, so a gap tells what was lost),
`t_ms` (board time, wrapping at 2**30), the fields of records.KINDS in order, `*` and the CRC-32 of everything
between `$` and `*` in hexadecimal. Carriage returns between lines mean nothing: they fill the cable's packets (see
link). An empty field has no value. Lines that do not start with `$` are text for people: replies to bare SCPI, the
REPL, a traceback.

The board only encodes: nothing is allocated after __init__ and nothing blocks. The laptop decodes
with the same file: bad lines are counted and skipped at the next newline, unknown
kinds and extra trailing fields are ignored, missing trailing fields have no value, so that both ends
may be one version apart.
"""

from array import array

from .kernels import crc32, put_end, put_record
from .port import const

PROTOCOL_N = const(2)
LINE_MAX_N = const(120)
SEQ_MASK = const((1 << 30) - 1)

REPLY_LETTER = "R"  # $R,<id>,<t_ms>,<text>: the answer to a command sent as "@<id> <command>"

_DOLLAR = const(36)
_STAR = const(42)
_COMMA = const(44)
_NEWLINE = const(10)
_QUESTION = const(63)


def _crc_table() -> array:
    """CRC-32 (IEEE 802.3, reflected 0xEDB88320) of every byte: 256 upper halves, then 256 lower."""
    table = array("H", bytes(1024))
    for byte in range(256):
        hi, lo = 0, byte
        for _ in range(8):
            carry = lo & 1
            lo = (lo >> 1) | ((hi & 1) << 15)
            hi >>= 1
            if carry:
                hi ^= 0xEDB8
                lo ^= 0x8320
        table[byte] = hi
        table[256 + byte] = lo
    return table


_CRC_TABLE = _crc_table()


class Crc32:
    """CRC-32 of a run of bytes, as two 16-bit halves; allocates nothing after __init__."""

    def __init__(self) -> None:
        self.hi = 0
        self.lo = 0
        self._halves = array("H", bytes(4))

    def of(self, data, start: int, stop: int) -> None:
        """Set hi and lo to the CRC of data[start:stop]."""
        crc32(data, start, stop, _CRC_TABLE, self._halves)
        self.hi = self._halves[0]
        self.lo = self._halves[1]


def protocol_crc() -> Crc32:
    """CRC-32 over the letters and field names of records.KINDS: two ends that agree on it understand each other."""
    from .records import KINDS

    names = ";".join(kind[0] + "," + ",".join(field[0] for field in kind[3]) for kind in KINDS).encode()
    crc = Crc32()
    crc.of(names, 0, len(names))
    return crc


class Record:
    """The values of one outgoing record of a kind of records.KINDS.

    values: int32 per field in table order. absent: bit i set means that field i has no value.
    """

    def __init__(self, letter: str) -> None:
        # Here and not above: whoever has made all its records gives the table's memory back, see launch.
        from .records import KINDS

        for kind in KINDS:
            if kind[0] == letter:
                self.letter = ord(letter)
                self.field_n = len(kind[3])
                self.values = array("i", bytes(4 * self.field_n))
                self.absent = 0
                self.seq = 0
                self.t_ms = 0
                return
        raise ValueError("no record kind " + letter + " in records.KINDS")


class Encoder:
    """Makes lines of records in one buffer: line[0:n] is the latest, with its newline."""

    def __init__(self) -> None:
        # A record of more than LINE_MAX_N would be a fault of the table; the room beyond makes it visible.
        self.line = bytearray(2 * LINE_MAX_N)
        self.n = 0
        self._crc = array("H", bytes(4))
        self._no_values = array("i")

    def record(self, record: Record) -> int:
        """Encode a record; returns the length of the line."""
        n = put_record(self.line, record.letter, record.seq, record.t_ms, record.values, record.field_n, record.absent)
        return self._end(n)

    def reply(self, reply_id: int, t_ms: int, text: str) -> int:
        """Encode the answer to a tagged command; text beyond the line's limit is cut.

        Not on the sample's path: encoding the text allocates.
        """
        line = self.line
        n = put_record(line, ord(REPLY_LETTER), reply_id, t_ms, self._no_values, 0, 0)
        line[n] = _COMMA
        n += 1
        for byte in text.encode():
            if n >= LINE_MAX_N - 10:
                break
            line[n] = byte if 32 <= byte < 127 and byte != _STAR and byte != _DOLLAR else _QUESTION
            n += 1
        return self._end(n)

    def _end(self, n: int) -> int:
        crc32(self.line, 1, n, _CRC_TABLE, self._crc)
        self.n = put_end(self.line, n, self._crc)
        return self.n


class Message:
    """A decoded record: its kind's name, seq, t_ms (as on the board, wrapping), and values by field name.

    A field without a value is None. A reply has its text and no values.
    """

    def __init__(self, name: str, seq: int, t_ms: int, values: dict, text: str = "") -> None:
        self.name = name
        self.seq = seq
        self.t_ms = t_ms
        self.values = values
        self.text = text

    def __repr__(self) -> str:
        return "Message({}, seq={}, t_ms={}, {})".format(self.name, self.seq, self.t_ms, self.text or self.values)


class Decoder:
    """Turns bytes, in pieces of any size, into messages and text lines.

    Counts what it could not use: bad_n lines whose CRC, numbers or length are wrong, unknown_n
    whole records of a kind that this version does not know.
    """

    def __init__(self) -> None:
        from .records import KINDS

        self.bad_n = 0
        self.unknown_n = 0
        self._kinds = KINDS
        self._line = bytearray()
        self._overlong = False
        self._crc = Crc32()

    def feed(self, data: bytes) -> list:
        """Take received bytes; returns what they complete: Message for records, str for text lines."""
        done = []
        for byte in data:
            if byte == _NEWLINE:
                item = self._take()
                if item is not None:
                    done.append(item)
            elif len(self._line) < 2 * LINE_MAX_N:
                self._line.append(byte)
            else:
                self._overlong = True
        return done

    def _take(self):
        line = bytes(self._line).strip(b"\r \x00")
        self._line = bytearray()
        overlong, self._overlong = self._overlong, False
        # A record may follow the rest of a broken line: the last "$" starts it.
        start = line.rfind(b"$")
        star = line.rfind(b"*")
        if overlong or (start > 0 and star > start):
            self.bad_n += 1
        if overlong:
            return None
        if start < 0:
            return line.decode("utf-8", "replace") if line else None
        if star < start or len(line) - star != 9:
            if start == 0:
                self.bad_n += 1
                return None
            return line.decode("utf-8", "replace")
        return self._record(line[start:], star - start)

    def _record(self, line: bytes, star: int):
        self._crc.of(line, 1, star)
        try:
            sent = int(line[star + 1 :].decode(), 16)
            if sent != (self._crc.hi << 16 | self._crc.lo):
                raise ValueError("CRC")
            parts = line[1:star].decode().split(",", 3)
            seq = int(parts[1])
            t_ms = int(parts[2])
            rest = parts[3] if len(parts) > 3 else ""
            if parts[0] == REPLY_LETTER:
                return Message("reply", seq, t_ms, {}, rest)
            for kind in self._kinds:
                if kind[0] == parts[0]:
                    words = rest.split(",")
                    values = {}
                    for i, field in enumerate(kind[3]):
                        values[field[0]] = int(words[i]) if i < len(words) and words[i] else None
                    return Message(kind[1], seq, t_ms, values)
        except (ValueError, IndexError):
            self.bad_n += 1
            return None
        self.unknown_n += 1
        return None
