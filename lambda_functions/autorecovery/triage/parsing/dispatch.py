"""Which reader a delivery belongs to. Envelopes are opened here; what is left is a stranger."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from autorecovery.records import as_json, load_json
from autorecovery.triage.parsing.alarms import read_alarm_detail, read_sns_alarm
from autorecovery.triage.parsing.events import read_event, read_typed
from autorecovery.triage.parsing.findings import Concerned, Findings, Parser, Watch
from autorecovery.triage.parsing.logs import read_subscription

MAX_ENVELOPES = 4
"""SQS around SNS around an event is three; more is somebody's joke."""

ALARM_CHANGES = ("CloudWatch Alarm State Change", "CloudWatch Alarm Contributor State Change")


def parse(event: object, watch: Watch, now: datetime, concerned: Concerned) -> Findings:
    """Return what a delivery of any shape says; never raises by itself, whatever it is."""
    findings = Findings()
    parser = Parser(watch, now, concerned, findings)
    try:
        content = as_json(event)
    except (ValueError, RecursionError):
        findings.meet_stranger("nested too deeply", f"{type(event).__name__}, nested too deeply")
    else:
        _open(content, parser, depth=0)
    return findings


def _open(event: Any, parser: Parser, depth: int) -> None:
    """Open one envelope, or read what is in the last one."""
    findings = parser.findings
    if depth > MAX_ENVELOPES:
        findings.meet_stranger("too many envelopes around an event", event)
    elif isinstance(event, list):
        for item in event:
            _open(item, parser, depth + 1)
        findings.ignored += not event
    elif not isinstance(event, dict):
        findings.meet_stranger("not a JSON object", event)
    elif isinstance(records := event.get("Records"), list):
        for record in records:
            _open_record(record, parser, depth)
        findings.ignored += not records
    else:
        _read(event, parser)


def _open_record(record: object, parser: Parser, depth: int) -> None:
    if isinstance(record, dict):
        if isinstance(sns := record.get("Sns"), dict):
            return _open_text(sns.get("Message"), sns.get("Subject"), parser, depth)
        if record.get("eventSource") == "aws:sqs":
            return _open_text(record.get("body"), None, parser, depth)
    return parser.findings.meet_stranger("a record of neither SNS nor SQS", record)


def _open_text(text: object, subject: object, parser: Parser, depth: int) -> None:
    """Open the text that a queue or a topic carried."""
    try:
        content = as_json(load_json(text)) if isinstance(text, str) else None
    except ValueError:  # not JSON, or nested too deeply
        content = None
    if not isinstance(content, dict | list):
        parser.findings.meet_stranger(f"message is not JSON (subject {subject!r:.100})", text)
    elif isinstance(content, dict) and _is_notification(content) and depth < MAX_ENVELOPES:
        _open_text(content["Message"], content.get("Subject"), parser, depth + 1)
    else:
        _open(content, parser, depth + 1)


def _is_notification(content: Mapping[str, Any]) -> bool:
    return content.get("Type") == "Notification" and "Message" in content


def _read(event: Mapping[str, Any], parser: Parser) -> None:
    detail = event.get("detail")
    if "awslogs" in event:
        read_subscription(event["awslogs"], parser)
    elif isinstance(alarm := event.get("alarmData"), dict):
        read_alarm_detail(alarm, event.get("alarmArn"), event.get("accountId"), parser)
    elif "AlarmName" in event and "NewStateValue" in event:
        read_sns_alarm(event, parser)
    elif event.get("detail-type") in ALARM_CHANGES and isinstance(detail, dict):
        resources = event.get("resources")
        arn = resources[0] if isinstance(resources, list) and resources else ""
        read_alarm_detail(detail, arn, event.get("account"), parser)
    elif "detail-type" in event:
        read_event(event, parser)
    elif "metric" in event or "value" in event:
        read_typed(event, parser)
    else:
        known = ", ".join(sorted(str(key)[:40] for key in event)[:10])
        parser.findings.meet_stranger(f"unknown shape with keys: {known or 'none'}", event)
