"""The board's end of the lock-step: a clock that only the bench moves, and requests to it.

Nothing is allocated after __init__, so that the firmware's own allocations can be measured. That includes frames:
one of more than eleven words (arguments, locals and the deepest expression) would come from the heap.
"""

from array import array

from _requests import (
    ANSWER_WORDS_N,
    CALL_US,
    FLAG_INTERRUPT,
    HELLO,
    ID_N,
    REQUEST_WORDS_N,
    SLEEP,
    SYNC,
    SYNC_US,
    WORD_N,
)


class Gone(BaseException):
    """The bench has gone: no firmware may go on without it."""


class Bench:
    """The other end of the socket fd.

    now_us: the board's time since its reset. request: the words of the next one, see _requests; fill in the
    code and the arguments, then send().
    """

    def __init__(self, fd: int) -> None:
        self.now_us = 0
        self.flags = 0
        self.result = 0
        self._sync_us = SYNC_US
        # Reading an item of array("q") would allocate. A long has 64 bits too wherever MicroPython itself has.
        self.request = array("l", [0] * REQUEST_WORDS_N)
        self._answer = array("l", [0] * ANSWER_WORDS_N)
        if len(bytes(self.request)) != REQUEST_WORDS_N * WORD_N:
            raise OSError("the vm target needs a 64-bit MicroPython")
        # One object for both ways: MicroPython closes the descriptor when it collects one of two.
        self._file = open(fd, "r+b")

    def hello(self, version: int) -> tuple:
        """Report for duty; returns the watchdog's REASON and the board's id."""
        board_id = bytearray(ID_N)
        self.post(HELLO, version, 0)
        self.answer()
        self.read(board_id)
        return self.result, bytes(board_id)

    def send(self) -> None:
        """Send the request, with the time."""
        request = self.request
        request[1] = self.now_us
        self._file.write(request)

    def post(self, code: int, a: int, b: int) -> None:
        """Send a request of two arguments."""
        request = self.request
        request[0] = code
        request[2] = a
        request[3] = b
        self.send()

    def write(self, data) -> None:
        """Send the bytes that a request is followed by."""
        self._file.write(data)

    def read(self, data) -> None:
        """Fill data with the bytes that an answer is followed by."""
        if self._file.readinto(data) != len(data):
            raise Gone

    def answer(self) -> int:
        """Wait for the answer; returns its result, KeyboardInterrupt if Ctrl-C came meanwhile."""
        answer = self._answer
        if self._file.readinto(answer) != ANSWER_WORDS_N * WORD_N:
            raise Gone
        self.now_us = answer[0]
        self._sync_us = answer[0] + SYNC_US
        self.flags = answer[1]
        self.result = answer[2]
        if answer[1] & FLAG_INTERRUPT:
            raise KeyboardInterrupt
        return answer[2]

    def call(self) -> int:
        """Let a call's small time pass; returns the board's time in µs."""
        now_us = self.now_us + CALL_US
        self.now_us = now_us
        if now_us >= self._sync_us:
            self.post(SYNC, 0, 0)
            self.answer()
        return self.now_us

    def sleep(self, delay_us: int) -> None:
        """Let time pass; no less than a call takes."""
        if delay_us <= CALL_US:
            self.call()
        else:
            self.post(SLEEP, delay_us, 0)
            self.answer()


bench = None  # set by _board before anything else is imported
reset_reason = 0
board_id = b""
