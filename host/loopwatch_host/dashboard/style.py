"""How grades and states look: always a word or a sign as well, for who sees no colours.

Line colours are those of Okabe and Ito (jfly.uni-koeln.de/color), which every kind of colour vision tells apart.
"""

from textual.theme import Theme

from ..desk import notes

THEME = Theme(
    name="loopwatch",
    primary="#56b4e9",
    warning="#e69f00",
    error="#b3261e",
    foreground="#d0d5db",
    background="#101418",
    surface="#101418",
    panel="#181e24",
    dark=True,
)

URGENT = "bold white on #b3261e"
FAULT = "bold #e69f00"
FAINT = "#8a8f98"
GOOD = "#3ec9a0"
ADVICE = "#56b4e9"

GRADE_STYLES = {
    notes.PLAIN: "",
    notes.FAINT: FAINT,
    notes.GOOD: GOOD,
    notes.ADVICE: ADVICE,
    notes.FAULT: FAULT,
    notes.HIGH: "bold #ff7043",
    notes.URGENT: URGENT,
    notes.BENCH: "#cc79a7",
}

PRIORITY_STYLES = {1: URGENT, 2: "bold #ff7043", 3: FAULT, 4: ADVICE}
STATE_STYLES = {"UNACK": "bold", "RTNUN": "bold", "ACKED": "", "LATCH": ""}

SKY_RGB = (86, 180, 233)
ORANGE_RGB = (230, 159, 0)
GREEN_RGB = (0, 190, 140)
LINE_RGB = (SKY_RGB, ORANGE_RGB, GREEN_RGB)
LEVEL_RGB = (213, 94, 0)
BASE_RGB = (110, 115, 122)
OLD_RGB = (110, 115, 122)
