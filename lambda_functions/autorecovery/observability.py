"""Logs and counts: structured, once per delivery or decision, written by entry points only."""

from collections.abc import Sequence
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from autorecovery.models.delivery import Outcome
from autorecovery.models.incident import Entry
from autorecovery.models.signal import Rejection

NAMESPACE = "AutoRecovery"


def logger(service: str, level: str) -> Logger:
    """Return the structured logger of one entry point; an unknown level means INFO."""
    known = level.upper() in ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
    return Logger(service=service, level=level.upper() if known else "INFO")


def report_triage(
    answer: dict[str, Any], rejections: Sequence[Rejection], failures: Sequence[str], log: Logger
) -> None:
    """Log one delivery once, and count what it held (as an embedded-metric line, no API call)."""
    told = {
        **answer,
        "rejections": [{"why": r.why, "excerpt": r.excerpt} for r in rejections],
        "failures": list(failures),
    }
    (log.error if failures else log.info)("triage", extra=told)
    counts = {key: answer[key] for key in ("signals", "rejected", "ignored")}
    counts |= {"failures": len(failures)}
    counts |= {
        action: sum(1 for incident in answer["incidents"] if incident["action"] == action)
        for action in ("opened", "held", "cleared")
    }
    metrics = EphemeralMetrics(namespace=NAMESPACE, service="metric_processor")
    for name, count in counts.items():
        if count:
            metrics.add_metric(name=name, unit=MetricUnit.Count, value=count)
    if any(counts.values()):
        metrics.flush_metrics()


def report_entry(incident_id: str, entry: Entry, log: Logger) -> None:
    """Log one line of a timeline, and count it by its kind; undelivered notices apart."""
    told = {"incident": incident_id, "kind": entry.kind, "facts": entry.facts}
    undelivered = entry.facts.get("delivered") is False
    (log.error if undelivered else log.info)(entry.text, extra=told)
    metrics = EphemeralMetrics(namespace=NAMESPACE, service="incident_responder")
    name = "notices undelivered" if undelivered else str(entry.kind)
    metrics.add_metric(name=name, unit=MetricUnit.Count, value=1)
    metrics.flush_metrics()


def report_delivery(
    channel: str, outcome: Outcome | None, told: dict[str, Any], log: Logger
) -> None:
    """Log what came of one notice in one channel, and count it where something was tried."""
    message = f"notice {outcome or 'not tried'}"
    lost = outcome is Outcome.GIVEN_UP
    (log.error if lost else log.info)(message, extra={"channel": channel, **told})
    if outcome is None:
        return
    metrics = EphemeralMetrics(namespace=NAMESPACE, service="notice_sender")
    metrics.add_metric(name=f"notices {outcome}", unit=MetricUnit.Count, value=1)
    metrics.flush_metrics()
