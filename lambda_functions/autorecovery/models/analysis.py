"""What probably happened, as an analyst says it: every claim rests on evidence by its id."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from autorecovery.models.incident import Entry, EntryKind
from autorecovery.models.wire import decode, encode

RULE_BASED = "rule-based"
"""The analyst that needs no model."""


class Confidence(StrEnum):
    """How sure an analyst is."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class Risk(StrEnum):
    """What may go wrong with a step."""

    NONE = "none"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class Recovered(StrEnum):
    """Whether the recovery did what it was run for."""

    YES = "yes"
    NO = "no"
    UNCLEAR = "unclear"
    NOT_RUN = "not run"


@dataclass(frozen=True, slots=True)
class Piece:
    """One piece of evidence: bounded, redacted, and named, so that a claim can point at it."""

    id: str
    """Such as `E3`."""
    kind: str
    """Such as `metric`, `log`, `limits`, `attempt`, `history`, `scorecard`, `gates`."""
    text: str


@dataclass(frozen=True, slots=True)
class Cause:
    """One likely cause, with the evidence it rests on."""

    text: str
    evidence_ids: tuple[str, ...]
    confidence: Confidence


@dataclass(frozen=True, slots=True)
class Step:
    """Something a person may do next. Text, never run by us."""

    text: str
    risk: Risk
    command: str = ""


@dataclass(frozen=True, slots=True)
class Analysis:
    """One analysis, of an incident, of a group of them, or of the whole fleet."""

    subject: str
    """The incident, the group, or what else it is about."""
    by: str
    """`rule-based`, or the model's id."""
    at: datetime
    summary: str
    likely_causes: tuple[Cause, ...]
    did_recovery_work: Recovered
    next_steps: tuple[Step, ...]
    not_known: tuple[str, ...]
    evidence: tuple[Piece, ...]
    why_not_model: str = ""
    """Why no model was asked, or what became of its answer; empty where it answered well."""
    dropped: int = 0
    """Claims without evidence, which our code took out."""
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float = 0.0


def as_facts(analysis: Analysis) -> dict[str, str]:
    """Return what an entry of the timeline keeps of an analysis."""
    return {"analysis": encode(analysis, Analysis)}


def analyses_in(story: Sequence[Entry]) -> list[Analysis]:
    """Return the analyses that a timeline holds, oldest first."""
    return [
        decode(entry.facts["analysis"], Analysis)
        for entry in story
        if entry.kind is EntryKind.ANALYSED and "analysis" in entry.facts
    ]
