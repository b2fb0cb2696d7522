"""For how long people shelve alarms: the times that every face offers, in seconds."""

SPANS_S = (900, 3_600, 4 * 3_600, 8 * 3_600, 24 * 3_600)
