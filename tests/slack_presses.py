"""What Slack sends when somebody presses a button: payloads, signatures, and the events of AWS."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from autorecovery.models.press import Subject, Word
from tests.slack_server import CHANNEL

SIGNING_SECRET = "8f742231b10e8888abcd99yyyzzz85a5"


def button(word: Word, subject: Subject) -> dict[str, Any]:
    return {
        "type": "button", "action_id": word, "value": subject.value,
        "text": {"type": "plain_text", "text": word.title(), "emoji": True},
    }  # fmt: skip


def payload(
    word: Word, subject: Subject, response_url: str = "", user: str = "U024BE7LH", **more: Any
) -> dict[str, Any]:
    """Return a `block_actions` payload, as Slack documents it, about a message with all buttons."""
    pressed = {**button(word, subject), "block_id": "b2", "action_ts": "1700000001.000"}
    buttons = [button(each, subject) for each in Word]
    return {
        "type": "block_actions",
        "user": {"id": user, "username": "ann", "name": "ann", "team_id": "T0"},
        "api_app_id": "A0", "token": "deprecated", "trigger_id": "1.2.3",
        "container": {"type": "message", "message_ts": "1700000000.0", "channel_id": CHANNEL},
        "team": {"id": "T0", "domain": "shop"}, "enterprise": None,
        "channel": {"id": CHANNEL, "name": "ops"},
        "message": {
            "type": "message", "bot_id": "B1", "ts": "1700000000.0", "text": "Trouble &amp; more",
            "blocks": [
                {"type": "section", "block_id": "b1", "text": {"type": "mrkdwn", "text": "Hi"}},
                {"type": "actions", "block_id": "b2", "elements": buttons},
            ],
        },
        "state": {"values": {}}, "response_url": response_url, "actions": [pressed], **more,
    }  # fmt: skip


def form(content: object) -> bytes:
    """Return the body of Slack's request."""
    return urlencode({"payload": json.dumps(content)}).encode()


def signed(body: bytes, at: datetime, secret: str = SIGNING_SECRET) -> dict[str, str]:
    """Return the headers with which Slack vouches for a body."""
    timestamp = str(int(at.timestamp()))
    base = b"v0:" + timestamp.encode() + b":" + body
    digest = hmac.new(secret.encode(), base, hashlib.sha256).hexdigest()
    return {"x-slack-request-timestamp": timestamp, "x-slack-signature": f"v0={digest}"}


def http_event(
    body: bytes, headers: Mapping[str, str], path: str = "/slack/actions", method: str = "POST",
    *, is_base64: bool = False, is_function_url: bool = False,
) -> dict[str, Any]:  # fmt: skip
    """Return a request as an HTTP API or a function URL hands it over (payload format 2.0)."""
    host = "abc.lambda-url.eu-west-1.on.aws" if is_function_url else "abc.execute-api.aws"
    text = base64.b64encode(body).decode() if is_base64 else body.decode()
    return {
        "version": "2.0", "routeKey": "$default" if is_function_url else f"{method} {path}",
        "rawPath": path, "rawQueryString": "",
        "headers": {
            "content-type": "application/x-www-form-urlencoded", "host": host,
            "user-agent": "Slackbot 1.0 (+https://api.slack.com/robots)", **headers,
        },
        "requestContext": {
            "accountId": "anonymous", "apiId": "abc", "domainName": host, "domainPrefix": "abc",
            "http": {
                "method": method, "path": path, "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.1", "userAgent": "Slackbot 1.0",
            },
            "requestId": "id", "routeKey": "$default", "stage": "$default",
            "time": "01/Mar/2026:12:00:00 +0000", "timeEpoch": 1772366400000,
        },
        "body": text, "isBase64Encoded": is_base64,
    }  # fmt: skip
