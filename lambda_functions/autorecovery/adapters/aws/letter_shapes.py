"""Whatever lies in the dead-letter queue, read as a letter.

Six hands put messages there, each in a shape of its own:

* triage, what it did not understand, and delivery, what a channel did not take
  (`adapters/aws/dead_letters.py`);
* the queue of a channel, or the topic before it, a notice that nobody got to deliver;
* Lambda, the record of an invocation that failed for good
  (AWS: "Capturing records of Lambda asynchronous invocations");
* Lambda, the payload of a durable execution that failed, reasons in the attributes
  (AWS: "Adding a dead-letter queue");
* EventBridge, the event, reasons in the attributes (AWS: "Using dead-letter queues to process
  undelivered events");
* SNS, what a subscription could not deliver (AWS: "Amazon SNS dead-letter queues").

Nothing in a message is trusted: what it holds goes through triage like any other delivery.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from autorecovery.models.letter import Destination, Letter, put_aside

ABOUT_OURSELVES = "AutoRecovery itself: "
"""How alarms about us are described (`infra/topics.py`): they are for people, not for triage."""

COMMAND_ENDS = (
    "EC2 Command Status-change Notification",
    "EC2 Command Invocation Status-change Notification",
)

LONGEST_REASON = 1_000

TOO_OLD = "it waited too long for its turn and was given up"
CONDITIONS = {
    "EventAgeExceeded": TOO_OLD,
    "MaximumEventAgeInSeconds": TOO_OLD,
    "RetriesExhausted": "it failed every time",
    "MaximumRetryAttempts": "it failed every time",
}
"""What Lambda and EventBridge call the reason to give up, in our words."""

NOTICE = "it is a notice that did not arrive; read it, there is nothing to do again"
NEWS = "it is an alarm about AutoRecovery that did not arrive; read it and look after it"
DIGEST = "it is a digest that was not made; the next one comes by the clock"
UNREAD = "it was received too often, and nobody could deliver it"
UNKNOWN_SENDER = "an unknown sender"
NO_REASON = "no reason was given"


@dataclass(frozen=True, slots=True)
class Message:
    """One message of the queue, as SQS hands it out."""

    id: str
    body: str
    sent_at: datetime
    attributes: Mapping[str, str]
    handle: str = ""


def read_message(message: Message) -> Letter:
    """Return the letter in a message; where it cannot be unwrapped, its obstacle says so."""
    try:
        content = json.loads(message.body)
    except (ValueError, RecursionError):
        letter = _unreadable(message)
    else:
        letter = _read(content, message)
    why = letter.why[:LONGEST_REASON] or NO_REASON
    return replace(letter, why=why, handle=message.handle)


def _read(content: Any, message: Message) -> Letter:
    if isinstance(content, dict):
        if {"why", "at", "event"} <= content.keys():
            return _stranger(content, message)
        if isinstance(context := content.get("requestContext"), dict):
            return _failed_invocation(content, context, message)
        if content.get("Type") == "Notification" and "TopicArn" in content:
            return _undelivered_notification(content, message)
        if isinstance(content.get("id"), str) and (named := _channels_in(message)):
            event = {"notice_id": content["id"], "channels": named}
            why = _told_by_attributes(message) or UNREAD
            return put_aside(message.id, message.sent_at, why, event, cut=False)
    if "RULE_ARN" in message.attributes or "TARGET_ARN" in message.attributes:
        return _undelivered_event(content, message)
    return _payload(content, message)


def _channels_in(message: Message) -> list[str]:
    """Return the channels that a notice was meant for, as its sender named them."""
    try:
        named = json.loads(message.attributes.get("channels", ""))
    except (ValueError, RecursionError):
        return []
    return [each for each in named if isinstance(each, str)] if isinstance(named, list) else []


def _stranger(content: Mapping[str, Any], message: Message) -> Letter:
    cut = bool(content.get("cut"))
    at = _moment(content["at"]) or message.sent_at
    return put_aside(message.id, at, str(content["why"]), content["event"], cut=cut)


def _failed_invocation(
    content: Mapping[str, Any], context: Mapping[str, Any], message: Message
) -> Letter:
    event = content.get("requestPayload")
    destination, obstacle = _whose(event)
    return Letter(
        message.id,
        _moment(content.get("timestamp")) or message.sent_at,
        f"function {_name_of(context.get('functionArn'))}",
        _joined(_condition(context.get("condition")), _error(content.get("responsePayload"))),
        event,
        destination,
        obstacle,
    )


def _undelivered_event(content: Any, message: Message) -> Letter:
    told = message.attributes
    destination, obstacle = _whose(content)
    return Letter(
        message.id,
        message.sent_at,
        f"EventBridge rule {_name_of(told.get('RULE_ARN'))}",
        _joined(
            _condition(told.get("EXHAUSTED_RETRY_CONDITION")),
            told.get("ERROR_CODE"),
            told.get("ERROR_MESSAGE"),
        ),
        content,
        destination,
        obstacle,
    )


def _undelivered_notification(content: Mapping[str, Any], message: Message) -> Letter:
    source = f"SNS topic {_name_of(content.get('TopicArn'))}"
    why = _told_by_attributes(message)
    if obstacle := _is_for_people(content.get("Message")):
        return Letter(
            message.id, message.sent_at, source, why, content, Destination.NOBODY, obstacle
        )
    event = {"Records": [{"EventSource": "aws:sns", "Sns": content}]}
    return Letter(message.id, message.sent_at, source, why, event, Destination.TRIAGE)


def _is_for_people(text: object) -> str:
    """Return why a message of a topic is nothing for triage; empty where it is an alarm."""
    try:
        alarm = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        alarm = None
    if not isinstance(alarm, dict) or "AlarmName" not in alarm:
        return NOTICE
    return NEWS if _is_about_ourselves(alarm) else ""


def _is_about_ourselves(alarm: Mapping[str, Any]) -> bool:
    return str(alarm.get("AlarmDescription")).startswith(ABOUT_OURSELVES)


def _payload(content: Any, message: Message) -> Letter:
    """Return the letter of a bare payload: the attributes tell why, and hardly who."""
    destination, obstacle = _whose(content)
    if isinstance(content, dict) and _is_about_ourselves(content):
        destination, obstacle = Destination.NOBODY, NEWS
    source = "incident responder" if destination is Destination.RESPONSE else UNKNOWN_SENDER
    why = _told_by_attributes(message)
    return Letter(message.id, message.sent_at, source, why, content, destination, obstacle)


def _unreadable(message: Message) -> Letter:
    why = _told_by_attributes(message)
    obstacle = "it is not JSON: a notice that did not arrive, or no event at all"
    return Letter(
        message.id, message.sent_at, UNKNOWN_SENDER, why, message.body, Destination.NOBODY, obstacle
    )


def _whose(event: object) -> tuple[Destination, str]:
    """Return who was to have this event: told by the event itself, as names of functions vary."""
    if not isinstance(event, dict | list):
        return Destination.NOBODY, "it holds no event"
    if isinstance(event, dict):
        if event.keys() == {"incident_id"} and isinstance(event["incident_id"], str):
            return Destination.RESPONSE, ""
        if event.get("detail-type") in COMMAND_ENDS:
            return Destination.COMMAND_END, ""
        if event.keys() == {"digest", "channel"}:
            return Destination.NOBODY, DIGEST
    return Destination.TRIAGE, ""


def _told_by_attributes(message: Message) -> str:
    told = message.attributes
    return _joined(told.get("ErrorCode"), told.get("ErrorMessage"))


def _error(payload: object) -> str:
    if not isinstance(payload, dict):
        return ""
    return _joined(payload.get("errorType"), payload.get("errorMessage"))


def _condition(name: object) -> str:
    return CONDITIONS.get(str(name), str(name or ""))


def _joined(*parts: object) -> str:
    return ": ".join(str(part) for part in parts if part)


def _name_of(arn: object) -> str:
    """Return what an ARN names, such as the function of `arn:…:function:NAME:$LATEST`."""
    if not isinstance(arn, str) or not arn:
        return "unknown"
    parts = arn.split(":", 5)
    named = parts[5] if len(parts) > 5 else arn
    named = named.removeprefix("function:").partition(":")[0]
    return named.rpartition("/")[2]


def _moment(text: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    if moment is None:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
