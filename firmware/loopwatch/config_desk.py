"""The commands that move a configuration to and from the board, whole or not at all.

BEGin makes room for its bytes (see config), DATA brings them in pieces, COMMit checks the CRC and every value, puts it
on the flash, reads it back and answers; then the board restarts by itself and runs on it. Until it has answered, the
configuration in force stays in force. Pieces are base64, and a piece may come again. Writing makes a sample or two late
on a board that is about to restart: they are counted like any other.
"""

import binascii

from . import scpi
from .config import Config
from .pair import crc_of
from .port import const
from .settings import Settings

CONTENT_MAX_N = const(2_048)
READ_N = const(60)  # bytes of a piece of READ?: 80 characters


class ConfigDesk:
    """settings: where they are kept. stands: says whether a leak alarm stands, which a push must not disturb.

    restart_wanted: a new configuration waits for a restart, as soon as the answer is out.
    """

    def __init__(self, in_force: Config, settings: Settings, stands) -> None:
        self.restart_wanted = False
        self._in_force = in_force
        self._settings = settings
        self._stands = stands
        self._coming: bytearray | None = None
        self._come_n = 0

    def rows(self) -> tuple:
        """Rows of a table of scpi.Commands."""
        return (
            ("CONFigure:FAULt?", self._fault, 0, "what is wrong with the records on the flash; empty when well"),
            (
                "CONFigure:READ?",
                self._read,
                1,
                "the configuration in force from this byte on, base64; empty at its end",
            ),
            ("CONFigure:BEGin", self._begin, 1, "a configuration of so many bytes is to come"),
            ("CONFigure:DATA", self._data, 2, "place and base64 of a piece of it"),
            ("CONFigure:COMMit", self._commit, 1, "CRC in hexadecimal: keep it, and restart"),
            ("CONFigure:FORCe", self._force, 1, "as COMMit, even while a leak alarm stands"),
            ("CONFigure:ABORt", self._abort, 0, "forget what has come of it"),
        )

    def _fault(self) -> str:
        return self._in_force.fault

    def _read(self, place: str) -> str:
        at = number(place)
        return base64(self._in_force.content()[at : at + READ_N])

    def _begin(self, size: str) -> None:
        n = number(size)
        if not 0 < n <= CONTENT_MAX_N:
            raise scpi.ScpiError(scpi.DATA_OUT_OF_RANGE, "1 to {} bytes".format(CONTENT_MAX_N))
        self._coming = bytearray(n)
        self._come_n = 0

    def _data(self, place: str, text: str) -> None:
        coming = self._coming
        if coming is None:
            raise scpi.ScpiError(scpi.EXECUTION_ERROR, "nothing was begun: CONF:BEG first")
        at = number(place)
        try:
            piece = binascii.a2b_base64(text)
        except ValueError:
            raise scpi.ScpiError(scpi.ILLEGAL_PARAMETER, "no base64") from None
        if at > self._come_n or at + len(piece) > len(coming):
            raise scpi.ScpiError(scpi.DATA_OUT_OF_RANGE, "byte {} is next".format(self._come_n))
        coming[at : at + len(piece)] = piece
        self._come_n = max(self._come_n, at + len(piece))

    def _commit(self, crc: str) -> str:
        if self._stands():
            raise scpi.ScpiError(scpi.EXECUTION_ERROR, "a leak alarm stands: reset it, or CONF:FORC")
        return self._force(crc)

    def _force(self, crc: str) -> str:
        coming = self._coming
        if coming is None or self._come_n != len(coming):
            raise scpi.ScpiError(scpi.EXECUTION_ERROR, "byte {} has not come".format(self._come_n))
        found = crc_of(coming)
        words = "{:04X}{:04X}".format(found.hi, found.lo)
        if words != crc.upper():
            raise scpi.ScpiError(scpi.ILLEGAL_PARAMETER, "CRC of what came is " + words)
        try:
            kept = self._settings.save(bytes(coming)).crc()
        except ValueError as error:
            raise scpi.ScpiError(scpi.ILLEGAL_PARAMETER, str(error)) from None
        except OSError as error:
            raise scpi.ScpiError(scpi.SYSTEM_ERROR, "flash: {}; the old one stays".format(error)) from None
        self._coming = None
        self.restart_wanted = True
        return "{:04X}{:04X} is kept; the board restarts now".format(kept.hi, kept.lo)

    def _abort(self) -> None:
        self._coming = None


def number(text: str) -> int:
    """A count or a place, 0 or more. Raises ScpiError."""
    if not text.isdigit() or len(text) > 7:
        raise scpi.ScpiError(scpi.ILLEGAL_PARAMETER, text[:16])
    return int(text)


def base64(data: bytes) -> str:
    """One line of base64."""
    return binascii.b2a_base64(data).decode().strip()
