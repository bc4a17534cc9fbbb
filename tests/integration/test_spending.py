"""One contract for what models cost, kept by DynamoDB and by SQLite."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import date
from pathlib import Path

import pytest

from autorecovery.adapters.aws.spending import DynamoDbSpending
from autorecovery.adapters.sqlite.database import Database
from autorecovery.adapters.sqlite.spending import SqliteSpending
from autorecovery.ports import Reservation
from tests.integration import aws

TODAY, TOMORROW = date(2026, 3, 1), date(2026, 3, 2)
LIMIT = 100
Store = DynamoDbSpending | SqliteSpending


@pytest.fixture(params=["dynamodb", "file", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    with ExitStack() as stack:
        if request.param == "dynamodb":
            yield DynamoDbSpending(stack.enter_context(aws.table()), aws.TABLE)
            return
        database = Database(tmp_path / "state.sqlite3" if request.param == "file" else None)
        stack.callback(database.close)
        yield SqliteSpending(database)


def call(token: str, cost: int, day: date = TODAY) -> Reservation:
    return Reservation(token, day, cost)


def test_money_is_set_aside_up_to_the_limit_of_the_day(store: Store) -> None:
    assert store.spent(TODAY) == 0
    assert store.reserve(call("a", 60), LIMIT)
    assert not store.reserve(call("b", 41), LIMIT)
    assert store.reserve(call("c", 40), LIMIT)
    assert store.spent(TODAY) == LIMIT
    assert store.reserve(call("d", 60, TOMORROW), LIMIT)
    assert not store.reserve(call("e", LIMIT + 1, TOMORROW), LIMIT)


def test_asking_twice_for_one_call_sets_aside_once(store: Store) -> None:
    assert store.reserve(call("a", 60), LIMIT)
    assert store.reserve(call("a", 60), LIMIT)
    assert store.spent(TODAY) == 60


def test_what_was_not_spent_is_free_again_and_settled_once(store: Store) -> None:
    store.reserve(call("a", 60), LIMIT)
    store.settle(call("a", 60), 10)
    store.settle(call("a", 60), 10)
    assert store.spent(TODAY) == 10
    assert store.reserve(call("b", 90), LIMIT)


def test_a_call_that_nobody_settles_stays_counted_in_full(store: Store) -> None:
    store.reserve(call("a", 60), LIMIT)
    store.settle(call("unknown", 60), 0)
    assert store.spent(TODAY) == 60


def test_many_at_once_do_not_spend_more_than_the_limit(store: Store) -> None:
    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda n: store.reserve(call(f"t{n}", 30), LIMIT), range(12)))
    assert sum(won) == 3
    assert store.spent(TODAY) == 90
