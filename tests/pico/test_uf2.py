"""Where MicroPython's image comes from: nothing unchecked is used, and what is missing is said."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from loopwatch_host.bench.pico import uf2

IMAGE = b"the published image" * 10_000


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A directory, and the address under which its files are served."""
    served = tmp_path / "served"
    served.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(served))) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        yield served, f"http://127.0.0.1:{http.server_port}/{uf2.NAME}"
        http.shutdown()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(uf2.CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setattr(uf2, "SHA256", hashlib.sha256(IMAGE).hexdigest())
    return tmp_path / "cache"


def test_an_image_in_the_cache_is_used_without_a_network(cache: Path) -> None:
    cache.mkdir()
    (cache / uf2.NAME).write_bytes(IMAGE)
    assert uf2.find(download=False) == cache / uf2.NAME


def test_a_missing_image_is_fetched_with_progress_and_kept(cache: Path, server: tuple[Path, str]) -> None:
    served, url = server
    (served / uf2.NAME).write_bytes(IMAGE)
    steps: list[tuple[int, int]] = []
    path = uf2.find(lambda done_n, all_n: steps.append((done_n, all_n)), url=url)
    assert path.read_bytes() == IMAGE
    assert steps[-1] == (len(IMAGE), len(IMAGE))
    assert [done_n for done_n, _ in steps] == sorted(done_n for done_n, _ in steps)
    assert uf2.find(download=False) == path


@pytest.mark.parametrize("arrived", [IMAGE[:-1], b"", b"<html>not here</html>"])
def test_what_is_not_the_image_is_never_kept(cache: Path, server: tuple[Path, str], arrived: bytes) -> None:
    served, url = server
    (served / uf2.NAME).write_bytes(arrived)
    with pytest.raises(uf2.Uf2Unavailable, match="not the published"):
        uf2.find(url=url)
    assert list(cache.iterdir()) == []


def test_a_damaged_image_in_the_cache_is_replaced(cache: Path, server: tuple[Path, str]) -> None:
    served, url = server
    (served / uf2.NAME).write_bytes(IMAGE)
    cache.mkdir()
    (cache / uf2.NAME).write_bytes(IMAGE[:100])
    assert uf2.find(url=url).read_bytes() == IMAGE


def test_without_cache_and_network_it_is_said_what_to_do(cache: Path) -> None:
    with pytest.raises(uf2.Uf2Unavailable) as missing:
        uf2.find(url="http://127.0.0.1:9/nobody.uf2")
    assert str(cache / uf2.NAME) in str(missing.value)
    assert "put" in str(missing.value)
    assert missing.value.exit_code == 3


def test_a_damaged_image_and_no_network_names_the_damage(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.mkdir()
    (cache / uf2.NAME).write_bytes(b"half")
    with pytest.raises(uf2.Uf2Unavailable, match="wrong SHA-256"):
        uf2.find(download=False)


@pytest.mark.parametrize(
    ("platform", "variable", "expected"),
    [
        ("linux", "XDG_CACHE_HOME", "{}/loopwatch"),
        ("win32", "LOCALAPPDATA", "{}/loopwatch/Cache"),
    ],
)
def test_the_cache_is_where_the_system_keeps_caches(
    platform: str, variable: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(uf2.CACHE_VARIABLE)
    monkeypatch.setattr("sys.platform", platform)
    monkeypatch.setenv(variable, str(tmp_path))
    assert uf2.cache_dir() == Path(expected.format(tmp_path))


def test_the_address_names_the_pinned_version() -> None:
    assert uf2.URL.startswith("https://micropython.org/resources/firmware/RPI_PICO-")
    assert uf2.MICROPYTHON_VERSION in uf2.URL
