"""The chips on the sensor bus: one file each, registers in, `*_raw` or OSError out."""
