"""What the virtual board asks of its bench: one table, read by MicroPython at one end and CPython at the other.

A request is REQUEST_WORDS_N little-endian int64: its code, the board's time in µs since its reset, and
four arguments; I2C_WRITE is followed by the bytes to write. Codes from POSTED up are not answered: they
wait in the stream, with their time, for the next request that is. An answer is ANSWER_WORDS_N int64: the
board's new time in µs, FLAG bits, and a result; a good I2C_READ is followed by the bytes read, HELLO by the
board's id.

So every packet has a size that its reader knows beforehand, and the board can read it into a buffer it
already has.
"""

REQUEST_WORDS_N = 6
ANSWER_WORDS_N = 3
WORD_N = 8  # bytes
ID_N = 8  # bytes

# Answered, and time may pass.
HELLO = 1  # MicroPython's version as major * 100 + minor; the result is the watchdog's REASON register
SYNC = 2  # nothing but the time
SLEEP = 3  # us
POLL = 4  # timeout us (-1: for ever), WANTS_ bits
PIN_READ = 5  # gpio; the result is the level
I2C_WRITE = 6  # address, bytes that follow, memory address, its size in bytes or 0; the result is 0 or an errno
I2C_READ = 7  # address, bytes to read, memory address, size of the memory address in bytes or 0; 0 or an errno
# The board stands still until it is started again.
RESET = 8
SOFT_RESET = 9
END = 10  # main.py is over: by itself, by an exception (printed), or by Ctrl-C

POSTED = 32
PIN_MODE = 32  # gpio, 1 output or 0 input
PIN_WRITE = 33  # gpio, level
I2C_WIRE = 34  # sda gpio, scl gpio, clock in Hz, timeout us
WATCHDOG_START = 35  # timeout us
WATCHDOG_FEED = 36
WATCHDOG_STOP = 37

WANTS_INPUT = 1
WANTS_OUTPUT = 2

FLAG_INTERRUPT = 1  # Ctrl-C has come
FLAG_WRITABLE = 2  # the console takes at least one byte
FLAG_NARROW = 4  # it may not take all: ask before each write

# A call that reads the clock or looks at the console costs this much, so that a busy wait comes to its end.
CALL_US = 10
# After so much of it the board asks, and the world, the watchdog and the console come up to its time.
SYNC_US = 5_000
