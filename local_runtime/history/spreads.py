"""What many samples become: least, mean, most, and what 95 % of them stay below. Touches nothing.

Every roll-up is made from samples, so its p95 is exact. Only where samples come late, for a span
that was rolled up before, two roll-ups are merged. A merged p95 is the larger of the two: never
below the true one, and the true one wherever the parts are alike.
"""

from collections.abc import Iterable, Mapping, Sequence
from math import ceil, fsum

from autorecovery.models.readings import Spread

Spreads = dict[str, Spread]


def spread_of(values: Sequence[float]) -> Spread:
    """Return the spread of some values; there is at least one."""
    ordered = sorted(values)
    count = len(ordered)
    p95 = ordered[ceil(0.95 * count) - 1]
    return Spread(ordered[0], fsum(ordered) / count, ordered[-1], p95)


def spreads_of(samples: Iterable[Mapping[str, float]]) -> Spreads:
    """Return the spread of each metric; a metric that is missing in a sample has fewer values."""
    columns: dict[str, list[float]] = {}
    for sample in samples:
        for name, value in sample.items():
            columns.setdefault(name, []).append(value)
    return {name: spread_of(columns[name]) for name in sorted(columns)}


def merged(
    one: Mapping[str, Spread], weight: int, other: Mapping[str, Spread], other_weight: int
) -> Spreads:
    """Return the spreads of two parts of one span, with so many samples each."""
    return {
        name: _merged(one[name], weight, other[name], other_weight)
        if name in one and name in other
        else (one.get(name) or other[name])
        for name in sorted({*one, *other})
    }


def _merged(one: Spread, weight: int, other: Spread, other_weight: int) -> Spread:
    mean = (one.mean * weight + other.mean * other_weight) / (weight + other_weight)
    return Spread(
        min(one.least, other.least), mean, max(one.most, other.most), max(one.p95, other.p95)
    )
