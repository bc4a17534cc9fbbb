"""What `notify` does: messages tried, sent, and looked back at."""

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from autorecovery.delivery.trial import Tried, try_message
from autorecovery.delivery.trial import try_channels as try_each
from autorecovery.errors import NoticeError
from autorecovery.models.delivery import Delivery, Record
from autorecovery.models.notice import INCIDENTS, Notice
from autorecovery.models.reason import Level
from autorecovery.notices.compose import message
from autorecovery.notices.fitting import one_line
from autorecovery.notices.text import Wording, sns_message, subject_line
from autorecovery.ports import Noticeboard
from command_line import stores
from command_line.controls import duration
from command_line.exit_codes import ExitCode
from command_line.failures import Failure
from command_line.output import print_json, print_lines, print_table

TOPIC = "sns"
"""What the topic is called where it stands among channels."""

PRODUCER = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")
LONGEST_TITLE = 200
LONGEST_STDIN = 1_000_000


def try_channels(
    channel: str | None,
    config: Path,
    stack: str | None,
    variables: Mapping[str, str],
    *,
    as_json: bool,
) -> None:
    """Send a message through these channels, and tell what each said."""
    tried = (
        _try_deployed(channel, stack) if stack else _try_here(channel, config, variables)
    )  # fmt: skip
    if as_json:
        told = [{"channel": each.channel, "ok": each.ok, "text": each.text} for each in tried]
        print_json({"tried": told})
    else:
        print_lines(*(f"{each.channel}: {each.text}" for each in tried))
    if failed := [each.channel for each in tried if not each.ok]:
        raise Failure(ExitCode.PROBLEMS_FOUND, f"not delivered by: {', '.join(failed)}")


def _try_here(channel: str | None, config: Path, variables: Mapping[str, str]) -> list[Tried]:
    from command_line.configuration import resolve
    from local_runtime.post_office import channels_of, courier

    configuration = resolve(config, variables).configuration
    names = [channel] if channel else list(configuration.notify.channels)
    if not names:
        raise Failure(ExitCode.PROBLEMS_FOUND, f"{config} configures no channel: notify.channels")
    database = stores.database(variables, create=True)
    found = channels_of(configuration, database, variables, stores.now)
    return try_each(names, courier(configuration, database, found, stores.now))


def _try_deployed(channel: str | None, stack: str) -> list[Tried]:
    tried = []
    if channel in (None, TOPIC):
        tried.append(_try_topic(stack))
    names = [channel] if channel else list(stores.notice_queues(stack).names)
    names = [name for name in names if name != TOPIC]
    return tried + (_try_by_sender(names, stack) if names else [])


def _try_topic(stack: str) -> Tried:
    try:
        _board(stack, [], go_around=False).post(try_message(TOPIC, stores.now()))
    except NoticeError as error:
        return Tried(TOPIC, False, str(error))
    return Tried(TOPIC, True, "taken; mail comes where the subscription is confirmed")


def _try_by_sender(names: Sequence[str], stack: str) -> list[Tried]:
    from autorecovery.adapters.aws import clients
    from autorecovery.adapters.aws.functions import DeployedFunction

    arn = stores.outputs(stack, stores.SENDER)[0]
    if not arn.startswith("arn:"):
        told = f"stack {stack!r} has no channels; configure them under notify.channels, and deploy"
        raise Failure(ExitCode.PROBLEMS_FOUND, told)
    return ask(DeployedFunction(clients.lambda_answering(), "NoticeSender", arn), names)


def ask(sender: Callable[[object], Mapping[str, Any]], names: Sequence[str]) -> list[Tried]:
    """Return what the channels said to the deployed function that sends."""
    answer = sender({"try": list(names)})
    return [
        Tried(str(each["channel"]), bool(each["ok"]), str(each["text"])) for each in answer["tried"]
    ]


def send(
    producer: str,
    level: str,
    title: str,
    message: str,
    stack: str | None,
    variables: Mapping[str, str],
    *,
    as_json: bool,
) -> None:
    """Write a message down, and have people told."""
    text = sys.stdin.read(LONGEST_STDIN) if message == "-" else message
    notice = _message(_producer(producer), _level(level), title, text, stores.now())
    told = _send_deployed(notice, stack) if stack else _send_here(notice, variables)
    if as_json:
        print_json({"id": notice.id, "text": told})
    else:
        print_lines(f"{notice.id}: {told}")


def _send_here(notice: Notice, variables: Mapping[str, str]) -> str:
    stores.notice_log(None, variables, create=True).record(notice)
    return "recorded; the program that watches this machine tells it"


def _send_deployed(notice: Notice, stack: str) -> str:
    try:
        _board(stack, stores.notice_queues(stack).names, go_around=True).post(notice)
    except NoticeError as error:
        raise Failure(
            ExitCode.PROBLEMS_FOUND, f"{notice.id} is recorded, and nobody took it: {error}"
        ) from error
    return "recorded, and taken by the topic or the queues of the channels"


def _board(stack: str, names: Sequence[str], *, go_around: bool) -> Noticeboard:
    """Return a stack's topic; for each of these channels the sender finds out whether it is for it.

    How a subject begins is for the stack's own notices: here the configuration is not at hand.
    """
    from autorecovery.adapters.aws import clients
    from autorecovery.adapters.aws.notices import SnsNoticeboard
    from autorecovery.delivery.board import RecordedBoard

    words = Wording()
    topic = SnsNoticeboard(
        clients.sns(),
        stores.outputs(stack, stores.TOPIC)[0],
        lambda notice: subject_line(notice, words),
        lambda notice: sns_message(notice, words),
        lambda notice: names,
    )

    def around(notice: Notice) -> Sequence[str]:
        return stores.notice_queues(stack).put_all(notice.id, names)

    log = stores.notice_log(stack, {})
    return RecordedBoard(topic, TOPIC, log, stores.now, around if go_around else None)


def list_notices(
    stack: str | None,
    variables: Mapping[str, str],
    *,
    producer: str | None,
    level: str | None,
    since: str | None,
    limit: int,
    as_json: bool,
) -> None:
    """Print what was told, the newest first."""
    found = stores.notice_log(stack, variables).query(
        producer=producer,
        level=_level(level) if level else None,
        since=stores.now() - duration(since, "--since") if since else None,
        limit=limit,
    )
    if as_json:
        print_json({"notices": [_as_json(record) for record in found]})
        return
    print_table(
        [_row(record) for record in found],
        ("sent (UTC)", "level", "channel", "title", "delivered via", "outcome"),
    )
    for record in found:
        print_lines(*(_trouble(record.notice, each) for each in record.deliveries if each.detail))


def _row(record: Record) -> tuple[str, ...]:
    notice = record.notice
    return (
        f"{notice.at:%Y-%m-%d %H:%M:%S}", str(notice.level), notice.producer,
        notice.headline[:80], ", ".join(record.delivered_via), record.outcome,
    )  # fmt: skip


def _trouble(notice: Notice, delivery: Delivery) -> str:
    return f"{notice.id} via {delivery.via}: {delivery.outcome}, {delivery.detail}"


def _as_json(record: Record) -> dict[str, Any]:
    notice = record.notice
    return {
        "id": notice.id,
        "sent_at": notice.at.isoformat(),
        "channel": notice.producer,
        "delivered_via": list(record.delivered_via),
        "level": notice.level,
        "title": notice.headline,
        "message": "\n".join(notice.lines),
        "outcome": record.outcome,
        "suppressed": record.suppressed or None,
        "incident": notice.incident_id or None,
        "deliveries": [
            {
                "via": each.via, "outcome": each.outcome, "at": each.at.isoformat(),
                "tries": each.tries, "detail": each.detail or None,
            }
            for each in record.deliveries
        ],
    }  # fmt: skip


def _producer(name: str) -> str:
    if not PRODUCER.fullmatch(name) or name == INCIDENTS:
        raise Failure(
            ExitCode.USAGE,
            f"--channel: {name[:80]!r} names no teller; letters, digits, _ . - after a letter,"
            f" and not {INCIDENTS}",
        )
    return name


def _level(name: str) -> Level:
    try:
        return Level(name.lower())
    except ValueError:
        known = ", ".join(Level)
        raise Failure(ExitCode.USAGE, f"--level: {name[:80]!r} is none of {known}") from None


def _message(producer: str, level: Level, title: str, text: str, now: datetime) -> Notice:
    if not one_line(title):
        raise Failure(ExitCode.USAGE, "--title: say in a line what it is about")
    return message(producer, level, title[:LONGEST_TITLE], text, now)
