"""The bench: a simulated coolant loop, its sensors as chips on a bus, and virtual boards that run the firmware."""
