"""The pressure-decay leak test: fill, stabilise, test, result, with warmth taken out and an honest interval."""
