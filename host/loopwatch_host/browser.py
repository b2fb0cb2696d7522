"""A headless Chromium, driven through its debugging pipe: for pictures, and for tests of the page in a real browser.

It speaks the Chrome DevTools Protocol (chromedevtools.github.io/devtools-protocol), one JSON message at a time, each
ended by a zero byte. It reaches no address but those of this machine. Nothing that a loop depends on needs a browser.
"""

import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Any

from .errors import LoopwatchError

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
ANSWER_TIMEOUT_S = 30.0
LOAD_TIMEOUT_S = 20.0
POLL_S = 0.05

# No sandbox: in a container there is none to be had, and it only ever opens pages of this program. What is not
# this machine is not resolved, so a page that needs the network fails here.
ARGUMENTS = (
    "--headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --hide-scrollbars --no-first-run"
    " --disable-background-networking --disable-component-update --disable-sync --mute-audio --remote-debugging-pipe"
).split()
LOCAL_ONLY = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost"

CHILD_READS_FD, CHILD_WRITES_FD = 3, 4


class BrowserError(LoopwatchError):
    """The browser is not there, or did not do what it was asked."""


def find() -> str | None:
    """Path of a Chromium on this machine, or None."""
    return next((path for path in map(shutil.which, NAMES) if path), None)


class Page:
    """One tab."""

    def __init__(self, browser: "Browser", target: str, session: str) -> None:
        self._browser = browser
        self._target = target
        self._session = session
        self.call("Page.enable")
        self.call("Runtime.enable")

    def call(self, method: str, **parameters: object) -> dict[str, Any]:
        """One command of the protocol; returns its result."""
        return self._browser.call(method, parameters, self._session)

    def close(self) -> None:
        """Close the tab: one that listens to a server keeps one of the six connections to it."""
        self._browser.call("Target.closeTarget", {"targetId": self._target})

    def size(self, width_px: int, height_px: int, scale: float = 1.0, mobile: bool = False) -> None:
        """Set the window's size in CSS pixels, and how many real pixels one of them is."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width_px,
            height=height_px,
            deviceScaleFactor=scale,
            mobile=mobile,
        )

    def prefer(self, scheme: str) -> None:
        """Prefer `dark` or `light` pages."""
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def open(self, url: str) -> None:
        """Load a page and wait until it is there."""
        answer = self.call("Page.navigate", url=url)
        if answer.get("errorText"):
            raise BrowserError(f"the browser cannot open {url}: {answer['errorText']}")
        self.wait("document.readyState === 'complete'", LOAD_TIMEOUT_S)

    def evaluate(self, script: str) -> Any:
        """Value of a JavaScript expression; a promise is waited for."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            raise BrowserError(f"{script[:80]}: {details.get('exception', {}).get('description', details['text'])}")
        return answer["result"].get("value")

    def wait(self, condition: str, timeout_s: float) -> None:
        """Wait until a JavaScript expression is true. Raises BrowserError when it does not become so in time."""
        end_s = time.monotonic() + timeout_s
        while not self.evaluate(f"Boolean({condition})"):
            if time.monotonic() > end_s:
                raise BrowserError(f"{condition} did not become true in {timeout_s:g} s")
            time.sleep(POLL_S)

    def png(self) -> bytes:
        """A picture of what is in the window."""
        return base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])


class Browser:
    """A running browser. Context manager."""

    def __init__(self, arguments: Sequence[str] = ()) -> None:
        self._arguments = arguments
        self._opened = ExitStack()
        self._call_n = 0
        self._received = b""

    def __enter__(self) -> "Browser":
        program = find()
        if program is None:
            raise BrowserError("no Chromium here: install the package chromium, and this works")
        profile = self._opened.enter_context(
            tempfile.TemporaryDirectory(prefix="loopwatch-browser-", ignore_cleanup_errors=True)
        )
        child_reads, self._write_fd = os.pipe()
        self._read_fd, child_writes = os.pipe()

        def place_pipes() -> None:
            # First out of the way: one of the pipes may stand on the other's place.
            reads, writes = os.dup(child_reads), os.dup(child_writes)
            while min(reads, writes) <= CHILD_WRITES_FD:
                reads, writes = os.dup(reads), os.dup(writes)
            os.dup2(reads, CHILD_READS_FD)
            os.dup2(writes, CHILD_WRITES_FD)

        self._process = subprocess.Popen(
            [program, *ARGUMENTS, LOCAL_ONLY, f"--user-data-dir={profile}", *self._arguments, "about:blank"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=place_pipes,
            close_fds=False,
        )
        os.close(child_reads)
        os.close(child_writes)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._write_fd)
        self._process.terminate()
        try:
            self._process.wait(10.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._read_fd)
        self._opened.close()

    def page(self) -> Page:
        """A new tab."""
        target = self.call("Target.createTarget", {"url": "about:blank"})["targetId"]
        attached = self.call("Target.attachToTarget", {"targetId": target, "flatten": True})
        return Page(self, target, attached["sessionId"])

    def call(self, method: str, parameters: dict[str, Any], session: str = "") -> dict[str, Any]:
        """One command of the protocol; returns its result. Raises BrowserError."""
        self._call_n += 1
        message = {"id": self._call_n, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        os.write(self._write_fd, json.dumps(message).encode() + b"\0")
        end_s = time.monotonic() + ANSWER_TIMEOUT_S
        while True:
            answer = self._next(end_s, method)
            if answer.get("id") != self._call_n:
                continue
            if "error" in answer:
                raise BrowserError(f"the browser refused {method}: {answer['error']['message']}")
            result: dict[str, Any] = answer["result"]
            return result

    def _next(self, end_s: float, method: str) -> dict[str, Any]:
        while b"\0" not in self._received:
            if not select.select([self._read_fd], [], [], max(0.0, end_s - time.monotonic()))[0]:
                raise BrowserError(f"no answer of the browser to {method} in {ANSWER_TIMEOUT_S:g} s")
            data = os.read(self._read_fd, 1 << 16)
            if not data:
                raise BrowserError(f"the browser ended before it answered {method}")
            self._received += data
        line, self._received = self._received.split(b"\0", 1)
        message: dict[str, Any] = json.loads(line)
        return message
