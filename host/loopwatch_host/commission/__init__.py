"""Commissioning: a loop's own leak-free log becomes the settings of its detector."""
