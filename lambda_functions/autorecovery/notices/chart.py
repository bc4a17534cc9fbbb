"""A metric drawn for mail: columns made of table cells, limit lines, and marks for what was done.

No image, no script: what a mail program blocks, it cannot block here. The same as text below.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import groupby, pairwise
from math import ceil, isfinite
from statistics import median_low

from autorecovery.models.report import LimitLine, Measured, Moment
from autorecovery.notices.clauses import number

COLUMNS = 60
ROWS = 18
LABEL_ROWS = 3
"""Rows that one label beside the chart takes up."""
MARK_COLUMNS = 2
TEXT_COLUMNS = 48
MOST_MOMENTS = 9
MOMENT = timedelta(microseconds=1)

_EIGHTHS = "▁▂▃▄▅▆▇█"

EMPTY, GUIDE, HEALTHY = "", "guide", "healthy"
"""What a cell shows beside the names of limits: nothing, the line of a moment, a healthy value."""


@dataclass(frozen=True, slots=True)
class Run:
    """Cells of the same look, side by side."""

    span: int
    look: str


@dataclass(frozen=True, slots=True)
class Label:
    """Words beside the chart, over so many rows; without words, the room between two of them."""

    rows: int
    text: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the chart, from top to bottom: cells, or the line of a limit."""

    runs: tuple[Run, ...] = ()
    limit: LimitLine | None = None
    label: Label | None = None
    """The one that begins here."""


@dataclass(frozen=True, slots=True)
class Column:
    """The worst value of one span of time; None where nothing was measured."""

    value: float | None
    look: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart that only has to be written down."""

    what: str
    since: datetime
    until: datetime
    low: float
    high: float
    columns: tuple[Column, ...]
    limits: tuple[LimitLine, ...]
    moments: tuple[Moment, ...]
    marks: tuple[tuple[int, str], ...]
    """The column where each moment is marked, and its letter."""
    falls_below: bool

    def share(self, value: float) -> float:
        """Return how high a value stands, 0 to 1."""
        # Halves, because the span of the largest numbers is beyond them.
        return (value / 2 - self.low / 2) / (self.high / 2 - self.low / 2)


@dataclass(frozen=True, slots=True)
class Span:
    """The time that so many columns stand for."""

    since: datetime
    until: datetime
    columns: int

    def place(self, at: datetime) -> int:
        """Return the column of a moment."""
        whole = (self.until - self.since).total_seconds()
        part = (at - self.since).total_seconds()
        return max(0, min(int(part / whole * self.columns), self.columns - 1)) if whole else 0


def draw(
    what: str,
    samples: Sequence[Measured],
    limits: Sequence[LimitLine],
    moments: Sequence[Moment],
    *,
    falls_below: bool = False,
    columns: int = COLUMNS,
) -> Chart | None:
    """Return the chart, or None where fewer than two values can be drawn."""
    real = [sample for sample in samples if isfinite(sample.value)]
    limits = [limit for limit in limits if isfinite(limit.value)]
    if len(real) < 2:
        return None
    moments = moments[:MOST_MOMENTS]
    period = median_low(after.at - each.at for each, after in pairwise(real))
    times = [*(sample.at for sample in real), *(moment.at for moment in moments)]
    since, until = min(times), max(*times, real[-1].at + period)
    heights = [sample.value for sample in real] + [limit.value for limit in limits]
    low, high = _axis(min(heights), max(heights))
    span = Span(since, until, columns)
    held = _held(real, period, span, falls_below=falls_below)
    places = [(span.place(moment.at), moment.mark) for moment in moments]
    return Chart(
        what=what,
        since=since,
        until=until,
        low=low,
        high=high,
        columns=tuple(_column(held.get(at), limits, falls_below) for at in range(columns)),
        limits=tuple(limits),
        moments=tuple(moments),
        marks=tuple(sorted(places)),
        falls_below=falls_below,
    )


def _axis(lowest: float, highest: float) -> tuple[float, float]:
    """Return where the axis begins and ends: at zero where it can, so that heights do not lie."""
    low, high = min(lowest, 0.0), max(highest, 0.0)
    roomy = high + (high / ROWS - low / ROWS)  # a row of room: what reaches the top looks cut off
    if isfinite(roomy):
        high = roomy
    return (low, high) if high > low else (low, low + 1)


def _held(
    samples: Sequence[Measured], period: timedelta, span: "Span", *, falls_below: bool
) -> dict[int, float]:
    """Return the worst value of each column; a value holds until the next, or for its period."""
    worst = min if falls_below else max
    held: dict[int, float] = {}
    ends = [after.at for after in samples[1:]] + [samples[-1].at + period]
    for sample, end in zip(samples, ends, strict=True):
        last = span.place(min(end, sample.at + period) - MOMENT)
        for column in range(span.place(sample.at), max(last, span.place(sample.at)) + 1):
            held[column] = worst(held.get(column, sample.value), sample.value)
    return held


def _column(value: float | None, limits: Sequence[LimitLine], falls_below: bool) -> Column:
    look = HEALTHY
    for limit in limits:
        if value is not None and (value <= limit.value if falls_below else value >= limit.value):
            look = limit.name
    return Column(value, look)


# As table cells


def rows(chart: Chart) -> list[Row]:
    """Return the rows, from the top; the labels that begin in them cover each row once."""
    heights = [_height(column, chart) for column in chart.columns]
    guides = {place for place, _ in chart.marks}
    found: list[Row] = []
    for above in range(ROWS):
        found += (Row(limit=line) for line in chart.limits if _row_of(line.value, chart) == above)
        found.append(Row(_runs(above, heights, guides, chart)))
    labels = _labels(found, chart)
    return [replace(row, label=labels.get(at)) for at, row in enumerate(found)]


def _height(column: Column, chart: Chart) -> int:
    """Return how many rows a value fills: at least one, for nothing at all is a gap."""
    return 0 if column.value is None else max(1, ceil(chart.share(column.value) * ROWS))


def _row_of(value: float, chart: Chart) -> int:
    return min(ROWS - 1, max(0, round((1 - chart.share(value)) * ROWS)))


def _runs(above: int, heights: Sequence[int], guides: set[int], chart: Chart) -> tuple[Run, ...]:
    looks = (
        column.look if ROWS - above <= height else GUIDE if place in guides else EMPTY
        for place, (height, column) in enumerate(zip(heights, chart.columns, strict=True))
    )
    return tuple(Run(len(list(same)), look) for look, same in groupby(looks))


def _labels(found: Sequence[Row], chart: Chart) -> dict[int, Label]:
    """Return the labels by the row they begin in: the limits first, then the ends of the axis."""
    lines = [(at, _named(row.limit)) for at, row in enumerate(found) if row.limit]
    if not chart.falls_below:
        lines.reverse()
    ends = [(0, number(chart.high)), (len(found), number(chart.low))]
    taken: dict[int, Label] = {}
    for at, text in (*lines, *ends):
        begin = min(at, len(found) - LABEL_ROWS)
        if all(abs(begin - other) >= LABEL_ROWS for other in taken):
            taken[begin] = Label(LABEL_ROWS, text)
    return _without_holes(taken, len(found))


def _without_holes(taken: dict[int, Label], height: int) -> dict[int, Label]:
    row, whole = 0, {}
    for begin in sorted(taken):
        if begin > row:
            whole[row] = Label(begin - row)
        whole[begin], row = taken[begin], begin + LABEL_ROWS
    if row < height:
        whole[row] = Label(height - row)
    return whole


def _named(limit: LimitLine) -> str:
    return f"{limit.name} {number(limit.value)}"


def mark_runs(chart: Chart) -> list[Run]:
    """Return the row of marks below the chart: letters under the columns they belong to."""
    runs, column = [], 0
    for place, mark in chart.marks:
        # Two that would stand on one another stand side by side.
        begin = min(max(place, column), len(chart.columns) - MARK_COLUMNS)
        if begin < column:
            break
        if begin > column:
            runs.append(Run(begin - column, EMPTY))
        runs.append(Run(MARK_COLUMNS, mark))
        column = begin + MARK_COLUMNS
    if column < len(chart.columns):
        runs.append(Run(len(chart.columns) - column, EMPTY))
    return runs


# As text


def in_words(chart: Chart) -> str:
    """Return what the chart shows, for those who do not see it."""
    values = [column.value for column in chart.columns if column.value is not None]
    spread = f"from {number(min(values))} to {number(max(values))}"
    limits = "; ".join(_named(limit) for limit in chart.limits)
    return f"{chart.what} {spread}{f'; limits: {limits}' if limits else ''}"


def as_text(chart: Chart) -> list[str]:
    """Return the chart as a line of blocks, a line of marks, and what they mean."""
    drawn = "".join(_block(column, chart) for column in chart.columns).rstrip()
    below = ""
    for place, mark in chart.marks:
        below = f"{below:<{place}}{mark}"  # side by side where they would stand on one another
    times = f"{chart.since:%H:%M} to {chart.until:%H:%M} UTC"
    return [f"{in_words(chart)}, {times}", f"  {drawn}", f"  {below}", *legend(chart)]


def _block(column: Column, chart: Chart) -> str:
    if column.value is None:
        return " "
    return _EIGHTHS[min(len(_EIGHTHS) - 1, int(chart.share(column.value) * len(_EIGHTHS)))]


def legend(chart: Chart) -> list[str]:
    """Return what each mark means, and when that was."""
    return [f"{moment.mark} {moment.name} {moment.at:%H:%M:%S}" for moment in chart.moments]
