"""What the board runs after its boot: the watch."""

from loopwatch.app import App
from loopwatch.boards.pico import Board
from loopwatch.config import Config

App(Board(), Config()).run()
