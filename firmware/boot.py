"""Runs first after a reset, and does nothing: everything begins in main.py.

It is here so that a boot.py of another program, which may disable Ctrl-C or take the port, is no longer on the board.
"""
