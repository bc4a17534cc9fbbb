"""What parsing gathers from one delivery, and what it is told to look for."""

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from math import inf
from typing import NamedTuple

from autorecovery.config import Fields, LogSource
from autorecovery.models.rule import LogCondition, MetricCondition, Rule
from autorecovery.models.signal import Rejection, Signal
from autorecovery.records import LineMatcher, matcher_of

EXCERPT = 500
"""Characters of evidence kept of anything: enough to recognise it, too few to flood a message."""

KEPT_REJECTIONS = 20
"""Rejections described, and strangers kept whole, per delivery; the rest are counted."""

LONGEST_IDENTITY = 400
"""Bytes. Names and ids are keys of stores, which have limits of their own."""

Concerned = Callable[[], Collection[str]]
"""Names of targets that have an open incident; asked at most once a delivery."""


@dataclass
class Findings:
    """The signals of one delivery that deserve a look, and a count of everything else."""

    signals: list[Signal] = field(default_factory=list)
    quiet: int = 0
    """Healthy measurements that concern no open incident: counted, never built."""
    rejected: int = 0
    rejections: list[Rejection] = field(default_factory=list)
    ignored: int = 0
    strangers: list[tuple[object, str]] = field(default_factory=list)
    """Whole events of unknown shape, and what is strange: kept, and told to people."""

    def reject(self, why: str, thing: object) -> None:
        """Count something that is broken, and keep the beginning of it."""
        self.rejected += 1
        if len(self.rejections) < KEPT_REJECTIONS:
            self.rejections.append(Rejection(why, excerpt(thing)))

    def meet_stranger(self, why: str, event: object) -> None:
        """Count an event nobody knows the shape of, and keep it whole."""
        self.reject(why, event)
        if len(self.strangers) < KEPT_REJECTIONS:
            self.strangers.append((event, why))

    @property
    def seen(self) -> int:
        """Return how many observations the delivery held."""
        return len(self.signals) + self.quiet


def excerpt(thing: object) -> str:
    """Return the beginning of anything, as text."""
    try:
        return (thing if isinstance(thing, str) else repr(thing))[:EXCERPT]
    except RecursionError:
        return f"{type(thing).__name__}, nested too deeply"


def fingerprint(*parts: object) -> str:
    """Return a short stable name for what has no identity of its own."""
    return hashlib.sha256("\n".join(str(part) for part in parts).encode()).hexdigest()[:16]


def bounded(name: str) -> str:
    """Return a name that fits into any store; a longer one is cut, and stays apart from others."""
    encoded = name.encode()
    if len(encoded) <= LONGEST_IDENTITY:
        return name
    return f"{encoded[: LONGEST_IDENTITY - 20].decode('utf-8', 'ignore')}…{fingerprint(name)}"


class LineRule(NamedTuple):
    """A rule about log lines, ready to be asked."""

    name: str
    matches: LineMatcher
    by_field: bool
    """It looks at one field of a record, not at the whole line."""


@dataclass(frozen=True)
class Watch:
    """What in a delivery deserves a closer look; compiled once from the rules.

    `quiet` holds, for every metric with a rule, the open interval in which its value breaks none.
    """

    quiet: Mapping[str, tuple[float, float]]
    line_rules: tuple[LineRule, ...]
    fields: Mapping[str, Fields]
    """Where a log group's lines keep what we look for; other groups use the defaults."""

    @classmethod
    def compile(cls, rules: Iterable[Rule], logs: Iterable[LogSource] = ()) -> "Watch":
        """Return what these rules make worth a look."""
        quiet: dict[str, tuple[float, float]] = {}
        line_rules = []
        for rule in rules:
            when = rule.when
            if isinstance(when, MetricCondition):
                low, high = quiet.get(when.metric, (-inf, inf))
                limit = when.first_limit
                above = when.direction == "above"
                quiet[when.metric] = (low, min(high, limit)) if above else (max(low, limit), high)
            elif isinstance(when, LogCondition):
                line_rules.append(
                    LineRule(rule.name, matcher_of(when.log), when.log.field is not None)
                )
        return cls(quiet, tuple(line_rules), {source.group: source.fields for source in logs})


class Parser(NamedTuple):
    """What every reader of a delivery needs, in one hand."""

    watch: Watch
    now: datetime
    concerned: Concerned
    findings: Findings
