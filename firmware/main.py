"""What the board runs after its start: the firmware in the slot that the file `slot` names.

Two firmwares have room on the board, in the folders a and b. `slot` holds the letter of the one in force and, until it
has been healthy for a minute, the word trial (see loopwatch.slots). Without that file the package on the path runs.
This script is the same for all versions: a firmware promises launch.run() and nothing else. It ends at the REPL only,
and a firmware on trial that cannot even be loaded gives way to the other one.
"""

import os
import sys
import time

ESCAPE_MS = 100  # nothing has been imported yet: Ctrl-C gives the prompt, whatever the firmware is like


def main() -> None:
    """Wait a moment for Ctrl-C, then run the firmware in force."""
    try:
        with open("slot") as file:
            words = file.read().split()
    except OSError:
        words = []
    if words:
        sys.path.insert(0, os.getcwd().rstrip("/") + "/" + words[0])
    time.sleep_ms(ESCAPE_MS)
    try:
        from loopwatch import launch
    except Exception as error:
        give_way(words, error)
    else:
        launch.run()


def give_way(words: list, error: Exception) -> None:
    """Restart with the other slot if this one was on trial; else say what to do, and leave the REPL."""
    sys.print_exception(error)
    with open("crash.txt", "w") as file:
        sys.print_exception(error, file)
    if words[1:] != ["trial"]:
        print("loopwatch: the firmware cannot be loaded; `loopwatch flash` puts it right")
        return
    with open("slot.new", "w") as file:
        file.write("b returned" if words[0] == "a" else "a returned")
    os.rename("slot.new", "slot")
    raise SystemExit


main()
