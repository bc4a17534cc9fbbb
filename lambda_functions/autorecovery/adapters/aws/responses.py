"""Starting and waking responses, which are executions of a durable Lambda function."""

import json
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from autorecovery.adapters.aws.errors import code_of, storing

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

_GONE = frozenset(
    {
        "CallbackTimeoutException", "ResourceNotFoundException", "InvalidParameterValueException",
        "ResourceConflictException",
    }
)  # fmt: skip
"""Answers to a wake-up for a wait that is over: it ended by itself, or by another wake-up."""


class DurableResponses:
    """ResponseStarter over the durable function's alias."""

    def __init__(self, client: "LambdaClient", function: str) -> None:
        self._client = client
        self._function = function

    def start(self, incident_id: str) -> None:
        """See ResponseStarter.start. The execution's name makes a second start harmless."""
        payload = json.dumps({"incident_id": incident_id}).encode()
        with storing(f"start of {incident_id}"):
            try:
                self._client.invoke(
                    FunctionName=self._function,
                    InvocationType="Event",
                    DurableExecutionName=incident_id,
                    Payload=payload,
                )
            except ClientError as error:
                if code_of(error) != "DurableExecutionAlreadyStartedException":
                    raise

    def wake(self, token: str) -> None:
        """See ResponseStarter.wake. What is over needs no waking: it has read the facts afresh."""
        with storing("wake"):
            try:
                self._client.send_durable_execution_callback_success(
                    CallbackId=token, Result=b"wake"
                )
            except ClientError as error:
                if code_of(error) not in _GONE:
                    raise
