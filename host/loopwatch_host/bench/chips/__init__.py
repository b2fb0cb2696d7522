"""The chips on the bench's bus, register by register."""

from .ads1115 import ADS1115
from .tmp117 import TMP117

__all__ = ["ADS1115", "TMP117"]
