"""Write the samples no one can read: log batches (base64 of gzip), SNS messages (JSON in JSON).

    python events/build.py            writes them into this folder
    python events/build.py --check    exits 1 and names the files that are not up to date

The sources are `lines/*.log` and `messages/*`. Every other sample in this folder is edited by hand.
The same sources always give the same bytes, on any machine and any Python from 3.11 on.
"""

import base64
import hashlib
import json
import sys
import uuid
import zlib
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

Json = dict[str, Any]

FOLDER = Path(__file__).parent

ACCOUNT = "111122223333"
REGION = "eu-west-1"
WEB_1 = "i-0a1b2c3d4e5f67890"
WEB_2 = "i-0123456789abcdef0"

DAY = "2026-01-15"
LOG_GROUP = "/shop/metrics"
TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:shop-alarms"
QUEUE = f"arn:aws:sqs:{REGION}:{ACCOUNT}:shop-alarms"
SNS_ENDPOINT = f"https://sns.{REGION}.amazonaws.com"

LOG_STREAMS = {
    "cpu_high": WEB_1,
    "cpu_high_once": WEB_1,
    "cpu_healthy": WEB_1,
    "logs_nested_fields": "web-1/app",
    "logs_array_of_measurements": "web-1/app",
    "logs_embedded_metric_format": WEB_1,
    "logs_cloudwatch_agent": WEB_1,
    "logs_plain_text_errors": WEB_1,
    "logs_json_errors": "web-1/app",
    "logs_stream_names_instance": WEB_2,
    "logs_no_target": "web-1/app",
    "logs_wrong_identity": WEB_1,
    "logs_mixed_garbage": WEB_1,
}

SNS_EVENTS = {
    "alarm_sns_cpu_high": ["cpu_high"],
    "alarm_sns_cpu_warning": ["cpu_warning"],
    "alarm_sns_cpu_ok": ["cpu_ok"],
    "alarm_sns_alarm_to_alarm": ["alarm_to_alarm"],
    "alarm_sns_metric_math": ["metric_math"],
    "alarm_sns_anomaly": ["anomaly"],
    "alarm_sns_composite": ["composite"],
    "alarm_sns_composite_no_children": ["composite_no_children"],
    "alarm_sns_contributor": ["contributor"],
    "alarm_sns_status_check": ["status_check"],
    "alarm_sns_foreign_known_metric": ["foreign_known_metric"],
    "alarm_sns_hostile_name": ["hostile_name"],
    "alarm_sns_stale": ["stale"],
    "alarm_sns_several_records": ["cpu_high", "status_check"],
}

CONTROL_MESSAGE = {
    "messageType": "CONTROL_MESSAGE",
    "owner": "CloudwatchLogs",
    "logGroup": "",
    "logStream": "",
    "subscriptionFilters": [],
    "logEvents": [
        {
            "id": "",
            "timestamp": 1768446240000,
            "message": "CWL CONTROL MESSAGE: Checking health of destination Kinesis stream.",
        }
    ],
}


def samples() -> dict[str, Json]:
    """Return every generated event by its name, which is the name of its file."""
    return {
        **{name: subscription(log_batch(name, stream)) for name, stream in LOG_STREAMS.items()},
        "logs_control_message": subscription(CONTROL_MESSAGE),
        **damaged_batches(log_batch("cpu_high", WEB_1)),
        **{name: sns_event(name, messages) for name, messages in SNS_EVENTS.items()},
        "alarm_sqs_cpu_high": sqs_event("alarm_sqs_cpu_high", "cpu_high"),
        "sns_test_message": sns_event("sns_test_message", ["test"]),
    }


# CloudWatch Logs


def log_batch(name: str, stream: str) -> Json:
    """Return what a subscription filter sends for `lines/<name>.log`, before it is encoded."""
    lines = (FOLDER / "lines" / f"{name}.log").read_text("utf-8").splitlines()
    return {
        "messageType": "DATA_MESSAGE",
        "owner": ACCOUNT,
        "logGroup": LOG_GROUP,
        "logStream": stream,
        "subscriptionFilters": ["shop-autorecovery"],
        "logEvents": [log_event(line, f"{name}/{number}") for number, line in enumerate(lines)],
    }


def log_event(line: str, salt: str) -> Json:
    """Return one log event of a source line, `HH:MM:SS message`."""
    time, _, message = line.partition(" ")
    timestamp = int(datetime.fromisoformat(f"{DAY}T{time}+00:00").timestamp() * 1000)
    # Real ids carry the time in their upper bits; the lower ones tell events of one moment apart.
    lower = int.from_bytes(hashlib.sha256(salt.encode()).digest()[:16], "big")
    return {
        "id": str(timestamp << 144 | lower),
        "timestamp": timestamp,
        # CloudWatch Logs takes no empty message: an empty line arrives as white space.
        "message": message or " ",
    }


def subscription(batch: Mapping[str, Any]) -> Json:
    """Return the event Lambda gets for a log batch."""
    return {"awslogs": {"data": base64_text(gzip_stored(compact(batch).encode()))}}


def damaged_batches(batch: Mapping[str, Any]) -> dict[str, Json]:
    """Return deliveries of a log batch that cannot be decoded, each for another reason."""
    data = subscription(batch)["awslogs"]["data"]
    return {
        "logs_broken_base64": {"awslogs": {"data": f"{data[:-7]}%!"}},
        "logs_not_gzip": {"awslogs": {"data": base64_text(compact(batch).encode())}},
    }


def gzip_stored(content: bytes) -> bytes:
    """Return the content as a gzip member that holds it uncompressed."""
    # By hand, because gzip.compress gives other bytes with another Python or zlib. One stored
    # block holds up to 65,535 bytes, to_bytes refuses more; readers see no difference.
    header = bytes([0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 255])
    size = len(content)
    block = b"\x01" + size.to_bytes(2, "little") + (size ^ 0xFFFF).to_bytes(2, "little") + content
    return header + block + zlib.crc32(content).to_bytes(4, "little") + size.to_bytes(4, "little")


# SNS and SQS


def sns_event(name: str, messages: list[str]) -> Json:
    """Return the event Lambda gets from an SNS subscription, one record per message."""
    subscription_arn = f"{TOPIC}:{stable_uuid('subscription to Lambda')}"
    return {
        "Records": [
            {
                "EventSource": "aws:sns",
                "EventVersion": "1.0",
                "EventSubscriptionArn": subscription_arn,
                "Sns": {
                    **notification(f"{name}/{message}", message),
                    "SigningCertUrl": f"{SNS_ENDPOINT}/SimpleNotificationService-EXAMPLE.pem",
                    "UnsubscribeUrl": unsubscribe_url(subscription_arn),
                    "MessageAttributes": {},
                },
            }
            for message in messages
        ]
    }


def sqs_event(name: str, message: str) -> Json:
    """Return the event Lambda gets when SNS delivers to a queue and the queue to Lambda."""
    # In the body the two URL fields are spelled differently from those of a Lambda subscription.
    body = {
        **notification(f"{name}/{message}", message),
        "SigningCertURL": f"{SNS_ENDPOINT}/SimpleNotificationService-EXAMPLE.pem",
        "UnsubscribeURL": unsubscribe_url(f"{TOPIC}:{stable_uuid('subscription to SQS')}"),
    }
    text = json.dumps(body, indent=2)
    return {
        "Records": [
            {
                "messageId": stable_uuid(name),
                "receiptHandle": "AQEBEXAMPLE==",
                "body": text,
                "attributes": {
                    "ApproximateReceiveCount": "1",
                    "SentTimestamp": "1768446252398",
                    "SenderId": "AIDAEXAMPLE",
                    "ApproximateFirstReceiveTimestamp": "1768446252417",
                },
                "messageAttributes": {},
                "md5OfBody": hashlib.md5(text.encode(), usedforsecurity=False).hexdigest(),
                "eventSource": "aws:sqs",
                "eventSourceARN": QUEUE,
                "awsRegion": REGION,
            }
        ]
    }


def notification(salt: str, message: str) -> Json:
    """Return the fields SNS puts around `messages/<message>`, a CloudWatch alarm or plain text."""
    alarm_file = FOLDER / "messages" / f"{message}.json"
    if alarm_file.exists():
        alarm = json.loads(alarm_file.read_text("utf-8"))
        subject, text = alarm_subject(alarm), compact(alarm)
        published = alarm["StateChangeTime"].replace("+0000", "Z")
    else:
        text = alarm_file.with_suffix(".txt").read_text("utf-8").rstrip("\n")
        subject, published = "Test", f"{DAY}T03:04:00.000Z"
    return {
        "Type": "Notification",
        "MessageId": stable_uuid(salt),
        "TopicArn": TOPIC,
        "Subject": subject,
        "Message": text,
        "Timestamp": published,
        "SignatureVersion": "1",
        "Signature": "EXAMPLE==",
    }


def alarm_subject(alarm: Mapping[str, Any]) -> str:
    """Return the subject CloudWatch gives an alarm: at most 100 characters, the name cut first."""
    name = "".join(char if char.isprintable() else " " for char in alarm["AlarmName"])
    room = 100 - len(f'{alarm["NewStateValue"]}: "" in {alarm["Region"]}')
    if len(name) > room:
        name = f"{name[: room - 3]}..."
    return f'{alarm["NewStateValue"]}: "{name}" in {alarm["Region"]}'


def unsubscribe_url(subscription_arn: str) -> str:
    """Return the address that ends a subscription."""
    return f"{SNS_ENDPOINT}/?Action=Unsubscribe&SubscriptionArn={subscription_arn}"


# Encoding


def stable_uuid(salt: str) -> str:
    """Return a UUID that stays the same from run to run."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, salt))


def base64_text(content: bytes) -> str:
    """Return the content in base64, as text."""
    return base64.b64encode(content).decode()


def compact(value: Mapping[str, Any]) -> str:
    """Return the value as AWS writes JSON: without spaces."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def main(arguments: list[str]) -> None:
    """Write the generated samples, or with --check only compare them with the files."""
    texts = {
        FOLDER / f"{name}.json": f"{json.dumps(event, indent=2)}\n"
        for name, event in samples().items()
    }
    if arguments == ["--check"]:
        stale = [
            path.name
            for path, text in texts.items()
            if not (path.exists() and path.read_text("utf-8") == text)
        ]
        sys.exit("\n".join(f"not up to date: {name}" for name in stale) or None)
    for path, text in texts.items():
        path.write_text(text, "utf-8", newline="\n")


if __name__ == "__main__":
    main(sys.argv[1:])
