"""The only place that makes AWS clients: bounded in time, and retried only where that is safe."""

from functools import cache
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_ssm import SSMClient

_PATIENT = Config(
    connect_timeout=3, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 4}
)

_ONCE = Config(connect_timeout=3, read_timeout=20, retries={"total_max_attempts": 1})
"""For calls without an idempotency token: SendCommand answered twice is a script run twice."""


@cache
def _session() -> boto3.Session:
    return boto3.Session()


def dynamodb() -> "DynamoDBClient":
    """Return a client whose retries are safe: every write is conditional or idempotent."""
    return _session().client("dynamodb", config=_PATIENT)


def lambda_() -> "LambdaClient":
    """Return a client; starts are named and wakes are harmless, so retries are safe."""
    return _session().client("lambda", config=_PATIENT)


def ec2() -> "EC2Client":
    """Return a client for reading."""
    return _session().client("ec2", config=_PATIENT)


def ssm() -> "SSMClient":
    """Return a client for reading: documents, invocations, commands."""
    return _session().client("ssm", config=_PATIENT)


def ssm_once() -> "SSMClient":
    """Return a client that sends a request once, whatever the answer."""
    return _session().client("ssm", config=_ONCE)


def cloudwatch() -> "CloudWatchClient":
    """Return a client for reading metrics."""
    return _session().client("cloudwatch", config=_PATIENT)


def logs() -> "CloudWatchLogsClient":
    """Return a client for reading log streams."""
    return _session().client("logs", config=_PATIENT)


def sns() -> "SNSClient":
    """Return a client; a notice published twice is better than none."""
    return _session().client("sns", config=_PATIENT)


def sqs() -> "SQSClient":
    """Return a client; a dead letter kept twice is better than none."""
    return _session().client("sqs", config=_PATIENT)


def cloudformation() -> "CloudFormationClient":
    """Return a client for finding what a stack is made of."""
    return _session().client("cloudformation", config=_PATIENT)
