"""Reads what a model answered, at the door: bounded, inert, and without a claim that cites nothing.

What it suggests is text. Nothing here, and nobody who calls this, runs any of it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from autorecovery.analysis.dossier import Dossier
from autorecovery.analysis.inert import has_link, shortened, without_markup
from autorecovery.analysis.prompt import LONGEST, MOST
from autorecovery.analysis.stage import Opinion
from autorecovery.models.analysis import Cause, Confidence, Recovered, Risk, Step
from autorecovery.ports import Reply

E = TypeVar("E", bound=StrEnum)

UNVERIFIED = "(the command is the model's suggestion, and unverified)"

ASKED_FOR = 12
"""Characters of a command that stand in a quotation too: then it is the log that asks for it."""

_STOPS = {
    "max_tokens": "its answer was cut at the limit of tokens",
    "model_context_window_exceeded": "the evidence was too long for it",
    "content_filtered": "its answer was filtered",
    "guardrail_intervened": "a guardrail stopped it",
    "refusal": "it refused",
}


class UnusableAnswerError(ValueError):
    """An answer from which nothing can be taken; the message says why."""


@dataclass(frozen=True, slots=True)
class Read:
    """What was taken from an answer, and how many claims were not."""

    opinion: Opinion
    dropped: int


class _Answered(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


def _as_list(value: object) -> object:
    return value if isinstance(value, list) else []


def _as_word(value: object) -> str:
    return value if isinstance(value, str) else ""


_Items = Annotated[list[Any], BeforeValidator(_as_list)]
_Word = Annotated[str, BeforeValidator(_as_word)]


class _Cause(_Answered):
    text: str
    evidence_ids: _Items = []
    confidence: _Word = ""


class _Step(_Answered):
    text: str
    command: _Word = ""
    risk: _Word = ""


class _Answer(_Answered):
    summary: str
    likely_causes: _Items = []
    did_recovery_work: _Word = ""
    next_steps: _Items = []
    not_known: _Items = []


@dataclass(frozen=True, slots=True)
class _Reader:
    dossier: Dossier
    redact: Callable[[str], str]

    def text(self, text: str, kind: str) -> str:
        # Cut twice: before, so that work is bounded; after, so that the text is.
        bounded = text[: 20 * LONGEST[kind]]
        return shortened(without_markup(self.redact(bounded)), LONGEST[kind])

    def cause(self, content: object) -> Cause | None:
        """Return the cause with the ids that exist; None where it cites, or says, nothing."""
        try:
            answered = _Cause.model_validate(content)
        except ValidationError:
            return None
        known = {piece.id for piece in self.dossier.pieces}
        cited = [each for each in answered.evidence_ids if isinstance(each, str)]
        ids = tuple(dict.fromkeys(each for each in cited if each in known))
        text = self.text(answered.text, "cause")
        confidence = _clamped(answered.confidence, Confidence, Confidence.LOW)
        return Cause(text, ids, confidence) if ids and text else None

    def step(self, content: object) -> Step | None:
        """Return the step; None where it says nothing, or repeats what a quotation asks for."""
        try:
            answered = _Step.model_validate(content)
        except ValidationError:
            return None
        text = self.text(answered.text, "step")
        if not text or has_link(answered.command) or self._is_asked_for(answered.command):
            return None
        risk = _clamped(answered.risk, Risk, Risk.HIGH)
        command = self.text(answered.command, "command")
        return Step(f"{text} {UNVERIFIED}" if command else text, risk, command)

    def _is_asked_for(self, command: str) -> bool:
        """Return whether a command stands in the evidence: hostile lines ask for commands."""
        wanted = " ".join(command.split())
        return len(wanted) >= ASKED_FOR and any(
            wanted in piece.text for piece in self.dossier.pieces
        )


def read_answer(
    reply: Reply, dossier: Dossier, recovered: Recovered, redact: Callable[[str], str]
) -> Read:
    """Return what may be told of an answer; UnusableAnswerError where that is nothing.

    Whether the recovery worked is told by verdicts on fresh data, which `recovered` sums up: no
    answer changes that.
    """
    answer = _parsed(reply)
    reader = _Reader(dossier, redact)
    causes = [reader.cause(each) for each in answer.likely_causes]
    steps = [reader.step(each) for each in answer.next_steps]
    kept = tuple(cause for cause in causes if cause)[: MOST["causes"]]
    dropped = causes.count(None) + steps.count(None)
    summary = reader.text(answer.summary, "summary")
    if causes and not kept:
        raise UnusableAnswerError(f"none of its {len(causes)} claims cites evidence that exists")
    if not summary:
        raise UnusableAnswerError("it said nothing")
    unknown = [reader.text(each, "unknown") for each in answer.not_known if isinstance(each, str)]
    opinion = Opinion(
        summary=summary,
        likely_causes=kept,
        did_recovery_work=recovered,
        next_steps=tuple(step for step in steps if step)[: MOST["steps"]],
        not_known=(*(each for each in unknown[: MOST["unknowns"]] if each), *dossier.gaps),
    )
    return Read(opinion, dropped)


def _parsed(reply: Reply) -> _Answer:
    if reply.stopped in _STOPS:
        raise UnusableAnswerError(_STOPS[reply.stopped])
    if reply.content is None:
        raise UnusableAnswerError(f"it did not answer in the form asked for ({reply.stopped:.40})")
    try:
        return _Answer.model_validate(reply.content)
    except ValidationError as error:
        places = ", ".join(str(each["loc"][0] if each["loc"] else "all") for each in error.errors())
        raise UnusableAnswerError(f"its answer is malformed: {places}") from error


def _clamped(word: str, kind: type[E], otherwise: E) -> E:
    """Return the word of this vocabulary, or the careful one."""
    return next((each for each in kind if each == word.strip().lower()), otherwise)
