"""Scripts on EC2 instances, through SSM Run Command.

SendCommand has no idempotency token, so it is sent once; the attempt's token travels in `Comment`,
and a lost answer is looked up by it. Every error is sorted by one question: may the script have
started?
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from autorecovery.adapters.aws.errors import code_of, reading, sending
from autorecovery.errors import CommandNotStartedError, ReadError
from autorecovery.models.incident import Attempt, CommandState, CommandStatus
from autorecovery.models.signal import Target, TargetKind
from autorecovery.scripts import TOO_LATE, Script, ScriptError

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient

    from autorecovery.settings import DocumentVersion

DELIVERY_SECONDS = 60
"""How long SSM may try to deliver; against what comes later the script has its not-after time."""

_SEARCHED_COMMANDS = 50

_STATES = {
    "pending": CommandState.PENDING,
    "inprogress": CommandState.RUNNING,
    "delayed": CommandState.RUNNING,
    "cancelling": CommandState.RUNNING,
    "success": CommandState.SUCCEEDED,
    "failed": CommandState.FAILED,
    "executiontimedout": CommandState.FAILED,
    # The agent may have received it and lost its answer: not heard of is not the same as not run.
    "deliverytimedout": CommandState.UNKNOWN,
    "timedout": CommandState.UNKNOWN,
    "cancelled": CommandState.UNKNOWN,
    "undeliverable": CommandState.NOT_RUN,
    "terminated": CommandState.NOT_RUN,
    "invalidplatform": CommandState.NOT_RUN,
    "accessdenied": CommandState.NOT_RUN,
}


class SsmCommandRunner:
    """CommandRunner over SSM and the documents this stack deployed."""

    def __init__(
        self,
        reader: "SSMClient",
        sender: "SSMClient",
        scripts: Mapping[str, Script],
        documents: "Mapping[str, DocumentVersion]",
    ) -> None:
        """`sender` must not retry; `reader` may."""
        self._reader = reader
        self._sender = sender
        self._scripts = scripts
        self._documents = documents
        self._verified: dict[str, Any] = {}

    def time_limit(self, script: str) -> timedelta:
        """See CommandRunner.time_limit."""
        return self._scripts[script].timeout

    def prepare(self, attempt: Attempt) -> Attempt:
        """See CommandRunner.prepare. A script's parameters say it all."""
        return attempt

    def start(self, attempt: Attempt) -> str:
        """See CommandRunner.start."""
        request = self._request(attempt)
        with sending("SendCommand"):
            answer = self._sender.send_command(**request)
        return answer["Command"]["CommandId"]

    def find(self, attempt: Attempt) -> str | None:
        """See CommandRunner.find."""
        with reading("ListCommands"):
            answer = self._reader.list_commands(
                InstanceId=attempt.target.name, MaxResults=_SEARCHED_COMMANDS
            )
        commands = answer.get("Commands", [])
        return next((c["CommandId"] for c in commands if c.get("Comment") == attempt.token), None)

    def status(self, command_id: str, target: Target) -> CommandStatus:
        """See CommandRunner.status. Reads this machine's invocation, never the parent command."""
        with reading("GetCommandInvocation"):
            try:
                found: Any = self._reader.get_command_invocation(
                    CommandId=command_id, InstanceId=target.name
                )
            except ClientError as error:
                if code_of(error) != "InvocationDoesNotExist":
                    raise
                return CommandStatus(CommandState.PENDING, "not visible yet")  # right after sending
        return command_status(found)

    def _request(self, attempt: Attempt) -> Any:
        if attempt.target.kind is not TargetKind.INSTANCE:
            raise CommandNotStartedError("only EC2 instances take SSM commands", retryable=False)
        script = self._scripts.get(attempt.script)
        if script is None:
            raise CommandNotStartedError(f"no script {attempt.script}", retryable=False)
        document = self._document(attempt.script)
        try:
            arguments = script.arguments(
                attempt.parameters, not_after=attempt.not_after, attempt=attempt.token
            )
        except ScriptError as error:
            raise CommandNotStartedError(str(error), retryable=False) from error
        return {
            "InstanceIds": [attempt.target.name],
            "DocumentName": document["Name"],
            "DocumentVersion": document["DocumentVersion"],
            "DocumentHash": document["Hash"],
            "DocumentHashType": document["HashType"],
            "TimeoutSeconds": DELIVERY_SECONDS,
            "Comment": attempt.token,
            "Parameters": {name: [value] for name, value in arguments.items()},
        }

    def _document(self, script: str) -> Any:
        """Return the script's document, of which is known that its content is what was deployed."""
        if script not in self._verified:
            version = self._documents.get(script)
            if version is None:
                raise CommandNotStartedError(f"no document for {script}", retryable=False)
            self._verified[script] = self._verify(version)
        return self._verified[script]

    def _verify(self, version: "DocumentVersion") -> Any:
        try:
            with reading("read"):
                content = self._reader.get_document(Name=version.name, DocumentFormat="JSON")
                described = self._reader.describe_document(
                    Name=version.name, DocumentVersion=content["DocumentVersion"]
                )
        except ReadError as error:
            raise CommandNotStartedError(
                f"document {version.name}: {error}", retryable=True
            ) from error
        if _fingerprint(content["Content"]) != version.sha256:
            raise CommandNotStartedError(
                f"document {version.name} is not the one that was deployed", retryable=False
            )
        return described["Document"]


def _fingerprint(content: str) -> str:
    """Return the hash of a document's canonical JSON, as Script.sha256 makes it."""
    canonical = json.dumps(json.loads(content), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def command_status(invocation: Mapping[str, Any]) -> CommandStatus:
    """Return what GetCommandInvocation says of one machine, in our words."""
    told = str(invocation.get("StatusDetails") or invocation.get("Status") or "")
    state = _STATES.get(told.replace(" ", "").lower(), CommandState.PENDING)
    code = invocation.get("ResponseCode")
    exit_code = code if isinstance(code, int) and code >= 0 else None
    if state is CommandState.FAILED and exit_code == TOO_LATE:
        state, told = CommandState.NOT_RUN, "it arrived too late and did nothing"
    if state is CommandState.UNKNOWN and told.lower() == "cancelled" and code == -1:
        state = CommandState.NOT_RUN
    output = str(invocation.get("StandardOutputContent") or "")
    errors = str(invocation.get("StandardErrorContent") or "")
    return CommandStatus(
        state=state,
        detail="" if state is CommandState.SUCCEEDED else told,
        output=output if state is CommandState.SUCCEEDED else f"{output}\n{errors}".strip(),
        exit_code=exit_code,
        ended_at=_moment(invocation.get("ExecutionEndDateTime")),
    )


def _moment(text: object) -> datetime | None:
    if not isinstance(text, str) or not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else None
