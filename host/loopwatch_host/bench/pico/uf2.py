"""MicroPython for the Pico: the one version the bench runs, where it comes from, and its check.

The image is kept in the user's cache and fetched from micropython.org when it is not there. Nothing
unchecked is ever used: a file is believed only after its SHA-256 has been compared, and appears under
its name whole or not at all.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from loopwatch_host.errors import NoBoard

MICROPYTHON_VERSION = "1.26.1"
NAME = f"RPI_PICO-20250911-v{MICROPYTHON_VERSION}.uf2"
URL = f"https://micropython.org/resources/firmware/{NAME}"
SHA256 = "fc2a8096e0d999d3caca11b34381854599d68aee3e905d3cccbd5247ca78d07c"

CACHE_VARIABLE = "LOOPWATCH_CACHE"
DOWNLOAD_TIMEOUT_S = 20.0
_BLOCK_N = 65_536

Progress = Callable[[int, int], None]


class Uf2Unavailable(NoBoard):
    """The image is neither in the cache nor to be had; str() says why and what to do."""


def cache_dir() -> Path:
    """Where images are kept: $LOOPWATCH_CACHE, else the system's place for caches."""
    given = os.environ.get(CACHE_VARIABLE)
    if given:
        return Path(given)
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA")
        return (Path(base) if base else Path.home() / "AppData" / "Local") / "loopwatch" / "Cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "loopwatch"
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "loopwatch"


def find(progress: Progress | None = None, *, download: bool = True, url: str = URL) -> Path:
    """Path of the checked image; raises Uf2Unavailable.

    progress is called with (bytes received, bytes in all or 0 when unknown) during a download.
    """
    path = cache_dir() / NAME
    damaged = ""
    if path.exists():
        if sha256_of(path) == SHA256:
            return path
        damaged = f"{path} is not the published image (wrong SHA-256); "
    if not download:
        raise Uf2Unavailable(f"{damaged}no MicroPython image at {path}: put {NAME} there, from {url}")
    try:
        _fetch(url, path, progress)
    except (OSError, ValueError) as error:
        raise Uf2Unavailable(
            f"{damaged}no MicroPython image at {path} and it could not be fetched from {url} ({error}): "
            f"connect to the network once, or put {NAME} there by hand"
        ) from error
    return path


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_N):
            digest.update(block)
    return digest.hexdigest()


def _fetch(url: str, path: Path, progress: Progress | None) -> None:
    """Download to a neighbour of path, check it, then move it into place; ValueError on a wrong hash."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, part_name = tempfile.mkstemp(prefix=NAME, suffix=".part", dir=path.parent)
    part = Path(part_name)
    try:
        with os.fdopen(handle, "wb") as file, urllib.request.urlopen(url, timeout=DOWNLOAD_TIMEOUT_S) as answer:
            total_n = int(answer.headers.get("Content-Length") or 0)
            received_n = 0
            while block := answer.read(_BLOCK_N):
                file.write(block)
                received_n += len(block)
                if progress is not None:
                    progress(received_n, total_n)
        digest = sha256_of(part)
        if digest != SHA256:
            raise ValueError(f"what arrived has SHA-256 {digest}, not the published {SHA256}")
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
