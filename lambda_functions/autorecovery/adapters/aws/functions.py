"""Our deployed functions, called by a person who replays a dead letter."""

import json
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from autorecovery.adapters.aws.errors import code_of, reading, storing
from autorecovery.errors import ReadError, StoreError

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient


class DeployedFunction:
    """One function, called so that its answer is waited for."""

    def __init__(self, client: "LambdaClient", name: str, arn: str) -> None:
        """`name` is what people call it."""
        self._client = client
        self._name = name
        self._arn = arn

    def __call__(self, event: object) -> dict[str, Any]:
        """Return what the function answers to this event; StoreError where it fails."""
        with storing(f"calling {self._name}"):
            answer = self._client.invoke(
                FunctionName=self._arn,
                InvocationType="RequestResponse",
                Payload=json.dumps(event).encode(),
            )
            told = json.loads(answer["Payload"].read() or b"null")
        content: dict[str, Any] = told if isinstance(told, dict) else {}
        if answer.get("FunctionError"):
            problem = content.get("errorMessage") or "no reason was given"
            raise StoreError(
                f"{self._name} failed: {content.get('errorType', 'error')}: {problem}",
                retryable=True,
            )
        return content


class DeployedResponses:
    """Starts the response of an incident, and looks whether it lives."""

    def __init__(self, client: "LambdaClient", alias_arn: str) -> None:
        self._client = client
        self._alias_arn = alias_arn

    def start(self, incident_id: str) -> str:
        """Return how the response of this incident stands after it was started, such as RUNNING.

        The execution carries the incident's id as its name. Lambda starts no second one of a name
        while it keeps the first, even if that one has failed; hence the look (AWS: "Idempotency" of
        durable functions). Empty where Lambda does not tell.
        """
        with storing(f"start of {incident_id}"):
            try:
                answer = self._client.invoke(
                    FunctionName=self._alias_arn,
                    InvocationType="Event",
                    DurableExecutionName=incident_id,
                    Payload=json.dumps({"incident_id": incident_id}).encode(),
                )
            except ClientError as error:
                if code_of(error) != "DurableExecutionAlreadyStartedException":
                    raise
                return ""
        return self._status(answer.get("DurableExecutionArn", ""))

    def _status(self, execution: str) -> str:
        if not execution:
            return ""
        try:
            with reading("GetDurableExecution"):
                told = self._client.get_durable_execution(DurableExecutionArn=execution)
        except ReadError:
            return ""  # only just accepted, or reading it is not allowed: it is not known to fail
        return str(told.get("Status", ""))
