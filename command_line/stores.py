"""Where the command reads from: a deployed stack's table, or this machine's own database."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autorecovery.models.incident import Incident
from command_line.exit_codes import ExitCode
from command_line.failures import Failure

if TYPE_CHECKING:
    from autorecovery.adapters.aws.notice_queues import NoticeQueues
    from autorecovery.adapters.sqlite.database import Database
    from autorecovery.people import People
    from autorecovery.ports import (
        AttemptLog,
        Controls,
        DeadLetterBox,
        IncidentLog,
        NoticeLog,
        ResponseStarter,
        SpendingLog,
    )
    from autorecovery.replay import Addressees

TABLE, QUEUE = "TableName", "DeadLetterQueueUrl"
TRIAGE, LISTENER, RESPONDER = "MetricProcessorArn", "CommandListenerArn", "IncidentResponderArn"
TOPIC, CHANNELS, SENDER = "NoticeTopicArn", "NoticeChannels", "NoticeSenderArn"
OUTPUTS = (TABLE, QUEUE, TRIAGE, LISTENER, RESPONDER, TOPIC, CHANNELS, SENDER)
"""What is read of a deployed stack (`infra/stack.py` tells it)."""

SEARCHED = 1000
"""Newest incidents among which a shortened id is looked for."""


def incident_log(
    stack: str | None, variables: Mapping[str, str], *, create: bool = False
) -> "IncidentLog":
    """Return the memory of incidents, of a stack or of this machine; `create` begins one here."""
    return _deployed(stack) if stack else _local(variables, create=create)


def find(wanted: str, log: "IncidentLog") -> Incident:
    """Return the incident of this id, of this unique end of an id, or the `last` one."""
    if exact := log.get(wanted):
        return exact
    recent = log.recent(SEARCHED)
    if wanted == "last":
        matching = list(recent[:1])
    else:
        matching = [incident for incident in recent if incident.id.endswith(wanted)]
    if len(matching) == 1:
        return matching[0]
    if matching:
        ids = ", ".join(incident.id for incident in matching[:5])
        raise Failure(ExitCode.USAGE, f"{wanted!r} is the end of several incidents: {ids}")
    raise Failure(
        ExitCode.PROBLEMS_FOUND,
        f"no incident {wanted!r}; `autorecovery incidents list` shows what there is",
    )


def controls(stack: str | None, variables: Mapping[str, str]) -> "Controls":
    """Return what people said while the system runs, of a stack or of this machine."""
    if stack:
        from autorecovery.adapters.aws import clients
        from autorecovery.adapters.aws.controls import DynamoDbControls

        return DynamoDbControls(clients.dynamodb(), _table(stack))
    from autorecovery.adapters.sqlite.controls import SqliteControls

    return SqliteControls(database(variables, create=True))


def attempt_log(stack: str | None, variables: Mapping[str, str]) -> "AttemptLog":
    """Return the memory of what was run where, of a stack or of this machine."""
    if stack:
        from autorecovery.adapters.aws import clients
        from autorecovery.adapters.aws.attempt_log import DynamoDbAttemptLog

        return DynamoDbAttemptLog(clients.dynamodb(), _table(stack))
    from autorecovery.adapters.sqlite.attempt_log import SqliteAttemptLog

    return SqliteAttemptLog(database(variables))


def responses(stack: str | None, variables: Mapping[str, str]) -> "ResponseStarter":
    """Return what starts and wakes responses: on AWS the deployed function, here a mailbox."""
    if stack:
        from autorecovery.adapters.aws import clients
        from autorecovery.adapters.aws.responses import DurableResponses

        return DurableResponses(clients.lambda_(), *outputs(stack, RESPONDER))
    from autorecovery.adapters.sqlite.mailbox import Mailbox

    return Mailbox(database(variables, create=True))


def dead_letters(stack: str | None, variables: Mapping[str, str]) -> "DeadLetterBox":
    """Return what could not be processed, of a stack or of this machine."""
    if stack:
        from autorecovery.adapters.aws import clients
        from autorecovery.adapters.aws.dead_letter_box import SqsDeadLetterBox

        return SqsDeadLetterBox(clients.sqs(), outputs(stack, QUEUE)[0])
    from autorecovery.adapters.sqlite.dead_letters import SqliteDeadLetters

    return SqliteDeadLetters(database(variables))


def addressees(stack: str | None, variables: Mapping[str, str], config: Path) -> "Addressees":
    """Return who gets replayed letters: a stack's functions, or triage on this machine."""
    from autorecovery.replay import Addressees

    if not stack:
        return Addressees(
            triage=_triage_here(variables, config),
            # Only triage puts letters aside here: nobody else is ever asked.
            command_ends=lambda event: None,
            start_response=lambda incident_id: "",
            incidents=_local(variables, create=False),
            tell=partial(_tell_again, stack, variables),
        )
    from autorecovery.adapters.aws import clients
    from autorecovery.adapters.aws.functions import DeployedFunction, DeployedResponses

    client = clients.lambda_answering()
    triage, listener, responder = outputs(stack, TRIAGE, LISTENER, RESPONDER)
    return Addressees(
        triage=DeployedFunction(client, "MetricProcessor", triage),
        command_ends=DeployedFunction(client, "CommandListener", listener),
        start_response=DeployedResponses(client, responder).start,
        incidents=_deployed(stack),
        tell=partial(_tell_again, stack, variables),
    )


def notice_log(
    stack: str | None, variables: Mapping[str, str], *, create: bool = False
) -> "NoticeLog":
    """Return the memory of notices, of a stack or of this machine; `create` begins one here."""
    if stack:
        from autorecovery.adapters.aws import clients
        from autorecovery.adapters.aws.notice_log import DynamoDbNoticeLog

        return DynamoDbNoticeLog(clients.dynamodb(), _table(stack), now)
    from autorecovery.adapters.sqlite.notice_log import SqliteNoticeLog

    return SqliteNoticeLog(database(variables, create=create))


def notice_queues(stack: str) -> "NoticeQueues":
    """Return the queues of a deployed stack's channels."""
    from autorecovery.adapters.aws import clients
    from autorecovery.adapters.aws.notice_queues import NoticeQueues

    return NoticeQueues(clients.sqs(), json.loads(outputs(stack, CHANNELS)[0]))


def _tell_again(
    stack: str | None, variables: Mapping[str, str], notice_id: str, channels: Sequence[str]
) -> str:
    from autorecovery.delivery.again import tell_again

    # On this machine what is recorded is due; nobody has to be told of it.
    hand_on = notice_queues(stack).put if stack else lambda notice_id, via: None
    return tell_again(notice_id, channels, notice_log(stack, variables), hand_on, now)


def now() -> datetime:
    """Return the present time."""
    return datetime.now(UTC)


def spending(stack: str | None, variables: Mapping[str, str]) -> "SpendingLog":
    """Return the memory of what models cost, of a stack or of this machine."""
    if stack:
        from autorecovery.adapters.aws import clients
        from autorecovery.adapters.aws.spending import DynamoDbSpending

        return DynamoDbSpending(clients.dynamodb(), _table(stack))
    from autorecovery.adapters.sqlite.spending import SqliteSpending

    return SqliteSpending(database(variables))


def _triage_here(variables: Mapping[str, str], config: Path) -> Callable[[object], dict[str, Any]]:
    from autorecovery.errors import StoreError
    from autorecovery.triage.run import triage
    from command_line.configuration import resolve
    from local_runtime.machine import home, passing_triage

    app = passing_triage(resolve(config, variables).configuration, home(variables))

    def deliver(event: object) -> dict[str, Any]:
        outcome = triage(event, app)
        app.report(outcome)
        if outcome.failures:
            raise StoreError("; ".join(outcome.failures), retryable=True)
        return outcome.as_dict()

    return deliver


def outputs_of(stack: str) -> dict[str, str]:
    """Return all that a deployed stack tells of itself."""
    from autorecovery.adapters.aws import clients

    with _readable(stack):
        described = clients.cloudformation().describe_stacks(StackName=stack)["Stacks"][0]
    told = described.get("Outputs", [])
    return {each.get("OutputKey", ""): each.get("OutputValue", "") for each in told}


def outputs(stack: str, *names: str) -> list[str]:
    """Return what a deployed stack tells under these names."""
    told = outputs_of(stack)
    if missing := [name for name in names if name not in told]:
        raise Failure(
            ExitCode.ENVIRONMENT,
            f"stack {stack!r} has no output {', '.join(missing)}: deploy this version of it first",
        )
    return [told[name] for name in names]


def people_of(stack: str | None, variables: Mapping[str, str], *, new: bool = False) -> "People":
    """Return what a person's word is written to; `new` begins a memory where there is none."""
    from autorecovery.people import People

    return People(
        incident_log(stack, variables, create=new),
        controls(stack, variables),
        responses(stack, variables),
        now,
    )


def _local(variables: Mapping[str, str], *, create: bool) -> "IncidentLog":
    from autorecovery.adapters.sqlite.incident_log import SqliteIncidentLog

    return SqliteIncidentLog(database(variables, create=create))


def database(variables: Mapping[str, str], *, create: bool = False) -> "Database":
    """Return this machine's database; Failure where there is none and none is begun."""
    from autorecovery.adapters.sqlite.database import Database
    from local_runtime.machine import DATABASE, home

    path = home(variables) / DATABASE
    if not create and not path.exists():
        raise Failure(
            ExitCode.ENVIRONMENT,
            f"this machine has no incidents yet: {path} does not exist."
            " For a deployed stack say --stack NAME.",
        )
    return Database(path)


def _deployed(stack: str) -> "IncidentLog":
    from autorecovery.adapters.aws import clients
    from autorecovery.adapters.aws.incident_log import DynamoDbIncidentLog

    return DynamoDbIncidentLog(clients.dynamodb(), _table(stack))


def _table(stack: str) -> str:
    """Return the name of a deployed stack's table."""
    return outputs(stack, TABLE)[0]


@contextmanager
def _readable(stack: str) -> Iterator[None]:
    """Tell in our words why a stack cannot be read."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise Failure(
            ExitCode.ENVIRONMENT,
            f"stack {stack!r} cannot be read: {error}. Are credentials and region set?",
        ) from error
