"""One contract for what people say and for the fleet's book, kept by DynamoDB and by SQLite."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest

from autorecovery.adapters.aws.controls import DynamoDbControls
from autorecovery.adapters.sqlite.controls import SqliteControls
from autorecovery.adapters.sqlite.database import Database
from autorecovery.errors import StoreError
from autorecovery.models.controls import (
    Approval,
    DeclaredWindow,
    Demotion,
    Halt,
    Promotion,
    WindowKind,
)
from autorecovery.models.fleet import FleetAllowance, Lease
from autorecovery.models.limits import MaintenanceWindow
from autorecovery.models.reason import Reason
from tests.integration import aws
from tests.response_world import START

MINUTE = timedelta(minutes=1)
ALLOWED = FleetAllowance(at_once=3, starts=20, window=timedelta(hours=1))
Store = DynamoDbControls | SqliteControls


@pytest.fixture(params=["dynamodb", "file", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    with ExitStack() as stack:
        if request.param == "dynamodb":
            yield DynamoDbControls(stack.enter_context(aws.table()), aws.TABLE)
            return
        database = Database(tmp_path / "state.sqlite3" if request.param == "file" else None)
        stack.callback(database.close)
        yield SqliteControls(database)


def window(name: str, kind: WindowKind) -> DeclaredWindow:
    content = {"name": name, "from": START, "until": START + MINUTE, "targets": ["web-1"]}
    window = MaintenanceWindow.model_validate(content)
    return DeclaredWindow(window, "ops", START, kind, "disk swap")


def lease(token: str, host: str = "", minutes: float = 10) -> Lease:
    return Lease(token, host or token, START, START + minutes * MINUTE)


def test_a_halt_stands_until_it_is_lifted(store: Store) -> None:
    assert store.halt() is None
    store.set_halt(Halt("ops", "deploying", START))
    assert store.halt() == Halt("ops", "deploying", START)
    store.set_halt(None)
    store.set_halt(None)
    assert store.halt() is None


@pytest.mark.parametrize("kind", WindowKind)
def test_windows_are_added_replaced_listed_and_ended(store: Store, kind: WindowKind) -> None:
    for name in ("b", "a", "b"):
        store.declare(window(name, kind))
    assert list(store.windows(kind)) == [window("a", kind), window("b", kind)]
    assert (store.end_window(kind, "a"), store.end_window(kind, "a")) == (True, False)
    assert list(store.windows(kind)) == [window("b", kind)]
    others = [other for other in WindowKind if other is not kind]
    assert [list(store.windows(other)) for other in others] == [[]]


def test_the_first_decision_stands_and_the_second_is_told_who_was_first(store: Store) -> None:
    first = Approval("inc-1-r1", approved=False, by="ann", at=START)
    second = Approval("inc-1-r1", approved=True, by="bob", at=START + MINUTE)
    assert store.approval("inc-1-r1") is None
    assert store.approve(first) == first
    assert store.approve(second) == first
    assert store.approval("inc-1-r1") == first
    assert store.approval("inc-1-r2") is None


def test_the_book_gives_refuses_and_takes_back(store: Store) -> None:
    assert store.reserve("web", lease("a", "h1"), ALLOWED, START) is None
    assert store.reserve("web", lease("a", "h1"), ALLOWED, START) is None
    assert store.reserve("web", lease("b", "h1"), ALLOWED, START) is Reason.HOST_BUSY
    assert [each.token for each in store.ledger("web").leases] == ["a"]
    store.give_back("web", "a")
    store.give_back("web", "a")
    assert store.ledger("web").leases == ()
    assert store.reserve("web", lease("b", "h1"), ALLOWED, START) is None
    assert store.reserve("db", lease("c", "h1"), ALLOWED, START) is None  # another group's book


def test_of_many_that_ask_at_once_no_more_get_it_than_allowed(store: Store) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(lambda n: store.reserve("web", lease(f"a{n}"), ALLOWED, START), range(16))
        )
    assert answers.count(None) == 3
    assert set(answers) == {None, Reason.FLEET_BUSY}
    assert len(store.ledger("web").leases) == 3


def test_a_book_that_others_always_change_first_is_told_as_contended() -> None:
    with aws.table() as dynamodb:
        rival = DynamoDbControls(dynamodb, aws.TABLE)

        class Outrun(DynamoDbControls):
            def _item(self, pk: str, sk: str) -> dict[str, object] | None:
                seen = super()._item(pk, sk)
                rival.give_back("web", "nobody")
                return seen

        with pytest.raises(StoreError, match="contended") as told:
            Outrun(dynamodb, aws.TABLE).reserve("web", lease("a"), ALLOWED, START)
        assert told.value.retryable
        assert rival.ledger("web").leases == ()


def demotion(incident_id: str) -> Demotion:
    return Demotion("restart_service", "cpu", START, 1, 6, 0.03, incident_id)


def test_a_demotion_stands_until_a_person_lifts_it(store: Store) -> None:
    assert store.demotion("restart_service", "cpu") is None
    assert store.demote(demotion("inc-1")) == demotion("inc-1")
    assert store.demote(demotion("inc-2")) == demotion("inc-1")  # the first one stands
    assert store.demotion("restart_service", "cpu") == demotion("inc-1")
    assert store.demotion("restart_service", "memory") is None
    word = Promotion("restart_service", "cpu", "ann", START)
    assert store.promote(word)
    assert store.demotion("restart_service", "cpu") is None
    assert store.promotion("restart_service", "cpu") == word
    assert not store.promote(word)
