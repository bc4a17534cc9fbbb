"""The only place that makes AWS clients: bounded in time, and retried only where that is safe.

They are botocore's own, as boto3's are; boto3 would bring its file transfers to every cold start.
"""

from functools import cache
from typing import TYPE_CHECKING, Any

from botocore.config import Config
from botocore.session import Session, get_session

if TYPE_CHECKING:
    from mypy_boto3_autoscaling import AutoScalingClient
    from mypy_boto3_bedrock import BedrockClient
    from mypy_boto3_bedrock_runtime import BedrockRuntimeClient
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sesv2 import SESV2Client
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_ssm import SSMClient

_PATIENT = Config(
    connect_timeout=3, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 4}
)

_ONCE = Config(connect_timeout=3, read_timeout=20, retries={"total_max_attempts": 1})
"""For calls without an idempotency token: SendCommand answered twice is a script run twice."""


_ANSWERING = Config(connect_timeout=3, read_timeout=910, retries={"total_max_attempts": 1})
"""For a function whose answer is waited for: it may take its 15 minutes, and is not asked twice."""


@cache
def _session() -> Session:
    return get_session()


def _client(service: str, config: Config = _PATIENT, region: str | None = None) -> Any:
    return _session().create_client(service, region_name=region, config=config)


def dynamodb() -> "DynamoDBClient":
    """Return a client whose retries are safe: every write is conditional or idempotent."""
    client: DynamoDBClient = _client("dynamodb")
    return client


def lambda_() -> "LambdaClient":
    """Return a client; starts are named and wakes are harmless, so retries are safe."""
    client: LambdaClient = _client("lambda")
    return client


def lambda_answering() -> "LambdaClient":
    """Return a client that waits for what a function answers, however long that takes."""
    client: LambdaClient = _client("lambda", _ANSWERING)
    return client


def ec2() -> "EC2Client":
    """Return a client for reading."""
    client: EC2Client = _client("ec2", _PATIENT)
    return client


def ec2_once() -> "EC2Client":
    """Return a client that sends a request once, whatever the answer."""
    client: EC2Client = _client("ec2", _ONCE)
    return client


def autoscaling() -> "AutoScalingClient":
    """Return a client for reading groups."""
    client: AutoScalingClient = _client("autoscaling")
    return client


def autoscaling_once() -> "AutoScalingClient":
    """Return a client that sends a request once, whatever the answer."""
    client: AutoScalingClient = _client("autoscaling", _ONCE)
    return client


def ssm() -> "SSMClient":
    """Return a client for reading: documents, invocations, commands."""
    client: SSMClient = _client("ssm")
    return client


def ssm_once() -> "SSMClient":
    """Return a client that sends a request once, whatever the answer."""
    client: SSMClient = _client("ssm", _ONCE)
    return client


def cloudwatch() -> "CloudWatchClient":
    """Return a client for reading metrics."""
    client: CloudWatchClient = _client("cloudwatch")
    return client


def logs() -> "CloudWatchLogsClient":
    """Return a client for reading log streams."""
    client: CloudWatchLogsClient = _client("logs")
    return client


def sns() -> "SNSClient":
    """Return a client; a notice published twice is better than none."""
    client: SNSClient = _client("sns")
    return client


def sqs() -> "SQSClient":
    """Return a client; a dead letter kept twice is better than none, and looking is harmless."""
    client: SQSClient = _client("sqs")
    return client


def cloudformation() -> "CloudFormationClient":
    """Return a client for finding what a stack is made of."""
    client: CloudFormationClient = _client("cloudformation")
    return client


def bedrock_once(region: str | None, seconds: float) -> "BedrockRuntimeClient":
    """Return a client that asks once and waits so long: an answer asked for twice is paid twice."""
    config = Config(
        region_name=region,
        connect_timeout=3,
        read_timeout=seconds,
        retries={"total_max_attempts": 1},
    )
    client: BedrockRuntimeClient = _client("bedrock-runtime", config)
    return client


def secretsmanager() -> "SecretsManagerClient":
    """Return a client for reading secrets."""
    client: SecretsManagerClient = _client("secretsmanager")
    return client


def sesv2() -> "SESV2Client":
    """Return a client; a mail sent twice is better than none."""
    client: SESV2Client = _client("sesv2")
    return client


def bedrock(region: str | None = None) -> "BedrockClient":
    """Return a client for looking at models; it asks none of them anything."""
    client: BedrockClient = _client("bedrock", region=region)
    return client
