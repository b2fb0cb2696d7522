"""Puts the firmware into the wheel: as the package `loopwatch`, and as the files that are flashed.

An editable install gets nothing from here: it finds the firmware on the path, in the checkout.
"""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

# Scripts that MicroPython runs at boot. They are no modules of the laptop's, so they travel as data.
BOOT_SCRIPTS = ("boot.py", "main.py")


class FirmwareInWheel(BuildHookInterface):
    """Adds ../firmware to a standard wheel."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Map the firmware's files to their places in the wheel.

        Raises FileNotFoundError where host/ was taken out of its checkout.
        """
        if version != "standard":
            return
        firmware = Path(self.root).parent / "firmware"
        if not (firmware / "loopwatch" / "__init__.py").is_file():
            raise FileNotFoundError(f"no firmware in {firmware}: build the wheel inside a checkout, beside firmware/")
        included = build_data["force_include"]
        for path in sorted((firmware / "loopwatch").rglob("*.py")):
            included[str(path)] = path.relative_to(firmware).as_posix()
        for name in BOOT_SCRIPTS:
            if (firmware / name).is_file():
                included[str(firmware / name)] = f"loopwatch_host/board/{name}"
