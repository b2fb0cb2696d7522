"""The `vm` target: the unchanged firmware on a real MicroPython, in lock-step with the bench's virtual time."""

from .target import VmTarget

__all__ = ["VmTarget"]
