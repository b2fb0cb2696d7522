"""The commands that hand over the black boxes, see blackbox."""

from . import scpi
from .blackbox import Blackbox
from .config_desk import READ_N, base64, number


class BoxDesk:
    """Reads the boxes on the flash, also while one is being written."""

    def __init__(self, blackbox: Blackbox) -> None:
        self._blackbox = blackbox

    def rows(self) -> tuple:
        """Rows of a table of scpi.Commands."""
        return (
            ("BLACkbox:LIST?", self._list, 0, "numbers of the boxes on the flash, oldest first"),
            ("BLACkbox:SIZE?", self._size, 1, "bytes of this box, and 1 while it is being written"),
            ("BLACkbox:READ?", self._read, 2, "box and place: its bytes from there on, base64; empty at its end"),
        )

    def _list(self) -> str:
        return " ".join(str(box_n) for box_n in self._blackbox.boxes())

    def _size(self, box: str) -> str:
        try:
            size_n = self._blackbox.size_n(number(box))
        except OSError:
            raise scpi.ScpiError(scpi.DATA_OUT_OF_RANGE, "no box " + box) from None
        return "{},{}".format(size_n, 1 if self._blackbox.writes(number(box)) else 0)

    def _read(self, box: str, place: str) -> str:
        try:
            return base64(self._blackbox.read(number(box), number(place), READ_N))
        except OSError:
            raise scpi.ScpiError(scpi.DATA_OUT_OF_RANGE, "no box " + box) from None
