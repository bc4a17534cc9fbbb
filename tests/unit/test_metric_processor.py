"""The entry point of triage: it answers, reports each delivery once, and asks for a retry."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from autorecovery.config import Configuration
from autorecovery.errors import StoreError
from autorecovery.models.incident import Entry, EntryKind
from autorecovery.observability import logger, report_entry, report_triage
from autorecovery.ports import Presence
from autorecovery.triage.outcome import Outcome
from autorecovery.triage.run import Triage
from metric_processor import handle
from tests.fakes import FixedDirectory, ListedDeadLetters, RecordingStarter, WatchedIncidentLog

NOW = datetime(2026, 1, 15, 3, 5, tzinfo=UTC)


def application(*errors: StoreError) -> tuple[Triage, list[Outcome]]:
    """Return triage over fakes, and the list of what it reports."""
    reported: list[Outcome] = []
    app = Triage(
        configuration=Configuration(),
        incidents=WatchedIncidentLog(),
        responses=RecordingStarter(),
        targets=FixedDirectory(Presence(exists=True, opted_in=True)),
        dead_letters=ListedDeadLetters(*errors),
        clock=lambda: NOW,
        report=reported.append,
    )
    return app, reported


def test_a_delivery_is_answered_and_reported_once() -> None:
    app, reported = application()
    answer = handle({"kind": "order"}, app)
    assert (answer["rejected"], answer["incidents"][0]["action"]) == (1, "held")
    assert [outcome.as_dict() for outcome in reported] == [answer]


def test_a_delivery_that_could_not_be_dealt_with_is_reported_and_asked_for_again() -> None:
    app, reported = application(StoreError("the queue is full", retryable=True))
    with pytest.raises(StoreError, match="the queue is full") as caught:
        handle({"kind": "order"}, app)
    assert caught.value.retryable
    assert [outcome.failures for outcome in reported] == [["the queue is full"]]


# What is logged and counted


def lines(text: str) -> Iterator[dict[str, Any]]:
    return (json.loads(line) for line in text.splitlines())


def test_the_log_says_what_the_answer_says_and_the_metrics_count_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    app, reported = application()
    handle([{"kind": "order"}, []], app)
    (outcome,) = reported
    log = logger("triage of a test", "loud")
    report_triage(outcome.as_dict(), outcome.rejections, outcome.failures, log)
    told, counted = lines(capsys.readouterr().out)
    assert (told["level"], told["rejected"], told["ignored"]) == ("INFO", 1, 1)
    assert told["rejections"][0]["why"] == "unknown shape with keys: kind"
    assert (counted["rejected"], counted["held"], counted["ignored"]) == ([1.0], [1.0], [1.0])
    assert "signals" not in counted


def test_nothing_to_count_is_no_metric_and_a_failure_is_an_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    log = logger("another test", "debug")
    report_triage(Outcome().as_dict(), [], [], log)
    report_triage(Outcome().as_dict(), [], ["no table"], log)
    quiet, failed, counted = lines(capsys.readouterr().out)
    assert (quiet["level"], failed["level"]) == ("INFO", "ERROR")
    assert failed["failures"] == ["no table"]
    assert counted["failures"] == [1.0]


@pytest.mark.parametrize(
    ("facts", "level", "name"),
    [({}, "INFO", "notified"), ({"delivered": False}, "ERROR", "notices undelivered")],
)
def test_a_line_of_a_timeline_is_logged_and_counted_by_its_kind(
    facts: dict[str, Any], level: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    entry = Entry("told", NOW, EntryKind.NOTIFIED, "opened: told", facts)
    report_entry("inc-1", entry, logger(f"test of {name}", "INFO"))
    told, counted = lines(capsys.readouterr().out)
    assert (told["level"], told["incident"], told["message"]) == (level, "inc-1", "opened: told")
    assert counted[name] == [1.0]
