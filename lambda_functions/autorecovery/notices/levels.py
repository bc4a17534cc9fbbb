"""How levels look: by word and shape, and by colour on top; never by colour alone."""

from autorecovery.models.notice import Notice
from autorecovery.models.reason import Level

SHAPES = {Level.INFO: "●", Level.WARNING: "▲", Level.ERROR: "■", Level.CRITICAL: "◆"}

# The same shapes in colour, for channels that draw emoji.
_COLOURED = {Level.INFO: "🔵", Level.WARNING: "⚠️", Level.ERROR: "🟧", Level.CRITICAL: "♦️"}
_WELL_AGAIN = "🟢"

# Dark enough for white text on them (4.5:1), and apart for those who see few colours.
_INK = {
    Level.INFO: "#1d5fa8",
    Level.WARNING: "#8a5a00",
    Level.ERROR: "#b3470a",
    Level.CRITICAL: "#b3152a",
}
_GREEN = "#1a6e3c"

CELLS = {
    "": "",
    "guide": "#b4bcc6",
    "healthy": "#7d9fc2",
    "info": "#7d9fc2",
    "warning": "#d9a032",
    "error": "#d97a2b",
    "critical": "#cf4557",
    "info line": "#1d5fa8",
    "warning line": "#a86f00",
    "error line": "#b3470a",
    "critical line": "#a3121f",
}
"""Colours of a chart's cells and limit lines: to be seen on a light page and on a dark one."""


def coloured_shape(notice: Notice) -> str:
    """Return the level's shape in its colour; green where it is over."""
    return _WELL_AGAIN if notice.is_end else _COLOURED[notice.level]


def ink(level: Level, *, over: bool) -> str:
    """Return the colour of a level in mails; green where it is over."""
    return _GREEN if over else _INK[level]
