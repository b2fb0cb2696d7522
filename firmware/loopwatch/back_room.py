"""The desks that are seldom asked: loaded at the first question, because their code takes 5 KB of memory."""

from .blackbox import Blackbox
from .config import Config


class BackRoom:
    """The configuration's desk and the black box's. stands: see config_desk."""

    def __init__(self, in_force: Config, stands, blackbox: Blackbox) -> None:
        self._in_force = in_force
        self._stands = stands
        self._blackbox = blackbox
        self._loaded: list = []

    @property
    def restart_wanted(self) -> bool:
        """Whether a new configuration waits for a restart."""
        return any(desk.restart_wanted for desk in self._loaded)

    def rows(self) -> tuple:
        """Rows of a table of scpi.Commands."""
        from .box_desk import BoxDesk
        from .config_desk import ConfigDesk
        from .settings import Settings

        desk = ConfigDesk(self._in_force, Settings(), self._stands)
        self._loaded.append(desk)
        return desk.rows() + BoxDesk(self._blackbox).rows()
