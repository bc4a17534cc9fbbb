"""Many breaches of one rule on one target are one candidate for one incident. Touches nothing."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import timedelta

from autorecovery.models.incident import Breach, Sighting
from autorecovery.models.reason import Level
from autorecovery.models.rule import MOST_COUNTED, LogCondition, MetricCondition
from autorecovery.models.signal import TYPED, SignalKind

KEPT_EVIDENCE = 5
"""Lines shown to people."""


def correlate(breaches: Iterable[Breach]) -> list[Breach]:
    """Return one breach per rule and target: the newest of the worst, with all the sightings.

    Lines that name another machine than their stream have a key of their own: see Breach.rule_name.
    """
    groups: dict[tuple[str, str], list[Breach]] = {}
    for breach in breaches:
        groups.setdefault(breach.key, []).append(breach)
    return [_merge(group) for group in groups.values()]


def _merge(group: Sequence[Breach]) -> Breach:
    worst = max(group, key=lambda breach: (breach.level.rank, breach.signal.at))
    sightings = [sighting for breach in group for sighting in breach.sightings]
    newest = sorted(sightings, key=lambda s: (s.at, s.id), reverse=True)[:MOST_COUNTED]
    evidence = dict.fromkeys(line for breach in (worst, *group) for line in breach.evidence)
    return replace(worst, sightings=tuple(newest), evidence=tuple(evidence)[:KEPT_EVIDENCE])


def needed_sightings(breach: Breach) -> tuple[int, timedelta] | None:
    """Return how many sightings in which window make this breach count, or None if one suffices.

    An alarm arrives already sustained, and a person who types a value means it.
    """
    when = breach.rule.when if breach.rule else None
    if breach.signal.kind is SignalKind.ALARM or breach.signal.origin == TYPED:
        return None
    if isinstance(when, MetricCondition) and when.sustained and when.sustained.count > 1:
        return when.sustained.count, when.sustained.window
    if isinstance(when, LogCondition) and when.count.count > 1:
        return when.count.count, when.count.window
    return None


def sustained_level(sightings: Sequence[Sighting], needed: int) -> Level | None:
    """Return the worst level that enough sightings reach, or None where they are too few."""
    levels = sorted((sighting.level for sighting in sightings), key=lambda level: level.rank)
    return levels[-needed] if len(levels) >= needed else None
