"""How much of what is long a mail shows: less and less, until the whole is short enough."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Size:
    """How many of each, and characters of one text."""

    story: int
    lines: int
    rows: int
    text: int


# A mail of nothing but the widest characters fits by the last of them.
SIZES = (
    Size(story=80, lines=20, rows=20, text=500),
    Size(story=40, lines=8, rows=12, text=240),
    Size(story=15, lines=4, rows=8, text=120),
    Size(story=5, lines=1, rows=4, text=60),
)
