"""The `pico` target: the official MicroPython on an emulated RP2040, wired to a world and reached through a pty.

The board's I2C is the world's bus, its pins are the world's pins, its USB console is the pty. The world is brought
up to date with every byte on the bus and every TICK_US besides; inputs, cable and reader are looked at
on the same grid, so that what happens does not depend on how the time was cut into steps.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from pathlib import Path

import loopwatch
from loopwatch_host.bench.pty_link import PtyLink
from loopwatch_host.bench.target import Reset, Surroundings, TargetError, VirtualTarget
from loopwatch_host.bench.vm.target import boot_scripts
from loopwatch_host.firmware_build import board_files

from . import flash_image, uf2
from .machine import POWER_ON, SOFTWARE, WATCHDOG, Machine

TICK_US = 10_000
INPUT_GPIOS = (15,)  # the acknowledge button, hardware/pinmap.toml
PATIENCE_S = 10.0
_CAUSES = {POWER_ON: "power", SOFTWARE: "software", WATCHDOG: "watchdog"}


def firmware_flash(*, compiled: bool = True, progress: uf2.Progress | None = None) -> bytearray:
    """Flash of a board with MicroPython and the firmware that is installed here.

    Raises uf2.Uf2Unavailable when the image is not to be had, TargetError when the firmware does not compile.
    """
    flash = flash_image.blank(uf2.find(progress))
    package = Path(loopwatch.__file__).resolve().parent
    try:
        return flash_image.with_files(flash, board_files(package, boot_scripts(None), compiled=compiled))
    except ValueError as error:
        raise TargetError(str(error)) from error


class PicoTarget(VirtualTarget):
    """An emulated Pico in a world. flash: what it boots from, the firmware of this installation when None.

    What the board prints while nobody has the port open is lost, and the board sees a closed port.
    """

    def __init__(
        self,
        world: Surroundings,
        *,
        flash: bytes | bytearray | None = None,
        input_gpios: Iterable[int] = INPUT_GPIOS,
        progress: uf2.Progress | None = None,
    ) -> None:
        super().__init__()
        self._world = world
        self._flash = flash
        self._input_gpios = tuple(input_gpios)
        self._progress = progress
        self._link: PtyLink | None = None
        self._machine: Machine | None = None
        self._off_us = 0
        self._resets: list[Reset] = []
        self._delivered_n = 0
        self._outgoing = bytearray()
        self._sends: list[tuple[int, int, bytes]] = []
        self._send_n = 0
        self._tick_due_us = 0

    @property
    def port(self) -> str:
        return self._pty.port

    @property
    def now_us(self) -> int:
        return self._machine.now_us if self._machine is not None else self._off_us

    @property
    def resets(self) -> list[Reset]:
        return self._resets

    @property
    def delivered_n(self) -> int:
        return self._delivered_n

    @property
    def machine(self) -> Machine:
        """The board that has power now; a power cut ends it and a new one boots from its flash."""
        if self._machine is None:
            raise TargetError("the emulated board has no power: start() it, or give it power_on()")
        return self._machine

    def start(self) -> None:
        if self._link is not None:
            raise TargetError(f"the emulated board at {self.port} runs already")
        if self._flash is None:
            self._flash = firmware_flash(progress=self._progress)
        try:
            self._link = PtyLink()
        except OSError as error:
            raise TargetError(f"no pseudo-terminal for the emulated board ({error}): close some terminals") from error
        self._boot()

    def stop(self) -> None:
        try:
            self.pause()
        finally:
            if self._link is not None:
                self._link.close()

    def send(self, data: bytes, t_s: float | None = None) -> None:
        with self._moving:
            t_us = self.now_us if t_s is None else max(round(t_s * 1e6), self.now_us)
            heapq.heappush(self._sends, (t_us, self._send_n, data))
            self._send_n += 1

    def power_off(self) -> None:
        with self._moving:
            machine = self.machine
            self._off_us = machine.now_us
            for gpio in machine.driven_high():
                self._world.pin_write(gpio, 0, self._off_us)
            self._flash = machine.flash()
            self._machine = None

    def power_on(self) -> None:
        with self._moving:
            if self._machine is not None:
                raise TargetError("the emulated board has power already")
            for chip in self._world.bus.chips.values():
                chip.power_cycle(self._off_us)
            self._resets.append(Reset(self._off_us / 1e6, _CAUSES[POWER_ON]))
            self._boot()

    def press_reset(self) -> None:
        """Pull RUN low for a moment: the board restarts, the sensors keep their power."""
        with self._moving:
            self.machine.press_reset()

    def flash(self) -> bytes:
        """The flash as it is now: boot another target from it, or look in it with flash_image.read_files()."""
        with self._moving:
            return bytes(self._flash or b"") if self._machine is None else self._machine.flash()

    @property
    def _pty(self) -> PtyLink:
        if self._link is None:
            raise TargetError("the emulated board has not been started: start() it first")
        return self._link

    def _boot(self) -> None:
        assert self._flash is not None
        self._machine = machine = Machine(self._flash, self._world.bus, start_us=self._off_us)
        machine.on_pin = self._world.pin_write
        machine.on_reset = self._count_reset
        machine.host.on_data = self._printed
        self._tick()

    def _count_reset(self, cause: int, t_us: int) -> None:
        self._resets.append(Reset(t_us / 1e6, _CAUSES[cause]))

    def _printed(self, data: bytes, t_us: int) -> None:
        self._outgoing += data

    def _run_to(self, t_us: int, patient: bool) -> None:
        while True:
            send_us = self._sends[0][0] if self._sends else t_us
            due_us = min(self._tick_due_us, send_us, t_us)
            self._pass_to(due_us)
            self._hand_over(patient)
            while self._sends and self._sends[0][0] <= due_us:
                data = heapq.heappop(self._sends)[2]
                if self._machine is not None:
                    self._machine.host.send(data)
            if self._tick_due_us <= due_us:
                self._tick()
            if due_us >= t_us:
                return

    def _pass_to(self, t_us: int) -> None:
        if self._machine is None:
            self._off_us = max(self._off_us, t_us)
            return
        try:
            self._machine.run_until(t_us)
        except RuntimeError as error:
            raise TargetError(f"the emulator stopped at {self.now_s:.6f} s: {error}") from error

    def _tick(self) -> None:
        """Bring world, inputs and cable up to now; the grid is that of the bench's clock."""
        machine, world, link = self._machine, self._world, self._pty
        t_us = self.now_us
        self._tick_due_us = (t_us // TICK_US + 1) * TICK_US
        world.advance(t_us)
        received = link.read()
        if machine is None:
            return
        for gpio in self._input_gpios:
            machine.drive(gpio, world.pin_read(gpio, t_us))
        host = machine.host
        host.plugged = world.link_connected
        host.reading = world.link_reading and not self._outgoing
        if host.configured and host.dtr != link.opened:
            host.open_port(link.opened)
        host.send(received)

    def _hand_over(self, patient: bool) -> None:
        """Give the pty what the board has printed; what nobody is there to read is lost, as in a closed port."""
        link = self._pty
        while self._outgoing:
            if not link.opened:
                self._outgoing.clear()
                return
            n = link.write(self._outgoing)
            self._delivered_n += n
            del self._outgoing[:n]
            if self._outgoing and not (patient and link.wait_writable(PATIENCE_S)):
                return
