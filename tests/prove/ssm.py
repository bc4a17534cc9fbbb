"""Systems Manager as it is: it throttles, loses answers, is seen late, delivers late, tells twice.

Behind the real SsmCommandRunner. It does not check the tag of an instance, as the IAM condition on
AWS does: here our own gates must do without that second lock.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError, ConnectTimeoutError, ReadTimeoutError

from autorecovery.scripts import TOO_LATE, Script
from autorecovery.settings import DocumentVersion
from tests.prove.engine import Engine
from tests.prove.machines import Command, Machines

SEND = (
    "throttled", "denied", "fails before", "fails after", "times out before", "times out after",
    "no connection",
)  # fmt: skip
_TAKEN = ("fails after", "times out after")

FATES = (
    "delivered late", "delivered very late", "delivered very late, and takes long",
    "ran, but SSM says DeliveryTimedOut", "undeliverable",
    "never delivered", "the host dies", "exits with 1", "takes long", "hangs",
)  # fmt: skip

SIGHT = ("seen late", "seen very late")
ENDS = ("no event", "event twice", "event late", "event before the end")
READ = ("throttled", "times out")

TAKES = timedelta(seconds=4)


@dataclass
class _Record:
    command: Command
    seen_at: datetime
    ended_told: datetime | None = None


class ModelledSsm:
    """The part of an SSM client that SsmCommandRunner uses."""

    def __init__(
        self,
        engine: Engine,
        machines: Machines,
        scripts: Mapping[str, Script],
        heard: Callable[[str, str], None],
        cured: Callable[[Command], None],
    ) -> None:
        """`heard` takes the id and status of a command whose end is told to EventBridge."""
        self._engine, self._machines, self._scripts = engine, machines, scripts
        self._heard, self._cured = heard, cured
        self._records: dict[str, _Record] = {}

    def get_document(self, Name: str, DocumentFormat: str) -> Any:
        """Return the content of a document."""
        content = json.dumps(self._scripts[Name].document())
        return {"Content": content, "DocumentVersion": "1"}

    def describe_document(self, Name: str, DocumentVersion: str) -> Any:
        """Return what a document is called."""
        digest = hashlib.sha256(Name.encode()).hexdigest()
        return {
            "Document": {
                "Name": Name, "DocumentVersion": "1", "Hash": digest, "HashType": "Sha256",
            }
        }  # fmt: skip

    def send_command(self, **request: Any) -> Any:
        """Take a command, or not; answer, or not."""
        return self._engine.cross("ssm.SendCommand", lambda: self._send(request))

    def _send(self, request: Mapping[str, Any]) -> Any:
        trouble = self._trouble("ssm answers", SEND)
        if trouble == "throttled":
            raise _refusal("ThrottlingException", 400)
        if trouble == "denied":
            raise _refusal("AccessDeniedException", 400)
        if trouble == "no connection":
            raise ConnectTimeoutError(endpoint_url="ssm")
        command = self._accept(request) if trouble is None or trouble in _TAKEN else None
        if trouble in ("fails before", "fails after"):
            raise _refusal("InternalServerError", 500)
        if command is None or trouble:
            raise ReadTimeoutError(endpoint_url="ssm")
        return {"Command": {"CommandId": command.id}}

    def _accept(self, request: Mapping[str, Any]) -> Command:
        now, parameters = self._engine.now, request["Parameters"]
        number = len(self._machines.commands) + 1
        command = Command(
            id=f"{number:08x}-0000-4000-8000-000000000000",
            token=request["Comment"],
            host=request["InstanceIds"][0],
            script=request["DocumentName"],
            accepted_at=now,
            not_after=datetime.fromtimestamp(int(parameters["not_after"][0]), UTC),
            sent_by=self._engine.actor,
            begun_at=self._engine.begun.get(self._engine.actor, now),
        )
        self._machines.commands.append(command)
        self._engine.note(f"SSM takes {command.script} of {command.token}", "ssm")
        sight = self._trouble("ssm shows", SIGHT)
        delay = {"seen late": 20, "seen very late": 400}.get(sight or "", 0)
        self._records[command.id] = _Record(command, now + timedelta(seconds=delay))
        self._deliver(command, self._trouble("ssm delivers", FATES), request["TimeoutSeconds"])
        return command

    def _deliver(self, command: Command, fate: str | None, patience: float) -> None:
        fate = fate or ""
        delay = 45.0 if fate == "delivered late" else 1.0
        delay = 110.0 if "very late" in fate else delay
        if fate == "undeliverable" or not self._machines.reachable[command.host].at(
            command.accepted_at
        ):
            self._engine.after(1, "ssm", lambda: self._tell(command, "Undeliverable"))
            return
        if fate == "never delivered" or delay > patience:
            self._engine.after(patience, "ssm", lambda: self._tell(command, "DeliveryTimedOut"))
        if fate != "never delivered":
            self._engine.after(delay, "ssm", lambda: self._arrive(command, fate))

    def _arrive(self, command: Command, fate: str) -> None:
        now = self._engine.now
        if command.host in self._machines.dead:
            return
        if now.timestamp() > command.not_after.timestamp():
            self._engine.note(f"{command.script} arrives too late, does nothing", command.host)
            self._end(command, TOO_LATE)
            return
        command.starts_at, command.runs = now, command.runs + 1
        self._engine.note(f"{command.script} of {command.token} runs", command.host)
        if command.told == "Pending":
            command.told = "InProgress"
        limit = self._scripts[command.script].timeout
        if fate == "the host dies":
            self._engine.after(2, "ssm", lambda: self._die(command))
            return
        code = 1 if fate == "exits with 1" else 0
        takes = limit - timedelta(seconds=5) if "takes long" in fate else TAKES
        if fate == "hangs":
            takes, code = limit, -1
        told = "DeliveryTimedOut" if fate == "ran, but SSM says DeliveryTimedOut" else None
        if told:
            self._engine.after(1, "ssm", lambda: self._tell(command, told))
        self._engine.after(takes.total_seconds(), "ssm", lambda: self._end(command, code))

    def _die(self, command: Command) -> None:
        self._engine.note("dies for good", command.host)
        self._machines.dead[command.host] = command.ends_at = self._engine.now

    def _end(self, command: Command, code: int) -> None:
        if command.host in self._machines.dead:
            return
        command.ends_at, command.exit_code = self._engine.now, code
        if command.starts_at is not None:
            self._engine.note(f"{command.script} of {command.token} ends with {code}", command.host)
            if code == 0:
                self._cured(command)
        if command.told in ("Pending", "InProgress"):
            how = {0: "Success", -1: "ExecutionTimedOut"}.get(code, "Failed")
            self._tell(command, how)

    def _tell(self, command: Command, how: str) -> None:
        """Let the command's end be known, and EventBridge tell of it, or not, or twice."""
        command.told = how
        self._records[command.id].ended_told = self._engine.now
        trouble = self._engine.troubles.at(command.token, "end is told", ENDS)
        self._engine.note(f"SSM says {how} of {command.token}", "ssm")
        waits = {None: [1.0], "no event": [], "event twice": [1.0, 7.0], "event late": [95.0]}
        for wait in waits.get(trouble, [0.0]):
            self._engine.after(wait, f"listener {command.id[:8]}", self._ending(command, how))

    def _ending(self, command: Command, how: str) -> Callable[[], None]:
        return lambda: self._heard(command.id, how)

    def list_commands(self, InstanceId: str, MaxResults: int) -> Any:
        """Return the commands of an instance, newest first, as far as they can be seen yet."""
        return self._engine.cross("ssm.ListCommands", lambda: self._list(InstanceId, MaxResults))

    def _list(self, host: str, most: int) -> Any:
        self._read()
        found = [
            {"CommandId": each.command.id, "Comment": each.command.token}
            for each in reversed(self._records.values())
            if each.command.host == host and each.seen_at <= self._engine.now
        ]
        return {"Commands": found[:most]}

    def get_command_invocation(self, CommandId: str, InstanceId: str) -> Any:
        """Return how a command stands on an instance."""
        return self._engine.cross("ssm.GetCommandInvocation", lambda: self._invocation(CommandId))

    def _invocation(self, command_id: str) -> Any:
        self._read()
        record = self._records[command_id]
        if record.seen_at > self._engine.now:
            raise _refusal("InvocationDoesNotExist", 400)
        command = record.command
        over = record.ended_told is not None
        ended = command.ends_at if over and command.told != "DeliveryTimedOut" else None
        return {
            "StatusDetails": command.told,
            "ResponseCode": command.exit_code if over and command.exit_code is not None else -1,
            "StandardOutputContent": "done\n" if command.exit_code == 0 else "",
            "ExecutionEndDateTime": ended.isoformat() if ended else "",
        }

    def _read(self) -> None:
        trouble = self._trouble("ssm reads", READ)
        if trouble == "throttled":
            raise _refusal("ThrottlingException", 400)
        if trouble:
            raise ReadTimeoutError(endpoint_url="ssm")

    def _trouble(self, place: str, choices: tuple[str, ...]) -> str | None:
        what = self._engine.troubles.at(self._engine.actor, place, choices)
        if what:
            self._engine.note(f"{place}: {what}", "ssm")
        return what


def documents(scripts: Mapping[str, Script]) -> dict[str, DocumentVersion]:
    """Return the documents as a deployment records them."""
    return {n: DocumentVersion(name=n, sha256=s.sha256) for n, s in scripts.items()}


def _refusal(code: str, status: int) -> ClientError:
    answer: Any = {
        "Error": {"Code": code, "Message": code},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(answer, "SSM")
