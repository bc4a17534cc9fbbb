"""Many breaches of one rule on one target are one candidate."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from autorecovery.models.incident import Breach, Sighting
from autorecovery.models.reason import Level
from autorecovery.models.rule import MOST_COUNTED, Rule
from autorecovery.models.signal import TYPED, LogOrigin, Origin, Signal, SignalKind, Target
from autorecovery.triage.correlate import correlate, needed_sightings, sustained_level

NOW = datetime(2026, 1, 15, 3, 5, tzinfo=UTC)
CPU = {"metric": "cpu", "warning": 80, "critical": 95}


def rule(when: dict[str, Any]) -> Rule:
    return Rule.model_validate({"name": "rule", "when": when})


def breach(
    at: float = 0,
    level: Level = Level.CRITICAL,
    host: str = "web-1",
    claimed: str | None = None,
    when: dict[str, Any] | None = None,
    kind: SignalKind = SignalKind.METRIC,
    origin: Origin | None = None,
) -> Breach:
    """Return a breach that was seen so many seconds after NOW."""
    moment = NOW + timedelta(seconds=at)
    origin = origin or LogOrigin("/shop", "app")
    signal = Signal(
        f"id-{at}", kind, Target.named(host), "cpu", moment, origin, claimed_identity=claimed
    )
    sighting = Sighting(signal.id, moment, level)
    return Breach(rule(when or CPU), level, signal, (sighting,), (f"line {at}",))


def test_each_rule_and_target_is_one_candidate() -> None:
    found = correlate([breach(1), breach(2, host="web-2"), breach(3)])
    assert [(b.signal.target.name, len(b.sightings)) for b in found] == [("web-1", 2), ("web-2", 1)]


def test_the_newest_of_the_worst_speaks_for_all() -> None:
    (found,) = correlate([breach(1), breach(2), breach(3, Level.WARNING), breach(0, Level.WARNING)])
    assert (found.level, found.signal.id) == (Level.CRITICAL, "id-2")
    assert [sighting.id for sighting in found.sightings] == ["id-3", "id-2", "id-1", "id-0"]
    assert found.evidence == ("line 2", "line 1", "line 3", "line 0")


def test_of_very_many_breaches_the_newest_are_remembered_and_few_are_shown() -> None:
    (found,) = correlate(breach(second) for second in range(1000))
    assert len(found.sightings) == MOST_COUNTED
    assert found.sightings[0].id == "id-999"
    assert len(found.evidence) == 5


def test_lines_that_name_another_machine_do_not_count_with_honest_ones() -> None:
    honest, forged = correlate([breach(1), breach(2, claimed="web-2")])
    assert [sighting.id for sighting in honest.sightings] == ["id-1"]
    assert [sighting.id for sighting in forged.sightings] == ["id-2"]
    assert honest.key != forged.key


SUSTAINED = {**CPU, "sustained": "3 within 5m"}
LINES = {"log": {"pattern": "ERROR"}, "count": "10 per 5m"}


@pytest.mark.parametrize(
    ("given", "needed"),
    [
        (breach(when=SUSTAINED), (3, timedelta(minutes=5))),
        (breach(when=SUSTAINED, kind=SignalKind.ALARM), None),
        (breach(when=SUSTAINED, origin=TYPED), None),
        (breach(when=CPU), None),
        (breach(when={**CPU, "sustained": "1 within 5m"}), None),
        (breach(when=LINES, kind=SignalKind.LOG), (10, timedelta(minutes=5))),
        (breach(when={**LINES, "count": "1 per 5m"}, kind=SignalKind.LOG), None),
        (breach(when={"state": "stopped"}, kind=SignalKind.STATE), None),
    ],
)
def test_only_lines_have_to_be_seen_several_times(
    given: Breach, needed: tuple[int, timedelta] | None
) -> None:
    assert needed_sightings(given) == needed


@pytest.mark.parametrize(
    ("levels", "level"),
    [
        ("ccc", "critical"),
        ("cccc", "critical"),
        ("ccw", "warning"),
        ("wwwcc", "warning"),
        ("cc", None),
        ("", None),
    ],
)
def test_the_level_is_the_worst_that_enough_sightings_reach(levels: str, level: str | None) -> None:
    words = {"c": Level.CRITICAL, "w": Level.WARNING}
    assert sustained_level([Sighting("x", NOW, words[c]) for c in levels], 3) == level
