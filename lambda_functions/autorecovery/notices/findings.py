"""What an analyst found, in words: causes and what they rest on, and what is not known."""

from datetime import datetime

from autorecovery.models.analysis import RULE_BASED, Analysis, Cause, Recovered, Risk, Step
from autorecovery.models.notice import Notice, NoticeKind
from autorecovery.models.reason import Level
from autorecovery.notices.clauses import NAME
from autorecovery.notices.fitting import one_line

_WORKED = {
    Recovered.YES: "The recovery worked.",
    Recovered.NO: "The recovery did not work.",
    Recovered.UNCLEAR: "Whether the recovery worked is unclear.",
    Recovered.NOT_RUN: "No recovery was run.",
}


def analysed(
    analysis: Analysis,
    incident_id: str,
    conversation: str,
    rule_name: str,
    target: str,
    now: datetime,
) -> Notice:
    """Return what probably caused it, what that rests on, and how sure the analyst is."""
    name = target.partition("/")[2] or target or analysis.subject
    return Notice(
        id=f"{conversation or analysis.subject}-analysed-{int(now.timestamp())}",
        incident_id=incident_id,
        kind=NoticeKind.ANALYSED,
        level=Level.INFO,
        headline=f"[{Level.INFO.upper()}] {one_line(name)[:NAME]}: what probably happened",
        lines=tuple(one_line(line) for line in in_words(analysis)),
        at=now,
        rule_name=rule_name,
        target=target,
        evidence=tuple(cited(analysis)),
        conversation=conversation,
        state="analysed",
        next_steps=tuple(step_in_words(step) for step in analysis.next_steps),
    )


def in_words(analysis: Analysis) -> list[str]:
    """Return the analysis in sentences, the most important first."""
    return [
        analysis.summary,
        *(cause_in_words(cause) for cause in analysis.likely_causes),
        recovery_in_words(analysis),
        *([not_known_in_words(analysis)] if analysis.not_known else []),
        f"{who_says_so(analysis)}.",
    ]


def not_known_in_words(analysis: Analysis) -> str:
    """Return what nobody knows yet."""
    return f"Not known: {'; '.join(text.rstrip('.') for text in analysis.not_known)}."


def cause_in_words(cause: Cause) -> str:
    """Return a cause with how sure the analyst is, and the evidence it rests on."""
    rests_on = ", ".join(cause.evidence_ids)
    return f"Likely, with {cause.confidence} confidence ({rests_on}): {cause.text}"


def who_says_so(analysis: Analysis) -> str:
    """Return by whom it was analysed, why not by a model, and what was left out."""
    by = f"Analysed by {_analyst(analysis)}"
    why = f"; {analysis.why_not_model}" if analysis.why_not_model else ""
    plural = "s" if analysis.dropped != 1 else ""
    dropped = f"; {analysis.dropped} claim{plural} without evidence left out"
    return f"{by}{why}{dropped if analysis.dropped else ''}"


def recovery_in_words(analysis: Analysis) -> str:
    """Return whether the recovery did what it was run for."""
    return _WORKED[analysis.did_recovery_work]


def step_in_words(step: Step) -> str:
    """Return a step with its risk, and the command at its end where there is one."""
    risk = f" (risk: {step.risk})" if step.risk is not Risk.NONE else ""
    return f"{step.text.rstrip('.:')}{risk}{f': {step.command}' if step.command else ''}"


def _analyst(analysis: Analysis) -> str:
    return "rules, not a model" if analysis.by == RULE_BASED else f"the model {analysis.by}"


def cited(analysis: Analysis) -> list[str]:
    """Return the evidence that a cause points at; the rest is in the story."""
    named = {name for cause in analysis.likely_causes for name in cause.evidence_ids}
    return [
        f"{piece.id} {piece.kind}: {piece.text}" for piece in analysis.evidence if piece.id in named
    ]
