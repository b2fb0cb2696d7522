"""Strip charts of the last minutes: gaps stay open, the time goes on when the board is silent.

Every line ends in its letter, so that no colour is needed to tell them apart. When what is known is old, the lines turn
grey and the title says so. The inventory's chart has its baseline, and dashed and named the level at which each class
of leak alarms now.
"""

from textual_plotext import PlotextPlot

from ..desk.channels import RESIDUAL, Chart
from ..desk.loop import Loop
from .style import BASE_RGB, LEVEL_RGB, LINE_RGB, OLD_RGB

LEAST_SPAN = {"bar": 0.01, "°C": 1.0, "mL": 1.0}  # so that noise on a steady loop does not fill the chart
CHART_LINES_N = 9  # of a chart that can be read
TICK_N = 4
AXIS_N = 9  # columns of a chart that are its axis


class StripChart(PlotextPlot):
    """One chart of desk.channels.CHARTS."""

    def __init__(self, chart: Chart) -> None:
        super().__init__(id=f"chart-{chart.name}", classes="chart")
        self.chart = chart

    def draw(self, loop: Loop, span_s: float) -> None:
        """Draw the last span_s seconds anew."""
        plt = self.plt
        plt.clear_data()
        unit = self.chart.figures[0].unit
        # The latest second closes a little after it has passed: without that second the line would never touch now.
        now_s = loop.now_s
        low, high = float("inf"), float("-inf")
        if RESIDUAL in self.chart.figures and not loop.stale:
            low, high = self._draw_levels(loop, span_s)
        for figure, rgb in zip(self.chart.figures, LINE_RGB, strict=False):
            runs = loop.runs(figure, span_s)
            for times_s, values in runs:
                plt.plot(
                    [at_s - now_s for at_s in times_s], values, marker="braille", color=OLD_RGB if loop.stale else rgb
                )
                low, high = min(low, *values), max(high, *values)
            if runs and len(self.chart.figures) > 1:
                times_s, values = runs[-1]
                plt.text(figure.mark, times_s[-1] - now_s, values[-1], color=OLD_RGB if loop.stale else rgb)
        self._scale(low, high, span_s, LEAST_SPAN[unit])
        self.border_title = f"{self.chart.title} ({unit})"
        self.border_subtitle = "old: nothing comes" if loop.stale else ""
        self.refresh()

    def _draw_levels(self, loop: Loop, span_s: float) -> tuple[float, float]:
        """Draw the baseline and the levels that alarm; returns what of them must be seen."""
        plt = self.plt
        columns_n = max(2, self.size.width - AXIS_N)
        ago_s = [-span_s * column / columns_n for column in range(columns_n + 1)]
        plt.plot(ago_s[::3], [0.0] * len(ago_s[::3]), marker="·", color=BASE_RGB)
        levels = loop.alarm_levels()
        for place, level in enumerate(levels):
            plt.plot(ago_s[::2], [level.at_ml] * len(ago_s[::2]), marker="╌", color=LEVEL_RGB)
            # Names stand beside each other, as levels may be close.
            plt.text(
                level.name, ago_s[-1] + span_s * (0.02 + 0.2 * place), level.at_ml, color=LEVEL_RGB, alignment="left"
            )
        seen = [0.0, *(level.at_ml for level in levels if level.near)]
        return min(seen), max(seen)

    def _scale(self, low: float, high: float, span_s: float, least: float) -> None:
        plt = self.plt
        if low <= high:
            margin = max(0.0, least - (high - low)) / 2 + 0.05 * (high - low)
            plt.ylim(low - margin, high + margin)
        plt.xlim(-span_s, 0.0)
        ticks_s = [-span_s * part / TICK_N for part in range(TICK_N, -1, -1)]
        plt.xticks(ticks_s, [_ago(-tick_s, span_s) for tick_s in ticks_s])
        plt.yfrequency(max(2, min(5, self.size.height // 3)))
        plt.xaxes(True, False)
        plt.yaxes(True, False)


def _ago(seconds: float, span_s: float) -> str:
    if seconds == 0:
        return "now"
    return f"-{seconds / 60:g} min" if span_s > 300 else f"-{seconds:g} s"
