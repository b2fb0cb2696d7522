"""What the chip does around the firmware: start, run boot.py and main.py, say how they ended.

Arguments: the number of the bench's socket, the folders that hold modules (joined by newlines), and the scripts
to run, in order. Only the bench starts this.
"""

import gc
import sys

# Modules come as source here: what compiling them leaves behind would scatter the firmware all over the heap.
COLLECT_EVERY_N = 16_384


def _start() -> list:
    """Set the board up as it is after a reset; returns the scripts to run."""
    fd, folders, *scripts = sys.argv[1:]
    shims = sys.path[0]
    sys.argv[:] = []
    # As on the board: the flash's root, then what is frozen. The shims stand before the built-in modules.
    sys.path[:] = [shims] + folders.split("\n") + ["", ".frozen"]
    import _lockstep

    version = sys.implementation.version
    gc.threshold(COLLECT_EVERY_N)
    _lockstep.bench = _lockstep.Bench(int(fd))
    _lockstep.reset_reason, _lockstep.board_id = _lockstep.bench.hello(version[0] * 100 + version[1])
    return scripts


def _run(scripts: list) -> int:
    """Run the scripts until one does not end well; returns the request that tells how it went."""
    import _requests

    try:
        for script in scripts:
            execfile(script, {"__name__": "__main__"})  # noqa: F821 - MicroPython has it
    except SystemExit:
        return _requests.SOFT_RESET
    except BaseException as error:
        sys.print_exception(error)
    return _requests.END


def _finish(code: int) -> None:
    """Tell the bench, and stand still until it ends this process."""
    from _lockstep import bench

    bench.post(code, 0, 0)
    bench.answer()


_finish(_run(_start()))
