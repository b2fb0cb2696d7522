"""Programs that run on a board in place of main.py, to measure the firmware from inside."""
