"""How well a script serves a rule: counted from attempts, against what heals without it. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil, sqrt

from autorecovery.models.incident import Attempt
from autorecovery.models.reason import Verdict

CONFIDENCE = 1.96
"""Standard deviations of a 95 % interval."""

RELAPSE = timedelta(hours=24)
"""A recovery that is needed again within this time did not last."""


@dataclass(frozen=True, slots=True)
class HeldCase:
    """An incident in which nothing was run, and whether it healed all the same."""

    rule_name: str
    opened_at: datetime
    healed: bool


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
    """The 95 % interval of the share verified (Wilson)."""
    recovery_p50: timedelta | None
    recovery_p90: timedelta | None
    """From the attempt's intent to its verdict, where it was verified."""
    relapsed: int
    """Verified attempts after which the same target needed the rule again within a day."""
    held: int
    self_healed: int
    """Cases of the rule in which nothing was run, and how many of them healed: the baseline."""

    @property
    def rate(self) -> float | None:
        """Return the share verified, or None before the first attempt."""
        return self.verified / self.attempts if self.attempts else None

    @property
    def self_heal_rate(self) -> float | None:
        """Return the share that healed without being touched."""
        return self.self_healed / self.held if self.held else None

    def deserves_demotion(self, below: float, at_least: int) -> bool:
        """Return whether enough attempts show that the script cannot be relied on."""
        return self.attempts >= at_least and self.low < below


def scorecards(attempts: Iterable[Attempt], held: Sequence[HeldCase]) -> list[Scorecard]:
    """Return one card for each script under each rule that was ever attempted."""
    groups: dict[tuple[str, str], list[Attempt]] = {}
    for attempt in attempts:
        groups.setdefault((attempt.script, attempt.rule_name), []).append(attempt)
    return [_card(*key, group, held) for key, group in sorted(groups.items())]


def _card(script: str, rule_name: str, group: list[Attempt], held: Sequence[HeldCase]) -> Scorecard:
    verified = [a for a in group if a.verdict is Verdict.VERIFIED]
    failed = [a for a in group if a.verdict is Verdict.NOT_RECOVERED]
    judged = len(verified) + len(failed)
    low, high = wilson(len(verified), judged)
    took = sorted(a.judgement.at - a.intended_at for a in verified if a.judgement)
    cases = [case for case in held if case.rule_name == rule_name]
    return Scorecard(
        script=script,
        rule_name=rule_name,
        attempts=judged,
        verified=len(verified),
        unclear=len(group) - judged,
        low=low,
        high=high,
        recovery_p50=_percentile(took, 0.5),
        recovery_p90=_percentile(took, 0.9),
        relapsed=sum(1 for attempt in verified if _relapsed(attempt, group)),
        held=len(cases),
        self_healed=sum(1 for case in cases if case.healed),
    )


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """Return the 95 % score interval of a share (Wilson 1927); 0 to 1 where nothing was tried."""
    if trials == 0:
        return 0.0, 1.0
    share, square = successes / trials, CONFIDENCE**2
    middle = share + square / (2 * trials)
    spread = CONFIDENCE * sqrt(share * (1 - share) / trials + square / (4 * trials**2))
    scale = 1 + square / trials
    return max(0.0, (middle - spread) / scale), min(1.0, (middle + spread) / scale)


def _relapsed(attempt: Attempt, group: Sequence[Attempt]) -> bool:
    assert attempt.judgement is not None, "verified attempts were judged"
    end = attempt.judgement.at
    return any(
        other.incident_id != attempt.incident_id
        and other.target == attempt.target
        and end < other.intended_at <= end + RELAPSE
        for other in group
    )


def _percentile(ordered: Sequence[timedelta], share: float) -> timedelta | None:
    """Return the nearest-rank percentile."""
    return ordered[max(0, ceil(share * len(ordered)) - 1)] if ordered else None
