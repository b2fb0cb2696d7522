"""The board's clock seen from the laptop: a counter that wraps becomes a time that does not, and a wall time.

The board sends milliseconds since its start, wrapping at 2**30 (12.4 days). Every line arrives a little late and
never early, so the line with the least delay of the last minute fixes the offset; a minute, so that a crystal
50 ppm off costs 3 ms. Wall times are seconds since 1970. Nothing here reads a clock: times are arguments.
"""

from loopwatch.port import TICKS_PERIOD_MS

WINDOW_S = 30.0  # the minimum is taken over the present and the previous window


def unwrap(t_ms: int, near_ms: int) -> int:
    """The unwrapped time nearest to near_ms whose wrapped form is t_ms: right within 6.2 days of it."""
    half = TICKS_PERIOD_MS // 2
    return near_ms + (t_ms - near_ms + half) % TICKS_PERIOD_MS - half


class BoardClock:
    """One start of the board: unwraps its t_ms and maps them to wall time.

    latest_ms is the newest board time seen. A new start of the board wants a new BoardClock.
    """

    def __init__(self) -> None:
        self.latest_ms = 0
        self._latest_at_s: float | None = None
        self._window_end_s = 0.0
        self._least_s = 0.0
        self._previous_s = 0.0

    @property
    def running(self) -> bool:
        """Whether anything has been observed, so that wall_s has an answer."""
        return self._latest_at_s is not None

    def board_ms(self, t_ms: int, arrival_s: float) -> int:
        """Unwrap a record's t_ms, given when it arrived; a record sent again may be older than the latest."""
        return unwrap(t_ms, self._expected_ms(arrival_s)) if self._latest_at_s is not None else t_ms

    def lag_ms(self, board_ms: int, arrival_s: float) -> int:
        """How far a record is behind what the board's clock should show by now; negative when ahead."""
        return self._expected_ms(arrival_s) - board_ms

    def observe(self, board_ms: int, arrival_s: float) -> None:
        """Take a fresh record (not one sent again) as evidence of the offset between the clocks."""
        offset_s = arrival_s - board_ms / 1000
        if self._latest_at_s is None:
            self._least_s = self._previous_s = offset_s
            self._window_end_s = arrival_s + WINDOW_S
        # A laptop clock set back leaves the window's end far ahead: it ends there.
        elif arrival_s >= self._window_end_s or arrival_s < self._window_end_s - 2 * WINDOW_S:
            self._previous_s = self._least_s if arrival_s < self._window_end_s + WINDOW_S else offset_s
            self._least_s = offset_s
            self._window_end_s = arrival_s + WINDOW_S
        self._least_s = min(self._least_s, offset_s)
        if self._latest_at_s is None or board_ms > self.latest_ms:
            self.latest_ms = board_ms
            self._latest_at_s = arrival_s

    def wall_s(self, board_ms: int) -> float:
        """Wall time of an unwrapped board time; needs one observe() before."""
        return min(self._least_s, self._previous_s) + board_ms / 1000

    def _expected_ms(self, arrival_s: float) -> int:
        since_s = arrival_s - self._latest_at_s if self._latest_at_s is not None else 0.0
        return self.latest_ms + int(max(0.0, since_s) * 1000)
