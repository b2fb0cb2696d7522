"""The boards that the firmware runs on: one file each, and the only ones that know the hardware."""
