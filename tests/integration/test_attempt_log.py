"""One contract for the memory of attempts, kept by DynamoDB, by a SQLite file and in memory."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from autorecovery.adapters.aws.attempt_log import DynamoDbAttemptLog
from autorecovery.adapters.sqlite.attempt_log import SqliteAttemptLog
from autorecovery.adapters.sqlite.database import Database
from autorecovery.errors import StoreError
from autorecovery.models.incident import Attempt, CommandState, CommandStatus, Judgement
from autorecovery.models.reason import Verdict
from autorecovery.models.signal import Target, TargetKind
from autorecovery.ports import AttemptLog
from tests.integration import aws
from tests.response_world import INSTANCE, START

MINUTE = timedelta(minutes=1)


@pytest.fixture(params=["dynamodb", "file", "memory"])
def log(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AttemptLog]:
    with ExitStack() as stack:
        if request.param == "dynamodb":
            yield DynamoDbAttemptLog(stack.enter_context(aws.table()), aws.TABLE)
            return
        database = Database(tmp_path / "state.sqlite3" if request.param == "file" else None)
        stack.callback(database.close)
        yield SqliteAttemptLog(database)


def attempt(token: str = "inc-1-r1", minutes: float = 0, **more: Any) -> Attempt:
    at = START + minutes * MINUTE
    planned = Attempt(
        token, token.rpartition("-")[0], "cpu", INSTANCE, "restart_service", {"service": "nginx"},
        at, at + 2 * MINUTE, 2 * MINUTE, plan="5eed",
    )  # fmt: skip
    return replace(planned, **more)


def test_an_intention_is_written_down_once(log: AttemptLog) -> None:
    assert log.intend(attempt())
    assert not log.intend(attempt(plan="another life"))
    assert log.last_on(INSTANCE) == attempt()


def test_the_very_same_intention_may_be_written_again(log: AttemptLog) -> None:
    assert log.intend(attempt())
    assert log.intend(attempt())


def test_what_went_further_than_its_intention_is_not_intended_again(log: AttemptLog) -> None:
    log.intend(attempt())
    log.complete(attempt(command_id="command-1"))
    assert not log.intend(attempt())


def test_of_many_intentions_at_once_one_is_first(log: AttemptLog) -> None:
    plans = [attempt(plan=f"life {number}") for number in range(12)]
    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(log.intend, plans)) == 1


def test_what_becomes_of_it_replaces_what_was_intended(log: AttemptLog) -> None:
    log.intend(attempt())
    judged = attempt(
        command_id="command-1",
        status=CommandStatus(CommandState.SUCCEEDED, "", "done", 0, START + MINUTE),
        judgement=Judgement(Verdict.VERIFIED, START + 2 * MINUTE, "3 datapoints, 20"),
    )
    log.complete(judged)
    assert log.last_on(INSTANCE) == judged


def test_what_never_became_a_command_is_completed_too(log: AttemptLog) -> None:
    log.intend(attempt())
    refused = attempt(status=CommandStatus(CommandState.NOT_RUN, "refused"))
    log.complete(refused)
    assert log.last_on(INSTANCE) == refused


def test_a_command_leads_to_its_attempt_as_it_stands_now(log: AttemptLog) -> None:
    log.intend(attempt())
    log.complete(attempt(command_id="command-1"))
    over = attempt(command_id="command-1", status=CommandStatus(CommandState.FAILED))
    log.complete(over)
    assert log.of_command("command-1") == over


def test_an_unknown_command_leads_nowhere(log: AttemptLog) -> None:
    assert log.of_command("command-1") is None


def test_the_newest_attempt_on_a_target_is_by_time_not_by_name(log: AttemptLog) -> None:
    for token, minutes in (("inc-1-r1", 5), ("inc-9-r1", 1), ("inc-3-r1", 3)):
        log.intend(attempt(token, minutes))
    newest = log.last_on(INSTANCE)
    assert newest is not None
    assert newest.token == "inc-1-r1"


def test_each_target_has_its_own_attempts(log: AttemptLog) -> None:
    log.intend(attempt())
    assert log.last_on(Target.named("web-2")) is None


def test_names_of_targets_may_be_very_long(log: AttemptLog) -> None:
    target = Target(TargetKind.RESOURCE, "ü" * 1500)
    log.intend(attempt(target=target))
    log.complete(attempt(target=target, command_id="command-1"))
    assert log.last_on(target) == log.of_command("command-1")


# DynamoDB alone


def test_a_pointer_to_an_attempt_that_expired_leads_nowhere() -> None:
    with aws.table() as dynamodb:
        log = DynamoDbAttemptLog(dynamodb, aws.TABLE)
        log.complete(attempt(command_id="command-1"))
        key = {"pk": {"S": f"target#{INSTANCE.key}"}, "sk": {"S": "attempt#inc-1-r1"}}
        dynamodb.delete_item(TableName=aws.TABLE, Key=key)  # as the table's TTL does
        assert log.of_command("command-1") is None


@pytest.mark.parametrize(
    ("code", "retryable"), [("ThrottlingException", True), ("ValidationException", False)]
)
@pytest.mark.parametrize(
    ("operation", "act"),
    [
        ("put_item", lambda log: log.intend(attempt())),
        ("put_item", lambda log: log.complete(attempt())),
        ("query", lambda log: log.last_on(INSTANCE)),
        ("get_item", lambda log: log.of_command("command-1")),
    ],
)  # fmt: skip
def test_every_trouble_of_the_store_is_told_in_our_words(
    operation: str, act: Any, code: str, retryable: bool
) -> None:
    with aws.answering("dynamodb") as (dynamodb, stubber):
        stubber.add_client_error(operation, code)
        with pytest.raises(StoreError, match=code) as caught:
            act(DynamoDbAttemptLog(dynamodb, aws.TABLE))
    assert caught.value.retryable is retryable


def test_of_a_rule_are_returned_the_attempts_that_are_over_since_then(log: AttemptLog) -> None:
    over = CommandStatus(CommandState.SUCCEEDED, exit_code=0)
    verdict = Judgement(Verdict.VERIFIED, START + 3 * MINUTE, "2 datapoints")
    old = attempt("inc-0-r1", -60, status=over)
    first = attempt("inc-1-r1", 1, status=over, judgement=verdict, command_id="c-1")
    other = attempt("inc-3-r1", 2, rule_name="memory", status=over)
    running = attempt("inc-4-r1", 3)
    for each in (old, first, other, running):
        log.intend(each)
        log.complete(each)
        log.complete(each)
    assert list(log.of_rule("cpu", START)) == [first]
    assert list(log.of_rule("memory", START)) == [other]


def test_a_fresh_attempt_of_an_old_incident_is_seen_among_many_of_newer_ones(
    log: AttemptLog,
) -> None:
    for number in range(25):
        log.intend(attempt(f"inc-20260301-{number:06}-0000-r1", number))
    fresh = attempt("inc-20260101-000000-0000-r2", 60)
    log.intend(fresh)
    assert log.last_on(INSTANCE) == fresh
    assert list(log.recent_on(INSTANCE, START + 59 * MINUTE)) == [fresh]
    assert len(log.recent_on(INSTANCE, START)) == 26
