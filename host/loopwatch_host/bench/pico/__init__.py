"""The emulated Pico: the official MicroPython image on an emulated RP2040, wired to the bench."""
