"""Who asks for an analysis: a queue on AWS, a thread on one machine."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

import incident_analyst
from autorecovery.adapters.aws.bedrock import BedrockModel
from autorecovery.adapters.sqlite.incident_log import SqliteIncidentLog
from autorecovery.analysis.run import ASKED_BY
from autorecovery.bootstrap.analysis import analyst, model_of
from autorecovery.config import AnalysisSettings
from autorecovery.errors import ConfigurationError, NoticeError, StoreError
from autorecovery.models.incident import Entry, EntryKind, Incident
from autorecovery.models.notice import Notice, NoticeKind
from autorecovery.notices import compose
from autorecovery.notices.text import structured
from infra.analyst import ASKED_BY as FILTERED
from local_runtime import analyst as local
from local_runtime.analyst import AnalysedBoard, LocalAnalyst
from tests.analysis_world import MODEL, AnalysisWorld
from tests.fakes import ListedNotices


def message(world: AnalysisWorld, **more: Any) -> dict[str, Any]:
    """Return an event as SQS delivers what SNS delivers raw."""
    notice = compose.opened(world.opened, world.world.clock())
    body = structured(replace(notice, **more))
    return {"Records": [{"messageId": "m-1", "body": body, "eventSource": "aws:sqs"}]}


NOTHING: dict[str, Any] = {"batchItemFailures": []}
AGAIN = {"batchItemFailures": [{"itemIdentifier": "m-1"}]}


def test_a_notice_from_the_queue_is_looked_into_once() -> None:
    world = AnalysisWorld()
    for _ in range(2):
        assert incident_analyst.handle(message(world), world.analyst) == NOTHING
    assert world.world.told == [NoticeKind.ANALYSED]


def test_a_message_that_finds_another_at_it_is_delivered_again() -> None:
    world = AnalysisWorld()
    claim = Entry("analysis claimed 0", world.world.clock(), EntryKind.ANALYSED, "", {"by": "x"})
    world.world.incidents.record(world.opened.id, claim)
    assert incident_analyst.handle(message(world), world.analyst) == AGAIN


def test_what_nobody_took_is_delivered_again() -> None:
    world = AnalysisWorld()
    world.world.board.is_down = True
    assert incident_analyst.handle(message(world), world.analyst) == AGAIN


@pytest.mark.parametrize(
    "body",
    ["", "no json", "[]", "{}", '{"incident": "i"}', '{"incident": "i", "kind": "party"}', "null"],
)
def test_what_is_no_notice_of_ours_is_left(body: str) -> None:
    event = {"Records": [{"messageId": "m-1", "body": body}]}
    assert incident_analyst.handle(event, AnalysisWorld().analyst) == NOTHING


def test_other_kinds_of_notices_ask_for_nothing() -> None:
    world = AnalysisWorld()
    event = message(world, kind=NoticeKind.REMINDER)
    assert incident_analyst.handle(event, world.analyst) == NOTHING
    assert world.world.told == []


def test_the_queue_lets_through_what_the_analyst_answers() -> None:
    assert set(FILTERED) == set(ASKED_BY)


def test_nothing_is_analysed_in_a_dry_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTORECOVERY_DRY_RUN", "true")
    analyst.cache_clear()
    with pytest.raises(ConfigurationError):
        analyst()


@pytest.mark.parametrize("make", [model_of, local.model_of])
def test_the_model_is_the_one_configured(make: Any) -> None:
    assert make(AnalysisSettings()) is None
    made = make(AnalysisSettings(model=MODEL, region="eu-central-1"))
    assert isinstance(made, BedrockModel)
    assert made.name == MODEL


# One machine


@pytest.fixture
def world() -> Iterator[AnalysisWorld]:
    made = AnalysisWorld()
    yield made
    made.world.database.close()


class TellingBoard(ListedNotices):
    """Noticeboard that says when it was told something."""

    def __init__(self) -> None:
        super().__init__()
        self.told = threading.Event()

    def post(self, notice: Notice) -> None:
        super().post(notice)
        self.told.set()


def test_people_have_their_notice_before_anybody_looks_into_it(world: AnalysisWorld) -> None:
    people, asked = ListedNotices(), []

    def ask(notice: Notice) -> None:
        asked.append((notice, list(people.posted)))

    notice = compose.opened(world.opened, world.world.clock())
    board = AnalysedBoard(people, ask)
    board.post(notice)
    assert asked == [(notice, [notice])]
    people.is_down = True
    with pytest.raises(NoticeError):
        board.post(notice)
    assert len(asked) == 1


def test_a_thread_looks_into_what_was_told(world: AnalysisWorld) -> None:
    board = TellingBoard()
    working = LocalAnalyst(replace(world.analyst, noticeboard=board), timedelta(0))
    working.ask(compose.closed_by_person(world.opened, world.world.clock()))
    working.ask(compose.opened(world.opened, world.world.clock()))
    assert board.told.wait(5)
    working.close()
    assert [notice.kind for notice in board.posted] == [NoticeKind.ANALYSED]


class FailsOnce(SqliteIncidentLog):
    """IncidentLog whose first answer is an error."""

    is_well = False
    error: Exception = StoreError("gone", retryable=True)

    def get(self, incident_id: str) -> Incident | None:
        if not self.is_well:
            self.is_well = True
            raise self.error
        return super().get(incident_id)


@pytest.mark.parametrize("error", [StoreError("gone", retryable=True), RuntimeError("a bug")])
def test_what_fails_once_ends_no_thread(error: Exception, world: AnalysisWorld) -> None:
    board, log = TellingBoard(), FailsOnce(world.world.database)
    log.error = error
    app = replace(world.analyst, noticeboard=board, incidents=log)
    working = LocalAnalyst(app, timedelta(0))
    for _ in range(2):
        working.look_into(world.opened.id, NoticeKind.OPENED)
    assert board.told.wait(5)
    working.close()


def test_closing_waits_for_nobody_who_has_not_begun(world: AnalysisWorld) -> None:
    waiting = LocalAnalyst(world.analyst, timedelta(hours=1))
    waiting.look_into(world.opened.id, NoticeKind.OPENED)
    waiting.close()
    assert world.analyses() == []
