"""One rule broken on one target, from opening to closing, and what was done about it."""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from autorecovery.models.reason import IncidentState, Level, Reason, Verdict
from autorecovery.models.rule import Rule
from autorecovery.models.signal import Signal, Target

UNRULED = "unruled"
"""Stands for the rule in the key of an incident that no rule covers; the alarm's name follows."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """One breaching observation: enough to count it once in a window."""

    id: str
    at: datetime
    level: Level


@dataclass(frozen=True, slots=True)
class Breach:
    """A signal, or a run of them, that breaks a rule at a level."""

    rule: Rule | None
    level: Level
    signal: Signal
    sightings: tuple[Sighting, ...]
    """Every breaching observation of this delivery, or the newest of very many."""
    evidence: tuple[str, ...] = ()

    @property
    def rule_name(self) -> str:
        """Return the rule's name, or a stand-in made of the alarm's name.

        Lines that name another machine are an incident of their own: they neither count towards the
        honest machine's, nor keep it from being recovered.
        """
        if self.rule is None:
            return f"{UNRULED}:{self.signal.name}"
        return f"{self.rule.name} (identity)" if self.signal.claimed_identity else self.rule.name

    @property
    def key(self) -> tuple[str, str]:
        """Return what an incident is claimed on: the rule and the target."""
        return self.rule_name, self.signal.target.key


@dataclass(frozen=True, slots=True)
class Incident:
    """What is known of one incident; its story is in the timeline.

    It carries the rule it was opened with: a new configuration changes later incidents only.
    """

    id: str
    rule_name: str
    rule: Rule | None
    target: Target
    level: Level
    signal: Signal
    opened_at: datetime
    breached_at: datetime
    """When the newest breach that changed something was measured; staleness counts from here."""
    evidence: tuple[str, ...] = ()
    state: IncidentState = IncidentState.OPEN
    held_for: Reason | None = None
    """Why triage expects no recovery; None where it expects one."""
    group: str = ""
    """The group of machines its target belongs to, where triage knew it."""

    @property
    def key(self) -> tuple[str, str]:
        """Return what this incident holds the claim on: the rule and the target."""
        return self.rule_name, self.target.key

    @property
    def is_closed(self) -> bool:
        """Return whether this incident is over."""
        return self.state is IncidentState.CLOSED


def incident_id(rule_name: str, target_key: str, first: Signal) -> str:
    """Return the id that this very signal gives an incident, whenever and however often it arrives.

    A redelivery after the incident was closed finds the id used, and opens nothing.
    Letters, digits and dashes, 28 characters: it also names the durable execution.
    """
    digest = hashlib.sha256("\n".join((rule_name, target_key, first.id)).encode()).hexdigest()
    return f"inc-{first.at:%Y%m%d-%H%M%S}-{digest[:8]}"


def attempt_token(incident_id: str, number: int) -> str:
    """Return the token of one rung's attempt: at most 64 characters, the same in every life."""
    return f"{incident_id}-r{number}"


class EntryKind(StrEnum):
    """The chapters of an incident's story."""

    OPENED = "opened"
    SIGNALLED = "signalled"
    NOTIFIED = "notified"
    DECIDED = "decided"
    ASKED = "asked"
    ANSWERED = "answered"
    ACKNOWLEDGED = "acknowledged"
    SILENCED = "silenced"
    """Nobody is told for a while."""
    ORDERED = "ordered"
    STARTED = "started"
    ENDED = "ended"
    VERIFIED = "verified"
    HANDED_OVER = "handed over"
    REMINDED = "reminded"
    ESCALATED = "escalated"
    ANALYSED = "analysed"
    DEMOTED = "demoted"
    CLOSED = "closed"
    BEAT = "CanaryBeat"
    """A synthetic incident went all the way; counted like all others, and watched by an alarm."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the timeline; `key` names it in its incident: written twice, it stands once."""

    key: str
    at: datetime
    kind: EntryKind
    text: str
    facts: dict[str, Any] = field(default_factory=dict)
    """Numbers and names behind the text: JSON values only."""


@dataclass(frozen=True, slots=True)
class GateResult:
    """What one gate said: open, or held with a reason and, where known, until when."""

    gate: str
    reason: Reason | None
    detail: str = ""
    until: datetime | None = None

    @property
    def holds(self) -> bool:
        """Return whether this gate forbids to act."""
        return self.reason is not None


_WAIT_FOR_A_WORD = {Reason.AUTONOMY_ASK, Reason.SCRIPT_DEMOTED}
_WAIT_FOR_A_TURN = {Reason.HOST_BUSY, Reason.FLEET_BUSY}


@dataclass(frozen=True, slots=True)
class Decision:
    """Act or hold, the reason, and what every gate said."""

    acts: bool
    """Every gate is open."""
    reason: Reason
    gates: tuple[GateResult, ...]
    group: str = ""
    """Whose budget it takes from."""
    fleet: int = 1
    """How many machines that budget is for."""
    at: datetime | None = None
    """When it was made: soon after, it no longer counts."""

    @property
    def asks(self) -> bool:
        """Return whether nothing is missing but a person's word, and perhaps its turn."""
        held = self._held_for
        return bool(held & _WAIT_FOR_A_WORD) and held <= _WAIT_FOR_A_WORD | _WAIT_FOR_A_TURN

    @property
    def waits(self) -> bool:
        """Return whether nothing is missing but its turn: others are under recovery just now."""
        return bool(self._held_for) and self._held_for <= _WAIT_FOR_A_TURN

    @property
    def _held_for(self) -> set[Reason]:
        """Return every reason that holds it: of the gates, or of the budget, where that was taken
        by others after all gates were open.
        """
        held = {gate.reason for gate in self.gates if gate.reason is not None}
        return held if held or self.acts else {self.reason}


class CommandState(StrEnum):
    """How a script or an action stands; `UNKNOWN` is an answer, not a failure."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    NOT_RUN = "not run"
    """It certainly did not run: undeliverable, cancelled in time, past its not-after time."""
    UNKNOWN = "unknown"


TERMINAL = frozenset(
    {CommandState.SUCCEEDED, CommandState.FAILED, CommandState.NOT_RUN, CommandState.UNKNOWN}
)


@dataclass(frozen=True, slots=True)
class CommandStatus:
    """What is known of one command on one machine."""

    state: CommandState
    detail: str = ""
    output: str = ""
    exit_code: int | None = None
    ended_at: datetime | None = None
    successor: str | None = None
    """The machine that took the target's place, where the command replaced it."""

    @property
    def is_over(self) -> bool:
        """Return whether nothing more will be heard of this command."""
        return self.state in TERMINAL


@dataclass(frozen=True, slots=True)
class Attempt:
    """One run of one rung on one target. Written down as intended before anything is sent."""

    token: str
    """At most 64 characters; travels with the command, so that it can be found again."""
    incident_id: str
    rule_name: str
    target: Target
    script: str
    parameters: dict[str, str]
    intended_at: datetime
    not_after: datetime
    """The script itself refuses to start later than this."""
    time_limit: timedelta
    command_id: str | None = None
    status: CommandStatus = CommandStatus(CommandState.PENDING)
    judgement: "Judgement | None" = None
    plan: str = ""
    """Random name of the intention: tells one life of a response from another."""
    resumed: bool = False
    """Written down by an earlier life of the response, which may have sent it."""

    @property
    def verdict(self) -> Verdict | None:
        """Return what fresh datapoints said, once they were asked."""
        return self.judgement.verdict if self.judgement else None


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict, when it was reached, and the datapoints it rests on, in words."""

    verdict: Verdict
    at: datetime
    proof: str


OVER = (Reason.RECOVERED, Reason.HEALTHY_BY_ITSELF, Reason.CLOSED_BY_PERSON)
"""Reasons that leave nothing for a human to do."""


@dataclass(frozen=True, slots=True)
class Climb:
    """How far a ladder led, and why no further."""

    reason: Reason
    attempts: tuple[Attempt, ...] = ()
    decision: Decision | None = None
    """The one that held the next rung, if one did."""

    @property
    def is_end(self) -> bool:
        """Return whether nothing is left for a human to do."""
        return self.reason in OVER

    @property
    def proof(self) -> str:
        """Return what fresh data said after the last attempt, in words; empty without any."""
        judgement = self.attempts[-1].judgement if self.attempts else None
        return judgement.proof if judgement else ""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a response ended."""

    incident_id: str
    reason: Reason
    verdict: Verdict | None = None
