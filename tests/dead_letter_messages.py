"""What lies in a dead-letter queue, as each service puts it there: body and attributes."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from autorecovery.adapters.aws.letter_shapes import Message

EVENTS = Path(__file__).resolve().parents[1] / "events"
SENT = datetime(2026, 1, 15, 3, 30, tzinfo=UTC)
ARN = "arn:aws:lambda:eu-west-1:111122223333:function"
TRIAGE = f"{ARN}:AutoRecovery-MetricProcessor-Ab1:$LATEST"
RESPONDER = f"{ARN}:AutoRecovery-IncidentResponder-Cd2:live"
TOPIC = "arn:aws:sns:eu-west-1:111122223333:shop-alarms"
INCIDENT = "inc-20260115-030412-90501cda"


def sample(name: str) -> Any:
    return json.loads((EVENTS / f"{name}.json").read_text("utf-8"))


def message(body: object, **attributes: str) -> Message:
    text = body if isinstance(body, str) else json.dumps(body)
    return Message("6fa0b4c2-1111-4222-8333-944455556666", text, SENT, attributes, "handle-1")


def stranger(event: object, **more: object) -> dict[str, object]:
    """Return what triage keeps of an event it does not understand."""
    return {"why": "unknown shape", "at": "2026-01-15T03:04:00+00:00", "event": event, **more}


def failed_invocation(event: object, condition: str = "RetriesExhausted") -> dict[str, Any]:
    """Return the record that Lambda sends to the destination of failed invocations."""
    tried = condition == "RetriesExhausted"
    record: dict[str, Any] = {
        "version": "1.0",
        "timestamp": "2026-01-15T03:09:58.416Z",
        "requestContext": {
            "requestId": "e4b46cbf-b738-xmpl-8880-a18cdf61200e",
            "functionArn": TRIAGE,
            "condition": condition,
            "approximateInvokeCount": 3 if tried else 0,
        },
        "requestPayload": event,
    }
    if tried:
        record["responseContext"] = {
            "statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled",
        }  # fmt: skip
        record["responsePayload"] = {
            "errorType": "StoreError", "errorMessage": "open: ProvisionedThroughputExceeded",
            "trace": ["…"],
        }  # fmt: skip
    return record


UNDELIVERED = {
    "RULE_ARN": "arn:aws:events:eu-west-1:111122223333:rule/AutoRecovery-EventsInstanceState-Q",
    "TARGET_ARN": TRIAGE,
    "ERROR_CODE": "NO_PERMISSIONS",
    "ERROR_MESSAGE": "not authorized to invoke the function",
    "RETRY_ATTEMPTS": "0",
}
"""The attributes that EventBridge sets."""

REFUSED = {
    "RequestID": "b1a0a1f4-5b2f",
    "ErrorCode": "403",
    "ErrorMessage": "the address bounced",
}
"""The attributes that Lambda and SNS set."""


def notification(text: str) -> dict[str, str]:
    """Return a message of a topic, as a subscription that is not raw carries it."""
    return {
        "Type": "Notification",
        "MessageId": "d54e01f6-2879-5037-a2b3-6d514553bf16",
        "TopicArn": TOPIC,
        "Subject": "ALARM",
        "Message": text,
        "Timestamp": "2026-01-15T03:04:12.345Z",
    }


def sns_alarm(**more: object) -> str:
    """Return what an alarm publishes."""
    (record,) = sample("alarm_sns_cpu_high")["Records"]
    return json.dumps({**json.loads(record["Sns"]["Message"]), **more})
