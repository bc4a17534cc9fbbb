"""Every shape a message of the dead-letter queue can have, and what it says as a letter."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from autorecovery.adapters.aws import letter_shapes
from autorecovery.adapters.aws.letter_shapes import NOTICE, TOO_OLD, read_message
from autorecovery.models.letter import Destination
from infra import topics
from tests.dead_letter_messages import (
    INCIDENT,
    REFUSED,
    RESPONDER,
    SENT,
    TOPIC,
    UNDELIVERED,
    failed_invocation,
    message,
    notification,
    sample,
    sns_alarm,
    stranger,
)


def test_what_triage_put_aside_is_read_with_its_reason_and_time() -> None:
    letter = read_message(message(stranger({"kind": "order"})))
    assert (letter.source, letter.why) == ("triage did not understand it", "unknown shape")
    assert letter.at == datetime(2026, 1, 15, 3, 4, tzinfo=UTC)
    assert (letter.event, letter.destination) == ({"kind": "order"}, Destination.TRIAGE)
    assert (letter.id, letter.handle) == ("6fa0b4c2-1111-4222-8333-944455556666", "handle-1")


def test_what_was_cut_when_it_was_kept_cannot_be_replayed() -> None:
    letter = read_message(message(stranger('{"beginning', cut=True)))
    assert letter.destination is Destination.NOBODY
    assert "too long to be kept whole" in letter.obstacle


def test_an_invocation_that_failed_holds_the_event_and_the_error() -> None:
    event = sample("cpu_high")
    letter = read_message(message(failed_invocation(event)))
    assert letter.source == "function AutoRecovery-MetricProcessor-Ab1"
    assert letter.why == "it failed every time: StoreError: open: ProvisionedThroughputExceeded"
    assert letter.at == datetime(2026, 1, 15, 3, 9, 58, 416000, tzinfo=UTC)
    assert (letter.event, letter.destination, letter.obstacle) == (event, Destination.TRIAGE, "")


def test_an_invocation_that_waited_too_long_failed_without_an_error() -> None:
    record = failed_invocation(sample("cpu_high"), "EventAgeExceeded")
    assert read_message(message(record)).why == TOO_OLD


def test_a_reason_that_nobody_foresaw_is_told_as_it_is() -> None:
    record = failed_invocation(sample("cpu_high"), "ZeroReservedConcurrency")
    assert read_message(message(record)).why == "ZeroReservedConcurrency"


def test_a_record_without_its_event_cannot_be_replayed() -> None:
    letter = read_message(message(failed_invocation(None)))
    assert (letter.destination, letter.obstacle) == (Destination.NOBODY, "it holds no event")


@pytest.mark.parametrize("name", ["ssm_command_success", "ssm_command_summary_success"])
def test_the_end_of_a_command_goes_to_who_listens_for_it(name: str) -> None:
    letter = read_message(message(failed_invocation(sample(name))))
    assert letter.destination is Destination.COMMAND_END


def test_a_response_that_could_not_be_started_is_one_by_its_record() -> None:
    record = failed_invocation({"incident_id": INCIDENT})
    record["requestContext"]["functionArn"] = RESPONDER
    letter = read_message(message(record))
    assert letter.source == "function AutoRecovery-IncidentResponder-Cd2"
    assert letter.destination is Destination.RESPONSE


def test_a_durable_execution_that_failed_is_its_payload_with_the_reason_beside() -> None:
    letter = read_message(message({"incident_id": INCIDENT}, **REFUSED))
    assert (letter.source, letter.why) == ("incident responder", "403: the address bounced")
    assert (letter.event, letter.destination) == ({"incident_id": INCIDENT}, Destination.RESPONSE)
    assert letter.at == SENT


@pytest.mark.parametrize("event", [{"incident_id": 5}, {"incident_id": INCIDENT, "value": 1}])
def test_what_only_mentions_an_incident_is_an_event_like_any(event: dict[str, Any]) -> None:
    assert read_message(message(event)).destination is Destination.TRIAGE


@pytest.mark.parametrize(
    ("condition", "why"),
    [
        ("", "NO_PERMISSIONS: not authorized to invoke the function"),
        (
            "MaximumEventAgeInSeconds",
            f"{TOO_OLD}: NO_PERMISSIONS: not authorized to invoke the function",
        ),
        (
            "MaximumRetryAttempts",
            "it failed every time: NO_PERMISSIONS: not authorized to invoke the function",
        ),
    ],
)
def test_what_eventbridge_could_not_deliver_is_the_event_with_the_reason_beside(
    condition: str, why: str
) -> None:
    event = sample("ec2_instance_stopped")
    told = {**UNDELIVERED, "EXHAUSTED_RETRY_CONDITION": condition}
    letter = read_message(message(event, **told))
    assert letter.source == "EventBridge rule AutoRecovery-EventsInstanceState-Q"
    assert letter.why == why
    assert (letter.event, letter.destination) == (event, Destination.TRIAGE)


def test_an_alarm_that_a_topic_could_not_deliver_is_given_to_triage_as_the_topic_would() -> None:
    told = notification(sns_alarm())
    letter = read_message(message(told, **REFUSED))
    assert (letter.source, letter.why) == ("SNS topic shop-alarms", "403: the address bounced")
    assert letter.event == {"Records": [{"EventSource": "aws:sns", "Sns": told}]}
    assert (letter.destination, letter.obstacle) == (Destination.TRIAGE, "")


def test_an_alarm_delivered_raw_is_an_event_as_it_is() -> None:
    letter = read_message(message(sns_alarm(), **REFUSED))
    assert (letter.destination, letter.why) == (Destination.TRIAGE, "403: the address bounced")


@pytest.mark.parametrize("raw", [True, False])
def test_an_alarm_about_ourselves_is_for_people(raw: bool) -> None:
    text = sns_alarm(AlarmDescription=f"{letter_shapes.ABOUT_OURSELVES}the triage failed.")
    letter = read_message(message(text if raw else notification(text), **REFUSED))
    assert letter.destination is Destination.NOBODY
    assert "alarm about AutoRecovery" in letter.obstacle


def test_the_stack_describes_its_own_alarms_so() -> None:
    assert letter_shapes.ABOUT_OURSELVES == topics.ABOUT_OURSELVES


@pytest.mark.parametrize("text", ["web-1: CPU at 97 %", '{"default": "x"}', "[" * 100_000])
def test_a_notice_that_no_mailbox_took_is_for_people_and_never_for_triage(text: str) -> None:
    letter = read_message(message(notification(text), **REFUSED))
    assert (letter.destination, letter.obstacle) == (Destination.NOBODY, NOTICE)
    assert TOPIC.endswith(letter.source.removeprefix("SNS topic "))


@pytest.mark.parametrize("body", ["web-1: CPU at 97 %", "", "{", "[" * 100_000])
def test_what_is_not_json_is_shown_and_says_that_it_cannot_be_replayed(body: str) -> None:
    letter = read_message(message(body))
    assert (letter.event, letter.destination) == (body, Destination.NOBODY)
    assert (letter.why, "not JSON" in letter.obstacle) == ("no reason was given", True)


@pytest.mark.parametrize("body", [5, None, "text", True])
def test_a_bare_value_is_no_event(body: object) -> None:
    assert read_message(message(json.dumps(body))).obstacle == "it holds no event"


@pytest.mark.parametrize(
    "body",
    [
        {"requestContext": {}},
        {"requestContext": {"functionArn": 5, "condition": []}, "requestPayload": {}},
        {"requestContext": {}, "responsePayload": "text", "requestPayload": [], "timestamp": 1},
        {"why": None, "at": "yesterday", "event": None},
        {"why": ["x" * 5000], "at": "2026-01-15T03:04:00", "event": {}},
        {"Type": "Notification", "TopicArn": None},
        {"Type": "Notification", "TopicArn": "", "Message": 5},
    ],
)
def test_no_message_is_too_strange_to_be_read(body: dict[str, Any]) -> None:
    letter = read_message(message(body))
    assert letter.at.tzinfo is not None
    assert 0 < len(letter.why) <= letter_shapes.LONGEST_REASON


# Notices


NOTICE_BODY = {"schema_version": 1, "id": "inc-1-opened-1", "headline": "sick", "lines": []}


def test_a_notice_that_a_channel_gave_up_names_both() -> None:
    given_up = {"notice_id": "n", "channels": ["slack"]}
    letter = read_message(message(stranger(given_up)))
    assert (letter.destination, letter.obstacle) == (Destination.CHANNEL, "")
    assert (letter.source, letter.event) == ("channel slack", given_up)


def test_a_notice_that_nobody_got_to_deliver_is_for_the_channels_its_sender_named() -> None:
    letter = read_message(message(NOTICE_BODY, channels='["slack", "mail"]'))
    assert letter.destination is Destination.CHANNEL
    assert letter.event == {"notice_id": "inc-1-opened-1", "channels": ["slack", "mail"]}
    assert letter.why == "it was received too often, and nobody could deliver it"


def test_a_notice_that_the_topic_could_not_put_into_a_queue_says_why() -> None:
    letter = read_message(message(NOTICE_BODY, channels='["slack"]', **REFUSED))
    assert letter.destination is Destination.CHANNEL
    assert letter.why == "403: the address bounced"


@pytest.mark.parametrize("named", ["", "[", '"slack"', "[]", "[1]", "{}"])
def test_where_no_channel_is_named_it_is_no_notice_for_one(named: str) -> None:
    letter = read_message(message(NOTICE_BODY, channels=named))
    assert letter.destination is not Destination.CHANNEL


@pytest.mark.parametrize(
    "event",
    [
        {"notice_id": 1, "channels": ["slack"]},
        {"notice_id": "n", "channels": "slack"},
        {"notice_id": "n", "channels": [1]},
        {"notice_id": "n", "channels": ["slack"], "more": 1},
    ],
)
def test_what_only_looks_like_a_notice_is_for_triage(event: object) -> None:
    assert read_message(message(stranger(event))).destination is Destination.TRIAGE


def test_a_digest_that_failed_is_read_and_not_made_again() -> None:
    letter = read_message(message(failed_invocation({"digest": "daily", "channel": "mail"})))
    assert letter.destination is Destination.NOBODY
    assert "digest" in letter.obstacle
