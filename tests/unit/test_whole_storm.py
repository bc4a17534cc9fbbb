"""A small storm, lived to its hand-overs: what the benchmark promises of a large one."""

from datetime import timedelta

import pytest

from autorecovery.adapters.sqlite.database import Database
from autorecovery.models.group import is_group
from autorecovery.models.notice import NoticeKind
from autorecovery.response.company import company_in
from tests.storm_world import (
    CountedDatabase,
    Place,
    Stores,
    Storm,
    beyond_the_budget,
    unannounced,
)

SMALL = Storm(instances=60, healthy=600)
HOURLY = """
limits:
  correlated: { targets: 1000 }
  fleet: { at_once: { hosts: 100, percent: 100 }, hosts: 4 per 1h }
"""


def lived(limits: str = "") -> Place:
    """Return the place after the storm and five minutes."""
    place = Place(SMALL, Stores.in_sqlite(Database(None)), limits)
    place.live(timedelta(minutes=5))
    return place


def test_every_target_that_breaks_a_rule_has_one_incident_with_one_response() -> None:
    place = lived()
    incidents = place.opened()
    assert len(incidents) == SMALL.breaches == len({each.key for each in incidents})
    alone = {execution for execution in place.executions if not is_group(execution)}
    assert alone == {each.id for each in incidents}
    assert {each.target.name for each in incidents} == set(SMALL.dead)


@pytest.mark.parametrize("limits", ["", HOURLY])
def test_a_storm_stays_within_the_budget_and_leaves_no_incident_unannounced(limits: str) -> None:
    place = lived(limits)
    assert place.runner.arrived, "a storm in which nothing is run shows nothing"
    assert beyond_the_budget(place) == []
    assert unannounced(place.opened(), place) == []


def test_more_commands_than_the_budget_allows_are_seen() -> None:
    place = lived(HOURLY)
    place.runner.sent |= {f"forged {n}": place.clock() for n in range(2)}
    place.runner.arrived *= 2
    assert [excess.split(",")[0] for excess in beyond_the_budget(place)] == [
        "6 commands within 1:00:00", "an attempt was sent twice",
    ]  # fmt: skip


def test_an_incident_of_which_no_notice_was_delivered_is_seen() -> None:
    place = Place(SMALL, Stores.in_sqlite(Database(None)))
    place.board.is_down = True
    place.live(timedelta(minutes=1))
    incidents = place.opened()
    assert len(unannounced(incidents, place)) == len(incidents)


def test_an_incident_that_was_folded_after_the_last_notice_of_the_storm_is_seen() -> None:
    place = lived("")
    folded = [i for i in place.opened() if _is_folded(i.id, place)]
    assert folded
    place.board.posted = [n for n in place.board.posted if n.kind is not NoticeKind.STORM]
    assert set(unannounced(folded, place)) == {incident.id for incident in folded}


def _is_folded(incident_id: str, place: Place) -> bool:
    company = company_in(place.stores.incidents.timeline(incident_id))
    return company is not None and not company.leads


def test_ten_times_the_health_writes_nothing_more_and_reads_no_more_often() -> None:
    asked = []
    for healthy in (1, 10):
        database = CountedDatabase()
        storm = Storm(SMALL.instances, healthy * SMALL.healthy)
        place = Place(storm, Stores.in_sqlite(database))
        database.reads = database.writes = 0
        for delivery in storm.deliveries():
            place.receive(delivery)
        asked.append((database.reads, database.writes))
    assert asked[0] == asked[1]
