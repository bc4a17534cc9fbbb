"""A storm: 10,000 machines, five rules, a zone dies; a hundred thousand signals in a minute.

Bounds: processor time of triage per signal, its store's apart; writes that grow with what breaks
and not with what is healthy; no command beyond the budget; no incident of which nobody hears.
"""

import base64
import gzip
import os
import time
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import orjson

from autorecovery.adapters.sqlite.database import Database
from autorecovery.adapters.sqlite.incident_log import SqliteIncidentLog
from autorecovery.models.group import is_group
from tests.bench.ratios import finish
from tests.storm_world import (
    START,
    CountedDatabase,
    Delivery,
    Place,
    Stores,
    Storm,
    beyond_the_budget,
    unannounced,
)

STORM = Storm(instances=10_000, healthy=95_000)
ROUNDS = 3
MICROSECONDS_A_SIGNAL = 20.0

RESPONDED = STORM
MESSAGES = 10

LASTING = timedelta(minutes=10)
"""How long responses go on after the storm: attempts end, and everything held is handed over."""

BY_THE_HOUR = """
limits:
  correlated: { targets: 100000 }
  fleet: { at_once: { hosts: 100000, percent: 100 }, hosts: 20 per 1h }
"""
"""With it nothing but the budget of the hour holds a storm back."""

ON_DYNAMODB = Storm(instances=150, healthy=1_350)

WRITES = ("PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems")


def main() -> None:
    """Measure, print, and exit with 1 where a bound is missed."""
    holds = _processor_time()
    holds &= _writes_of_triage()
    holds &= _responses("a storm, all gates", RESPONDED, "")
    holds &= _responses("the same, held by the hourly budget alone", RESPONDED, BY_THE_HOUR)
    holds &= _on_dynamodb()
    finish(holds=holds)


def _say(name: str, detail: str, *, holds: bool = True) -> bool:
    print(f"{'ok    ' if holds else 'MISSED'} {name}: {detail}", flush=True)
    return holds


# Processor time


class _TimedLog(SqliteIncidentLog):
    """IncidentLog that knows how much processor time its methods took."""

    def __init__(self) -> None:
        super().__init__(Database(None))
        self.seconds = 0.0

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if name.startswith("_") or not callable(found):
            return found

        def timed(*arguments: Any) -> Any:
            started = time.process_time()
            try:
                return found(*arguments)
            finally:
                self.seconds += time.process_time() - started

        return timed


class _Nobody:
    """ResponseStarter that starts nothing: only triage is measured."""

    def start(self, incident_id: str) -> None: ...

    def wake(self, token: str) -> None: ...


def _processor_time() -> bool:
    deliveries = STORM.deliveries()
    rounds = [_triage_once(deliveries) for _ in range(ROUNDS)]
    own, store = min(rounds)
    per_signal = own / STORM.signals * 1e6
    floor = min(_floor(deliveries) for _ in range(ROUNDS))
    detail = (
        f"{per_signal:.1f} µs a signal, at most {MICROSECONDS_A_SIGNAL:g}\n"
        f"       {STORM.signals:,} signals in {len(deliveries):,} deliveries, {STORM.breaches:,}"
        f" incidents opened; {own:.2f} s, {own / floor:.1f} times gunzip and orjson of the same"
        f" lines ({floor:.2f} s); SQLite took {store / STORM.signals * 1e6:.1f} µs a signal more"
    )
    return _say("processor time of triage", detail, holds=per_signal <= MICROSECONDS_A_SIGNAL)


def _triage_once(deliveries: Sequence[Delivery]) -> tuple[float, float]:
    """Return the seconds that triage took by itself, and those of its store."""
    log = _TimedLog()
    stores = Stores.in_sqlite(Database(None))
    stores.incidents = log
    place = Place(STORM, stores, responses=_Nobody())
    started = time.process_time()
    signals = sum(place.receive(delivery).signals for delivery in deliveries)
    spent = time.process_time() - started
    opened = len(place.opened())
    assert (signals, opened) == (STORM.signals, STORM.breaches), (signals, opened)
    return spent - log.seconds, log.seconds


def _floor(deliveries: Sequence[Delivery]) -> float:
    payloads = [
        base64.b64decode(event["awslogs"]["data"]) for _, event in deliveries if "awslogs" in event
    ]
    started = time.process_time()
    for payload in payloads:
        for event in orjson.loads(gzip.decompress(payload))["logEvents"]:
            orjson.loads(event["message"])
    return time.process_time() - started


# What is written


def _writes_of_triage() -> bool:
    """Say what the store is asked for, and that ten times the health writes nothing more."""
    tenfold = Storm(STORM.instances, 10 * STORM.healthy)
    once, often = _count(STORM), _count(tenfold)
    for storm, database in ((STORM, once), (tenfold, often)):
        _say(
            f"triage of {storm.signals:,} signals",
            f"{database.reads:,} reads and {database.writes:,} writes of the store;"
            f" {database.reads / storm.signals:.3f} and {database.writes / storm.signals:.3f}"
            f" a signal, {database.writes / storm.breaches:.2f} writes an incident",
        )
    return _say(
        "writes with ten times the healthy signals",
        f"{often.writes - once.writes:+,}",
        holds=often.writes == once.writes,
    )


def _count(storm: Storm) -> CountedDatabase:
    database = CountedDatabase()
    place = Place(storm, Stores.in_sqlite(database), responses=_Nobody())
    database.reads = database.writes = 0
    for delivery in storm.deliveries():
        place.receive(delivery)
    return database


# What is done about it


def _responses(name: str, storm: Storm, limits: str) -> bool:
    database = CountedDatabase()
    place = Place(storm, Stores.in_sqlite(database), limits)
    place.live(LASTING)
    incidents = place.opened()
    excess, untold = beyond_the_budget(place), unannounced(incidents, place)
    alone = sum(not is_group(execution) for execution in place.executions)
    signals, executions = storm.signals, len(place.executions)
    counts = {
        "reads": database.reads, "writes": database.writes, "durable executions": executions,
        "notices": len(place.board.posted), "commands": len(place.runner.arrived),
    }  # fmt: skip
    told = "; ".join(f"{count:,} {what} ({count / signals:.3f})" for what, count in counts.items())
    _say(name, f"{signals:,} signals of {storm.instances:,} machines; in all (and a signal):")
    print(f"       {told}")
    holds = _say("commands beyond the budget", ", ".join(excess) or "none", holds=not excess)
    holds &= _say("incidents without a response", f"{len(incidents) - alone}",
                  holds=len(incidents) == alone == storm.breaches)  # fmt: skip
    early = [n for n in place.board.posted if n.at < START + timedelta(minutes=10)]
    told_early = f"{len(early)}, at most {MESSAGES}"
    name = "messages to people in the first ten minutes"
    holds &= _say(name, told_early, holds=len(early) <= MESSAGES)
    return _say("incidents unannounced", f"{len(untold)}", holds=not untold) and holds


# What DynamoDB is asked for


def _on_dynamodb() -> bool:
    os.environ.setdefault("AWS_DEFAULT_REGION", "eu-west-1")
    counts = {
        healthy: _operations(Storm(ON_DYNAMODB.instances, healthy * ON_DYNAMODB.healthy))
        for healthy in (1, 10)
    }
    dead = len(ON_DYNAMODB.dead)
    for what in ("triage", "with its responses"):
        asked = counts[1][what]
        told = ", ".join(f"{count / dead:.1f} {name}" for name, count in sorted(asked.items()))
        _say(f"DynamoDB, {what}, per breaching target", told)
    once, often = (sum(counts[healthy]["triage"][write] for write in WRITES) for healthy in (1, 10))
    return _say(
        "writes to DynamoDB with ten times the healthy signals",
        f"{often - once:+,}",
        holds=once == often,
    )


def _operations(storm: Storm) -> dict[str, Counter[str]]:
    """Return how often each operation was asked for by triage, and with its responses."""
    # Here, because moto takes seconds to load.
    from autorecovery.adapters.aws.attempt_log import DynamoDbAttemptLog
    from autorecovery.adapters.aws.controls import DynamoDbControls
    from autorecovery.adapters.aws.incident_log import DynamoDbIncidentLog
    from tests.integration.aws import TABLE, table

    asked: Counter[str] = Counter()
    with table() as dynamodb:
        dynamodb.meta.events.register(
            "before-call.dynamodb", lambda model, **_: asked.update([model.name])
        )
        controls = DynamoDbControls(dynamodb, TABLE)
        stores = Stores(
            DynamoDbIncidentLog(dynamodb, TABLE),
            DynamoDbAttemptLog(dynamodb, TABLE),
            controls,
            controls,
        )
        place = Place(storm, stores)
        for delivery in storm.deliveries():
            place.receive(delivery)
        by_triage = Counter(asked)
        place.agenda.run_until(place.clock() + LASTING)
        assert len(place.opened()) == storm.breaches
    return {"triage": by_triage, "with its responses": asked}


if __name__ == "__main__":
    main()
