"""Entry point of delivery: notices from the channels' queues, digests by the clock, and tries.

A message that could not be delivered now stays in its queue, hidden until its next time; the other
messages of the delivery are not repeated for it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from autorecovery.adapters.aws.notice_queues import NoticeQueues, Waiting
from autorecovery.bootstrap import notices
from autorecovery.delivery.deliver import WAITS_ALONE, Courier, Passed, deliver
from autorecovery.delivery.trial import Tried, try_channels
from autorecovery.errors import AutoRecoveryError
from autorecovery.observability import logger, report_delivery
from autorecovery.settings import environment


@dataclass(frozen=True)
class Sender:
    """What is needed to deliver what waits."""

    courier: Courier
    queues: NoticeQueues
    digest: Callable[[str, str], Any]
    """Takes a channel's name and a period."""
    report: Callable[[Passed], None]
    rests: dict[str, datetime] = field(default_factory=dict)
    """Until when a channel wants to be left alone, as long as this container lives."""


def handle(event: Mapping[str, Any], app: Sender) -> dict[str, Any]:
    """Return which messages must come again, or what came of a digest or a try."""
    if "digest" in event:
        app.digest(str(event["channel"]), str(event["digest"]))
        return {"digest": event["digest"], "channel": event["channel"]}
    if "try" in event:
        return {"tried": [_told(each) for each in try_channels(event["try"], app.courier)]}
    return {"batchItemFailures": _deliver_all(event.get("Records", ()), app)}


def _deliver_all(records: Sequence[Mapping[str, Any]], app: Sender) -> list[dict[str, str]]:
    again = []
    for record in records:
        waiting = app.queues.read(record)
        pause = _rest(waiting.via, app)
        if pause is None:
            passed = _deliver(waiting, app)
            app.report(passed)
            pause = passed.again_in
            _let_rest(passed, app)
        if pause is not None:
            again.append({"itemIdentifier": waiting.message_id})
            _hide(waiting, pause, app)
    return again


def _rest(via: str, app: Sender) -> timedelta | None:
    """Return for how long this channel still wants to be left alone: a try would be lost on it."""
    left = app.rests.get(via, app.courier.clock()) - app.courier.clock()
    return left if left > timedelta(0) else None


def _let_rest(passed: Passed, app: Sender) -> None:
    # Not for long: what must arrive has to be refused once, before another channel tells it.
    if passed.channel_rests and passed.again_in is not None:
        app.rests[passed.via] = app.courier.clock() + min(passed.again_in, WAITS_ALONE)


def _deliver(waiting: Waiting, app: Sender) -> Passed:
    if not waiting.notice_id:
        return Passed("", waiting.via, "a message that names no notice")
    try:
        return deliver(waiting.notice_id, waiting.via, app.courier)
    except Exception as error:  # noqa: BLE001  one message must not fail the others
        told = f"{type(error).__name__}: {error}"
        return Passed(waiting.notice_id, waiting.via, told, again_in=app.courier.patience)


def _hide(waiting: Waiting, pause: timedelta, app: Sender) -> None:
    try:
        app.queues.hide(waiting, pause)
    except AutoRecoveryError as error:  # it comes again when the queue's own time is over
        app.report(Passed(waiting.notice_id, waiting.via, str(error)))


def _told(tried: Tried) -> dict[str, Any]:
    return {"channel": tried.channel, "ok": tried.ok, "text": tried.text}


@cache
def _sender() -> Sender:
    log = logger("notice_sender", environment().get("LOG_LEVEL", "INFO"))
    return Sender(
        courier=notices.courier(),
        queues=notices.queues(),
        digest=notices.send_digest,
        report=lambda passed: report_delivery(passed.via, passed.outcome, _facts(passed), log),
    )


def _facts(passed: Passed) -> dict[str, Any]:
    again = passed.again_in.total_seconds() if passed.again_in is not None else None
    return {"notice": passed.notice_id, "text": passed.text, "again_in_seconds": again}


def lambda_handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """Answer Lambda."""
    return handle(event, _sender())
