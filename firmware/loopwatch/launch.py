"""From main.py to the watch, and back after a crash: what every start of the board goes through.

    found at the start                                        what happens
    the escape pin held low                                   the REPL, nothing is started
    the watchdog has restarted the board                      counted as a crash, then as below
    three crashes in a row, firmware on trial, other whole    the other firmware is put in force, restart
    three crashes in a row                                    safe mode
    otherwise                                                 the watch; an exception out of it is kept, restart

Switching the board off and on gives a firmware in safe mode one more try. Ctrl-C ends everything at the REPL with
the watchdog off.
"""

import sys

from . import slots
from .boards.pico import RESET_POWER_ON, RESET_WATCHDOG, Board, escape_held
from .crash import Crashes, last_words, traceback_of
from .port import collect_every, const, sleep_ms
from .ring import RING_N

LOADING_MS = const(8_000)  # for the imports; the chip's longest is 8388
LOADING_N = const(16_384)
PARTING_MS = const(1_000)  # for the traceback to leave, and for Ctrl-C to be heard, before a restart

RETURNED_WORDS = "new firmware failed, the old one is back: "


def run() -> None:
    """Run the firmware; returns when the REPL is wanted."""
    if escape_held():
        print("loopwatch: not started, the escape pin is held low")
        return
    board = Board()
    try:
        _run(board)
    except KeyboardInterrupt:
        board.safe()
    # Anything else that comes out of _run leaves the watchdog on, which restarts the board.
    board.stop_watchdog()


def _run(board: Board) -> None:
    crashes = Crashes()
    pointer = slots.Slots()
    if board.reset_cause_n == RESET_POWER_ON:
        crashes.try_once_more()
    elif board.reset_cause_n == RESET_WATCHDOG and not crashes.many():
        crashes.note("Hang: the firmware stopped, and the watchdog restarted the board\n")
    board.start_watchdog(LOADING_MS)
    if not crashes.many():
        try:
            _watch(board, crashes, pointer)
            return
        except Exception as error:
            board.safe()
            text = _words_of(error)
        crashes.note(text)
        print(text)
        _restart(board)
    if pointer.give_back():
        crashes.forget()
        _restart(board)
    from .safe_mode import SafeMode

    SafeMode(board, "{} crashes in a row, the last: {}".format(crashes.in_a_row_n, last_words())).run()


def _watch(board: Board, crashes: Crashes, pointer: slots.Slots) -> None:
    ring = bytearray(RING_N)
    # What loading a module leaves behind would scatter the next ones over the heap.
    collect_every(LOADING_N)
    # Imported here, because that a module cannot be loaded is a crash like any other.
    from . import scpi
    from .app import App
    from .settings import Settings

    def healthy() -> None:
        crashes.forget()
        pointer.confirm()

    config = Settings().load()
    _forget("parameters")
    app = App(board, config, healthy, ring)
    _forget("records")
    collect_every(-1)
    if pointer.state == slots.RETURNED:
        why = RETURNED_WORDS + last_words()
        app.telemetry.text("loopwatch: " + why)
        app.desk.note(scpi.SYSTEM_ERROR, why)
    if app.run():
        _restart(board)


def _forget(module: str) -> None:
    """Give back the 4 KB that a table takes when all that is made from it is there: see config and wire."""
    package = sys.modules["loopwatch"]
    if sys.modules.pop(package.__name__ + "." + module, None) is not None:
        delattr(package, module)


def _words_of(error: Exception) -> str:
    """The traceback, or what fits when the crash has left no memory for it."""
    try:
        return traceback_of(error)
    except MemoryError:
        return type(error).__name__ + "\n"


def _restart(board: Board) -> None:
    board.feed()
    sleep_ms(PARTING_MS)
    board.reset()
