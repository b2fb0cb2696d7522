"""A board at the far end of a pty, byte for byte: what pyserial opens here it could open as a USB port.

It sends lines of wire.Encoder when told to and answers tagged commands by the journal of events that
it keeps. The link itself can be damaged: bytes of any kind, a hang-up, a new port name.
"""

import base64
import contextlib
import os
import pty
import select
import threading
import tty
from pathlib import Path

from loopwatch import records, wire

BOARD_ID = 0xE661A4D417123456


class PtyBoard:
    """A scripted board. Context manager; `port` is a link that follows the pty through replug()."""

    def __init__(self, directory: Path, board_id: int = BOARD_ID, mute: bool = False) -> None:
        self.port = str(directory / "board")
        self.board_id = board_id
        self.mute = mute
        self.commands: list[str] = []
        self.events: dict[int, bytes] = {}
        self.firmware = "0.1.0"
        self.kept_after = 0
        self.run_n = 0
        self.before_seq = 0
        self.boxes: dict[int, bytes] | None = {}
        self.writing: set[int] = set()
        self.config_crc = ""
        self._encoder = wire.Encoder()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._master = self._slave = -1

    def __enter__(self) -> "PtyBoard":
        self._plug(self.port)
        self._thread = threading.Thread(target=self._answer, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(5)
        self._unplug()

    def record(self, letter: str, seq: int, t_ms: int, **values: int | None) -> bytes:
        """The line of one record; fields not given are 0."""
        fields = next(kind[3] for kind in records.KINDS if kind[0] == letter)
        record = wire.Record(letter)
        record.seq, record.t_ms = seq, t_ms
        for i, (name, _) in enumerate(fields):
            value = values.pop(name, 0)
            if value is None:
                record.absent |= 1 << i
            else:
                record.values[i] = value
        assert not values, f"no such fields: {values}"
        with self._lock:
            self._encoder.record(record)
            return bytes(self._encoder.line[: self._encoder.n])

    def send(self, data: bytes) -> None:
        """Put bytes on the wire."""
        os.write(self._master, data)

    def boot(
        self, t_ms: int = 0, protocol_n: int = wire.PROTOCOL_N, crc: tuple[int, int] | None = None, heard: bool = True
    ) -> None:
        """The first line after a start; the journal goes on where the board numbers its starts, else it starts over."""
        ours = wire.protocol_crc()
        hi, lo = crc or (ours.hi, ours.lo)
        if self.run_n:
            self.run_n += 1
            self.before_seq = max(self.events, default=0)
        else:
            self.events.clear()
        if not heard:
            return
        words = {f"board_id_w{i}": self.board_id >> (48 - 16 * i) & 0xFFFF for i in range(4)}
        major, minor, patch = (int(part) for part in self.firmware.split("."))
        self.send(
            self.record(
                "B", 0, t_ms, fw_major_n=major, fw_minor_n=minor, fw_patch_n=patch, protocol_n=protocol_n,
                protocol_crc_hi=hi, protocol_crc_lo=lo, reset_cause_n=1, period_ms=100, run_n=self.run_n,
                before_seq=self.before_seq, **words,
            )
        )  # fmt: skip

    def sample(self, seq: int, t_ms: int, **values: int | None) -> None:
        """One sample of a loop at 1.5 bar and 25 degrees."""
        usual = {"p_static_pa": 150_000, "p_pump_pa": 185_000, "t_source_mdegc": 25_000, "rail_mv": 5_000}
        self.send(self.record("S", seq, t_ms, **{**usual, **values}))

    def event(self, seq: int, t_ms: int, *, lost: bool = False, **values: int) -> None:
        """An event enters the journal and, unless lost, the wire."""
        line = self.events[seq] = self.record("E", seq, t_ms, **{"run_n": self.run_n, **values})
        if not lost:
            self.send(line)

    def heartbeat(self, seq: int, t_ms: int, **values: int) -> None:
        """A heartbeat that announces the journal's latest event."""
        latest = max(self.events, default=0)
        self.send(self.record("H", seq, t_ms, uptime_s=t_ms // 1000, **{"event_seq": latest, **values}))

    def hang_up(self) -> None:
        """Power off: the pty disappears with everything in it."""
        self._unplug()

    def plug_in(self, port: str = "") -> None:
        """Power on again, under the same or another port name."""
        self._plug(port or self.port)

    def _plug(self, port: str) -> None:
        master, self._slave = pty.openpty()
        tty.setraw(self._slave)
        Path(port).unlink(missing_ok=True)
        os.symlink(os.ttyname(self._slave), port)
        self._master = master

    def _unplug(self) -> None:
        if self._master >= 0:
            master, self._master = self._master, -1
            Path(self.port).unlink(missing_ok=True)
            os.close(self._slave)
            os.close(master)

    def _answer(self) -> None:
        line = b""
        while not self._stop.is_set():
            master = self._master
            try:
                if master < 0 or not select.select([master], [], [], 0.05)[0]:
                    self._stop.wait(0.01)
                    continue
                line += os.read(master, 256)
            except (OSError, ValueError):
                line = b""
                continue
            while b"\n" in line:
                command, line = line.split(b"\n", 1)
                with contextlib.suppress(OSError):  # unplugged before the answer was out
                    self._execute(command.decode())

    def _execute(self, command: str) -> None:
        self.commands.append(command)
        tag, _, text = command[1:].partition(" ")
        if self.mute or not command.startswith("@"):
            return
        again: list[int] = []
        if text == "*IDN?":
            reply = f"loopwatch,pico,{self.board_id:016x},{self.firmware}"
        elif text == "SYST:RUN?" and self.run_n:
            reply = f"{self.run_n},{self.before_seq}"
        elif text.startswith("EVEN:RES? "):
            kept_after = max(int(text[10:]), self.kept_after)
            reply = str(kept_after)
            again = [seq for seq in sorted(self.events) if seq > kept_after]
        elif text.startswith("BLAC:") and self.boxes is not None:
            reply = self._of_boxes(*text.replace(",", " ").split())
        elif text == "CONF:CRC?" and self.config_crc:
            reply = self.config_crc
        elif text.startswith(("STR ", "ALAR:ACK ")):
            reply = "OK"
        else:
            reply = '!-113,"Undefined header; ' + text + '"'
        with self._lock:
            self._encoder.reply(int(tag), 0, reply)
            lines = bytes(self._encoder.line[: self._encoder.n])
        self.send(lines + b"".join(self.events[seq] for seq in again))

    def _of_boxes(self, what: str, box: str = "0", place: str = "0") -> str:
        """The answer about the black boxes, by the table of commands of firmware/loopwatch/box_desk.py."""
        boxes, box_n = self.boxes or {}, int(box)
        if what == "BLAC:LIST?":
            return " ".join(str(n) for n in sorted(boxes)) or "OK"
        if box_n not in boxes:
            return f'!-222,"Data out of range; no box {box}"'
        if what == "BLAC:SIZE?":
            return f"{len(boxes[box_n])},{int(box_n in self.writing)}"
        return base64.b64encode(boxes[box_n][int(place) : int(place) + 60]).decode() or "OK"
