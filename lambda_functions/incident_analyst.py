"""Entry point of the analysis: notices from a queue, after people have had theirs."""

import json
from typing import Any

from autorecovery.analysis.run import ASKED_BY, Outcome, investigate
from autorecovery.analysis.stage import Analyst
from autorecovery.bootstrap.analysis import analyst
from autorecovery.models.notice import NoticeKind
from autorecovery.observability import logger
from autorecovery.settings import environment

_log = logger("incident_analyst", environment().get("LOG_LEVEL", "INFO"))


def handle(event: dict[str, Any], app: Analyst) -> dict[str, Any]:
    """Return which messages are to be delivered again: others are at it, or nobody took it."""
    again = []
    for record in event.get("Records", []):
        outcome = _investigate(record.get("body", ""), app)
        if outcome.wants_a_retry:
            again.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": again}


def _investigate(body: str, app: Analyst) -> Outcome:
    try:
        content = json.loads(body)
        incident_id, kind = str(content["incident"]), NoticeKind(content["kind"])
    except (ValueError, KeyError, TypeError):
        _log.warning("no notice of ours", extra={"body": body[:200]})
        return Outcome.UNKNOWN_INCIDENT
    if kind not in ASKED_BY:
        return Outcome.NOTHING_NEW
    outcome = investigate(incident_id, kind, app)
    _log.info("analysis", extra={"incident": incident_id, "kind": kind, "outcome": outcome})
    return outcome


def lambda_handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Answer Lambda."""
    return handle(event, analyst())
