"""The stores of one world: SQLite in memory, or DynamoDB as moto plays it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError, ReadTimeoutError

from autorecovery.adapters.aws.attempt_log import DynamoDbAttemptLog
from autorecovery.adapters.aws.controls import DynamoDbControls
from autorecovery.adapters.aws.incident_log import DynamoDbIncidentLog
from autorecovery.adapters.sqlite.attempt_log import SqliteAttemptLog
from autorecovery.adapters.sqlite.controls import SqliteControls
from autorecovery.adapters.sqlite.database import Database
from autorecovery.adapters.sqlite.dead_letters import SqliteDeadLetters
from autorecovery.adapters.sqlite.incident_log import SqliteIncidentLog
from autorecovery.errors import StoreError
from tests.integration import aws
from tests.prove.engine import Boundary, Engine
from tests.prove.schedule import Schedule


@dataclass
class Kept:
    """The stores, as our code reaches them."""

    incidents: Any
    attempts: Any
    controls: Any


class DynamoDbBoundary(Boundary):
    """A DynamoDB client, every request of which may fail; of a paginator, every reading."""

    def get_paginator(self, operation: str) -> Any:
        """Return a paginator that crosses the boundary when it is read, as the real one does."""
        return _Paginator(self._engine, self._port.get_paginator(operation), operation)


@dataclass(frozen=True)
class _Paginator:
    engine: Engine
    real: Any
    operation: str

    def paginate(self, **named: Any) -> Iterator[Any]:
        call = f"dynamodb.{self.operation}"
        pages = self.engine.cross(
            call, lambda: list(self.real.paginate(**named)), _dynamodb_trouble
        )
        yield from pages


@dataclass
class Stores:
    """The stores of one world, without anything in between."""

    incidents: Any
    attempts: Any
    controls: Any
    letters: SqliteDeadLetters
    fails_inside: Any = None
    """The DynamoDB client, where trouble strikes between our adapter's own requests."""

    def behind(self, engine: Engine) -> Kept:
        """Return the stores with trouble inside, where they are of that kind."""
        if self.fails_inside is None:
            return Kept(self.incidents, self.attempts, self.controls)
        client = DynamoDbBoundary(engine, "dynamodb", self.fails_inside, _dynamodb_trouble)
        return Kept(*_over_dynamodb(client))


@contextmanager
def stores_for(schedule: Schedule) -> Iterator[Stores]:
    """Yield empty stores of the kind that the scenario asks for."""
    database = Database(None)
    letters = SqliteDeadLetters(database)
    try:
        if schedule.scenario.store == "dynamodb":
            with aws.table() as client:
                yield Stores(*_over_dynamodb(client), letters, client)
        else:
            incidents, attempts = SqliteIncidentLog(database), SqliteAttemptLog(database)
            yield Stores(incidents, attempts, SqliteControls(database), letters)
    finally:
        database.close()


def _over_dynamodb(client: Any) -> tuple[Any, Any, Any]:
    return (
        DynamoDbIncidentLog(client, aws.TABLE),
        DynamoDbAttemptLog(client, aws.TABLE),
        DynamoDbControls(client, aws.TABLE),
    )


def store_trouble(why: str) -> StoreError:
    return StoreError(why, retryable=True)


def _dynamodb_trouble(why: str) -> Exception:
    if why == "refused":
        error: Any = {"Error": {"Code": "ProvisionedThroughputExceededException", "Message": why}}
        return ClientError(error, "DynamoDB")
    return ReadTimeoutError(endpoint_url="dynamodb")
