"""Putting the firmware on a board, so that a cable pulled at any moment leaves the old or the new one, never a mix."""
