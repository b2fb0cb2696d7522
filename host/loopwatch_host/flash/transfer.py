"""Carrying out a plan at the board's prompt, in an order that may end anywhere.

    1  a slot on trial gives way to the other one
    2  the slot to be written loses its mark of being whole, and what is not in the firmware
    3  files are copied and sent into it
    4  every file of it is hashed on the board
    5  the mark is put back
    6  the pointer changes: from here on the next start is with the new firmware
    7  main.py and boot.py, which are the same for all versions, are replaced if they differ
    8  what an older layout has left is removed

Before 6 a start finds the old firmware, after it the new one. A board from before there were slots changes over in 7:
its own main.py does not know the pointer.
"""

from __future__ import annotations

from collections.abc import Callable

from loopwatch import slots

from . import board
from .board import Pointer
from .plan import Plan, digest
from .prompt import FlashError, Prompt

# What is being done, and how far: bytes done, of.
Progress = Callable[[str, int, int], None]


def carry_out(prompt: Prompt, plan: Plan, firmware_name: str, progress: Progress) -> None:
    """Change the board; firmware_name is left in the slot for people. Raises FlashError."""
    if plan.park is not None:
        board.point(prompt, plan.park)
    if plan.fills_slot:
        _fill(prompt, plan, progress)
        _verify(prompt, plan, progress)
        mark = f"{plan.slot}/{slots.COMPLETE}"
        board.replace(prompt, mark, firmware_name.encode())
    if plan.switch is not None:
        board.point(prompt, plan.switch)
    for name, data in plan.scripts.items():
        _replace_script(prompt, name, data)
    board.drop(prompt, *plan.stale)


def roll_back(prompt: Prompt, found: board.Contents) -> Pointer:
    """Put the other slot in force, on trial; returns the new pointer. Raises FlashError when nothing whole is in it."""
    pointer = Pointer(board.spare_slot(found), slots.TRIAL)
    board.point(prompt, pointer)
    return pointer


def _fill(prompt: Prompt, plan: Plan, progress: Progress) -> None:
    board.drop(prompt, *plan.remove)
    for i, (path, source) in enumerate(plan.copy.items()):
        progress("copying on the board", i, len(plan.copy))
        board.copy(prompt, source, board.in_slot(plan.slot, path))
    total_n = sum(len(data) for data in plan.send.values())
    sent_n = 0
    for path, data in plan.send.items():
        for piece_n in board.write(prompt, board.in_slot(plan.slot, path), data):
            sent_n += piece_n
            progress("sending", sent_n, total_n)


def _verify(prompt: Prompt, plan: Plan, progress: Progress) -> None:
    progress("verifying", 0, len(plan.digests))
    for i, (path, found) in enumerate(board.digests(prompt, plan.digests), 1):
        if found != plan.digests[path]:
            raise FlashError(
                f"{path} is not on the board as it was sent (worn or failing flash, or a bad cable?): flash it again;"
                " the firmware before is still in force"
            )
        progress("verifying", i, len(plan.digests))


def _replace_script(prompt: Prompt, name: str, data: bytes) -> None:
    new = f"{name}.new"
    for _ in board.write(prompt, new, data):
        pass
    if dict(board.digests(prompt, [new])) != {new: digest(data)}:
        raise FlashError(f"{name} is not on the board as it was sent: flash it again")
    prompt.run(f"os.rename({new!r}, {name!r})")
