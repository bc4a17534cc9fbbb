"""AWS as moto plays it, in this process: tables as the stack makes them, and laid-out answers."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.stub import Stubber
from moto import mock_aws

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

REGION = "eu-west-1"
TABLE = "incidents"
NO_RETRIES = Config(retries={"total_max_attempts": 1})


def client(service: str) -> Any:
    """Return a client whose answers a test lays out, or moto gives."""
    return boto3.client(
        service, region_name=REGION, config=NO_RETRIES,
        aws_access_key_id="test", aws_secret_access_key="test",
    )  # type: ignore[call-overload]  # fmt: skip


@contextmanager
def table() -> Iterator["DynamoDBClient"]:
    """Yield a client beside the incident table, as `infra/incident_table.py` makes it."""
    with mock_aws():
        dynamodb = client("dynamodb")
        names = ("pk", "sk", "recent_pk", "recent_sk")
        dynamodb.create_table(
            TableName=TABLE,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": n, "AttributeType": "S"} for n in names],
            KeySchema=_key("pk", "sk"),
            GlobalSecondaryIndexes=[
                {
                    "IndexName": "recent",
                    "KeySchema": _key("recent_pk", "recent_sk"),
                    "Projection": {"ProjectionType": "ALL"},
                }
            ],
        )
        _one_request_at_a_time(dynamodb)
        yield dynamodb


@contextmanager
def answering(service: str) -> Iterator[tuple[Any, Stubber]]:
    """Yield a client, and the stubber that lays out its answers; all of them must be asked for."""
    asked = client(service)
    with Stubber(asked) as stubber:
        yield asked, stubber
        stubber.assert_no_pending_responses()


def _key(partition: str, sort: str) -> list[dict[str, str]]:
    return [
        {"AttributeName": partition, "KeyType": "HASH"},
        {"AttributeName": sort, "KeyType": "RANGE"},
    ]


def _one_request_at_a_time(dynamodb: Any) -> None:
    """Serialise requests: DynamoDB's transactions are atomic, moto's are only in one thread."""
    lock = threading.Lock()
    events = dynamodb.meta.events
    events.register("before-call.dynamodb", lambda **_: lock.acquire() and None)
    events.register("after-call.dynamodb", lambda **_: lock.release())
