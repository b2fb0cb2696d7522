"""The bench's bus as the firmware's drivers see it: the calls of machine.I2C, on a virtual clock."""

import errno

from loopwatch.sampler import MEAN_DONE, Sampler
from loopwatch_host.bench.bus import Bus


class I2C:
    """A bus whose clock t_us moves by the time each transfer takes on the wire."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self.t_us = 0

    def writeto(self, address: int, data: bytes) -> None:
        acked, duration_us = self.bus.write(address, bytes(data), self.t_us)
        self.t_us += duration_us
        if not acked:
            raise OSError(errno.EIO)

    def readfrom_into(self, address: int, buffer: bytearray) -> None:
        data, duration_us = self.bus.read(address, len(buffer), self.t_us)
        self.t_us += duration_us
        if data is None:
            raise OSError(errno.EIO)
        buffer[:] = data

    def readfrom_mem_into(self, address: int, register: int, buffer: bytearray) -> None:
        data, duration_us = self.bus.write_then_read(address, bytes([register]), len(buffer), self.t_us)
        self.t_us += duration_us
        if data is None:
            raise OSError(errno.EIO)
        buffer[:] = data

    def wait_until(self, t_us: int) -> None:
        """Let time pass."""
        self.t_us = max(self.t_us, t_us)


class Board:
    """A sampler called whenever it is due, on a clock that has not wrapped; delay_us puts every call off."""

    def __init__(self, sampler: Sampler, i2c: I2C, delay_us: int = 0) -> None:
        self.sampler = sampler
        self._i2c = i2c
        self.delay_us = delay_us
        sampler.start(i2c.t_us // 1000)

    def step(self) -> int:
        """Wait until the sampler is due, and let it do that."""
        self._i2c.wait_until(self.sampler.due_ms * 1000 + self.delay_us)
        return self.sampler.step(self._i2c.t_us // 1000)

    def next_sample(self) -> int:
        """Run until the next sample is done; returns what step() returned for it."""
        for _ in range(100):
            done = self.step()
            if done:
                return done
        raise AssertionError("no sample in a hundred steps")

    def next_mean(self) -> None:
        """Run until the next mean is done."""
        for _ in range(100):
            if self.next_sample() & MEAN_DONE:
                return
        raise AssertionError("no mean in a hundred samples")
