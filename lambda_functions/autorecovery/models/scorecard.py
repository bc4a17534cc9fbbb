"""How well a script serves a rule: counted from attempts, against what heals without it. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil, sqrt

from autorecovery.models.history import Case
from autorecovery.models.incident import Attempt, CommandState
from autorecovery.models.reason import Reason, Verdict

CONFIDENCE = 1.96
"""Standard deviations of a 95 % interval."""

RELAPSE = timedelta(hours=24)
"""Trouble that is back within this time was not cured; a case that stays open so long did not heal
by itself."""


@dataclass(frozen=True, slots=True)
class Scorecard:
    """One script under one rule."""

    script: str
    rule_name: str
    attempts: int
    """Attempts with a verdict that says something: verified or not recovered."""
    verified: int
    unclear: int
    """Attempts whose outcome nobody knows; they count neither way."""
    low: float
    high: float
    """The 95 % interval of the share verified, 0 to 1 (Wilson)."""
    recovery_p50: timedelta | None
    recovery_p90: timedelta | None
    """From the opening of the incident to the verdict, where it was verified."""
    relapsed: int
    """Verified attempts after which the same target broke the rule again within a day."""
    held: int
    self_healed: int
    """Cases of the rule in which nothing was run, and how many of them healed: the baseline."""

    @property
    def rate(self) -> float | None:
        """Return the share verified, 0 to 1, or None before the first attempt."""
        return self.verified / self.attempts if self.attempts else None

    @property
    def self_heal_rate(self) -> float | None:
        """Return the share that healed without being touched, 0 to 1, or None without a case."""
        return self.self_healed / self.held if self.held else None


def scorecards(
    rule_name: str, attempts: Sequence[Attempt], cases: Sequence[Case], now: datetime
) -> list[Scorecard]:
    """Return one card for each script that was run under this rule.

    `cases` are the rule's incidents of the same time, those without an attempt among them.
    """
    groups: dict[str, list[Attempt]] = {}
    for attempt in attempts:
        groups.setdefault(attempt.script, []).append(attempt)
    real = [case for case in cases if case.ended is not Reason.ECHO]
    return [
        _card(script, rule_name, groups[script], attempts, real, now) for script in sorted(groups)
    ]


def _card(
    script: str,
    rule_name: str,
    group: Sequence[Attempt],
    attempts: Sequence[Attempt],
    cases: Sequence[Case],
    now: datetime,
) -> Scorecard:
    verified = [a for a in group if a.verdict is Verdict.VERIFIED and _is_known_to_have_run(a)]
    failed = sum(1 for attempt in group if attempt.verdict is Verdict.NOT_RECOVERED)
    low, high = wilson(len(verified), len(verified) + failed)
    opened = {case.incident_id: case.opened_at for case in cases}
    took = sorted(
        attempt.judgement.at - opened.get(attempt.incident_id, attempt.intended_at)
        for attempt in verified
        if attempt.judgement
    )
    held = list(_held(cases, attempts, now))
    return Scorecard(
        script=script,
        rule_name=rule_name,
        attempts=len(verified) + failed,
        verified=len(verified),
        unclear=len(group) - len(verified) - failed,
        low=low,
        high=high,
        recovery_p50=_percentile(took, 0.5),
        recovery_p90=_percentile(took, 0.9),
        relapsed=sum(1 for attempt in verified if _relapsed(attempt, cases)),
        held=len(held),
        self_healed=sum(1 for case in held if case.ended is Reason.HEALTHY_BY_ITSELF),
    )


def _is_known_to_have_run(attempt: Attempt) -> bool:
    """Return whether the script may take the credit: what was lost on its way healed nothing."""
    return attempt.status.state is not CommandState.UNKNOWN


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """Return the 95 % score interval of a share (Wilson 1927); 0 to 1 where nothing was tried."""
    if trials == 0:
        return 0.0, 1.0
    share, square = successes / trials, CONFIDENCE**2
    middle = share + square / (2 * trials)
    spread = CONFIDENCE * sqrt(share * (1 - share) / trials + square / (4 * trials**2))
    scale = 1 + square / trials
    # The interval holds the share itself, also where rounding would have it a hair outside.
    low, high = max(0.0, (middle - spread) / scale), min(1.0, (middle + spread) / scale)
    return min(share, low), max(share, high)


def _held(cases: Iterable[Case], attempts: Sequence[Attempt], now: datetime) -> Iterable[Case]:
    """Yield the cases in which nothing was run and of which is known how they went on."""
    touched = {attempt.incident_id for attempt in attempts}
    for case in cases:
        if case.incident_id not in touched and (case.ended or now - case.opened_at >= RELAPSE):
            yield case


def _relapsed(attempt: Attempt, cases: Iterable[Case]) -> bool:
    assert attempt.judgement is not None, "verified attempts were judged"
    end = attempt.judgement.at
    return any(
        case.target_key == attempt.target.key and end < case.opened_at <= end + RELAPSE
        for case in cases
    )


def _percentile(ordered: Sequence[timedelta], share: float) -> timedelta | None:
    """Return the nearest-rank percentile."""
    return ordered[max(0, ceil(share * len(ordered)) - 1)] if ordered else None
