"""The notice of an analysis, until `notices.compose` has it."""

from datetime import datetime

from autorecovery.models.analysis import Analysis
from autorecovery.models.notice import Notice, NoticeKind
from autorecovery.models.reason import Level


def analysed(
    analysis: Analysis,
    incident_id: str,
    conversation: str,
    rule_name: str,
    target: str,
    now: datetime,
) -> Notice:
    """Return the notice that tells of an analysis."""
    return Notice(
        id=f"{conversation}-analysed-{int(now.timestamp())}",
        incident_id=incident_id,
        kind=NoticeKind.ANALYSED,
        level=Level.INFO,
        headline=f"[INFO] {analysis.summary}",
        lines=tuple(cause.text for cause in analysis.likely_causes),
        at=now,
        rule_name=rule_name,
        target=target,
        conversation=conversation,
        next_steps=tuple(step.command or step.text for step in analysis.next_steps),
    )
