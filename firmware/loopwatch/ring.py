"""How much memory the black box's ring takes, for whoever takes it before the code comes in.

Once all modules are loaded no piece of this size is left between them, though five times as much is free.
"""

from .port import const

RING_N = const(12_800)  # blackbox: 640 samples of 20 bytes
