"""`loopwatch web` under way, and what a program that is no browser can ask it."""

import http.client
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

COMMAND = [sys.executable, "-c", "from loopwatch_host.cli import main; main()", "web"]
START_TIMEOUT_S = 30.0


class Served:
    """A page of a virtual board that runs the demo. Context manager."""

    def __init__(self, folder: Path, *arguments: str, speed: float = 8.0) -> None:
        self.folder = folder
        self._output = (folder / "web.txt").open("w+")
        board = ("--target", "vm", "--speed", f"{speed:g}", "--port", "0", "--db", str(folder / "log.db"))
        self.process = subprocess.Popen(
            [*COMMAND, *board, *arguments],
            stdout=self._output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONUNBUFFERED": "1"},
        )
        self.address = self._address()
        self.port = int(re.findall(r":(\d+)/", self.address)[0])
        self.host = f"127.0.0.1:{self.port}"

    def __enter__(self) -> "Served":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._output.close()

    def stop(self) -> None:
        """End it as Ctrl-C does; safe to call twice."""
        self.process.terminate()
        self.process.wait(20)

    def text(self) -> str:
        """All that was printed so far."""
        return Path(self._output.name).read_text()

    def ask(
        self, path: str, body: object = None, method: str = "", headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        """One request; returns status, headers (lower case) and body. A body makes it a POST."""
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        data = None if body is None else json.dumps(body)
        link.request(method or ("GET" if body is None else "POST"), path, data, {"Host": self.host, **(headers or {})})
        answer = link.getresponse()
        result = answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        link.close()
        return result

    def token(self) -> str:
        """The token that the page carries."""
        _, _, page = self.ask("/")
        return str(re.findall(r'"token": "([\w-]+)"', page.decode())[0])

    def state(self) -> dict[str, Any]:
        """The first frame's state, as a page that opens now gets it."""
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        link.request("GET", "/api/stream", headers={"Host": self.host})
        line = link.getresponse().readline()
        link.close()
        state: dict[str, Any] = json.loads(line.removeprefix(b"data: "))["state"]
        return state

    def alarm(self, name: str) -> dict[str, Any]:
        """An alarm as the page has it now; empty when it is normal."""
        return next((row for row in self.state()["alarms"] if row["name"] == name), {})

    def until_alarm(self, name: str, state: str | None, timeout_s: float = 30.0) -> None:
        """Wait until the board's alarm of this name is in this state; None is the normal one."""
        end_s = time.monotonic() + timeout_s
        while self.alarm(name).get("state") != state:
            assert time.monotonic() < end_s, self.state()["alarms"]
            time.sleep(0.1)

    def _address(self) -> str:
        end_s = time.monotonic() + START_TIMEOUT_S
        while not (found := re.findall(r"http://\S+", self.text())):
            assert time.monotonic() < end_s, self.text()
            assert self.process.poll() is None, self.text()
            time.sleep(0.05)
        return found[0]
