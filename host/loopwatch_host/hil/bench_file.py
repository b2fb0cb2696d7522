"""bench.toml: what stands on a bench, and who or what can touch it.

A key that nobody reads, or a drive that lacks what it needs, is refused with file, key and reason (UsageError).
Lengths in mm, volumes in mL; a channel not listed is fitted.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..errors import UsageError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class NoDrive(_Strict):
    """Nobody can do it."""

    by: Literal["nobody"] = "nobody"


class PersonDrive(_Strict):
    """A person who is prompted at the terminal."""

    by: Literal["person"]


class SerialRelay(_Strict):
    """A relay that takes a line on a serial port of its own."""

    by: Literal["serial_relay"]
    port: str
    on_line: str
    off_line: str
    baud: int = 9600


class GpioRelay(_Strict):
    """A relay on a GPIO line of this computer, held by libgpiod's `gpioset`."""

    by: Literal["gpio_relay"]
    chip: str
    line: str
    active_low: bool = False


class HubDrive(_Strict):
    """A USB hub with switchable ports, by `uhubctl`."""

    by: Literal["uhubctl"]
    location: str
    port: int


class Valve(_Strict):
    """The leak valve: what drives it, and the hole that it opens."""

    drive: Annotated[NoDrive | PersonDrive | SerialRelay | GpioRelay, Field(discriminator="by")] = NoDrive()
    holes_mm: tuple[Annotated[float, Field(gt=0)], ...] = ()


class Loop(_Strict):
    """The loop that the board is on, as far as a procedure depends on it."""

    gas_ml: Annotated[float, Field(gt=0)] = 150.0
    liquid_ml: Annotated[float, Field(gt=0)] = 2000.0


class RealBench(_Strict):
    """One bench. sensors: who can unplug one. power: who can switch the board's supply."""

    id: Annotated[str, Field(min_length=1)]
    loop: Loop = Loop()
    not_fitted: tuple[str, ...] = ()
    valve: Valve = Valve()
    sensors: Annotated[NoDrive | PersonDrive, Field(discriminator="by")] = NoDrive()
    power: Annotated[NoDrive | PersonDrive | HubDrive, Field(discriminator="by")] = NoDrive()


class BenchFile(_Strict):
    """The whole file: the virtual bench's name, and the real bench."""

    virtual_id: str = "virtual"
    bench: RealBench


def load(path: Path) -> BenchFile:
    """Read a bench file. Raises UsageError."""
    try:
        return BenchFile.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror}): check the path") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: is not TOML: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise UsageError(f"{path}: {key}: {first['msg']}") from None
