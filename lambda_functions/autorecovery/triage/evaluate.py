"""Which signals break a rule, which show health, and which say nothing. Touches nothing."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from autorecovery.config import Configuration
from autorecovery.models.canary import CANARY
from autorecovery.models.incident import Breach, Sighting
from autorecovery.models.reason import Level
from autorecovery.models.rule import (
    SILENT,
    AbsenceCondition,
    AlarmCondition,
    LogCondition,
    MetricCondition,
    Rule,
    StateCondition,
)
from autorecovery.models.signal import SILENCE_EVENT, MetricOrigin, Signal, SignalKind

RUNNING = "running"


@dataclass
class Assessment:
    """What the signals of one delivery mean."""

    breaches: list[Breach] = field(default_factory=list)
    recoveries: list[tuple[str, Signal]] = field(default_factory=list)
    """Healthy signals, each with the name of the rule (or its stand-in) that it is healthy for."""


def assess(signals: Iterable[Signal], configuration: Configuration) -> Assessment:
    """Return the breaches and the signs of health among the signals."""
    assessment = Assessment()
    for signal in signals:
        _ASSESS[signal.kind](signal, configuration, assessment)
    return assessment


def _assess_metric(signal: Signal, configuration: Configuration, found: Assessment) -> None:
    assert signal.value is not None, "metric signals carry a value"
    for rule in configuration.rules.values():
        when = rule.when
        if not isinstance(when, MetricCondition) or when.metric != signal.name:
            continue
        if when.instances and signal.target.name not in when.instances:
            continue
        if level := when.level_of(signal.value):
            found.breaches.append(_breach(rule, level, signal))
        elif when.is_healthy(signal.value):
            found.recoveries.append((rule.name, signal))


def _assess_line(signal: Signal, configuration: Configuration, found: Assessment) -> None:
    rule = configuration.rules.get(signal.rule or "")
    if rule and isinstance(rule.when, LogCondition):
        found.breaches.append(_breach(rule, rule.when.level, signal))


def _assess_state(signal: Signal, configuration: Configuration, found: Assessment) -> None:
    if signal.state == CANARY:
        return _assess_canary(signal, configuration, found)
    if signal.name == SILENCE_EVENT and not _has_silence_rule(configuration):
        return _assess_silence(signal, found)
    for rule in configuration.rules.values():
        if not isinstance(rule.when, StateCondition):
            continue
        if rule.when.state == signal.state:
            found.breaches.append(_breach(rule, rule.when.level, signal))
        elif signal.state == RUNNING and rule.when.is_about_running:
            found.recoveries.append((rule.name, signal))


def _has_silence_rule(configuration: Configuration) -> bool:
    rules = configuration.rules.values()
    return any(isinstance(r.when, StateCondition) and r.when.state == SILENT for r in rules)


def _assess_silence(signal: Signal, found: Assessment) -> None:
    """A host that no longer sends is an incident, whether or not a rule says so."""
    breach = _breach(None, Level.CRITICAL, signal)
    if signal.state == SILENT:
        found.breaches.append(breach)
    else:
        found.recoveries.append((breach.rule_name, signal))


def _assess_canary(signal: Signal, configuration: Configuration, found: Assessment) -> None:
    """Break the canary's own rule; the configuration says on which machine, not the event."""
    canary = configuration.canary
    if canary and signal.target.name == (canary.target or CANARY):
        found.breaches.append(_breach(canary.rule, Level.CRITICAL, signal))


def _assess_alarm(signal: Signal, configuration: Configuration, found: Assessment) -> None:
    matching = list(rules_of_alarm(signal, configuration))
    if signal.state == "OK":
        names = [rule.name for rule in matching] or [_breach(None, Level.INFO, signal).rule_name]
        found.recoveries.extend((name, signal) for name in names)
    elif signal.state == "ALARM":
        for rule in matching:
            found.breaches.append(_breach(rule, alarm_level(signal, rule), signal))
        if not matching:
            found.breaches.append(_breach(None, signal.level or Level.WARNING, signal))
    # INSUFFICIENT_DATA is neither: no data is not good news, and an absence rule has its own alarm.


_ASSESS = {
    SignalKind.METRIC: _assess_metric,
    SignalKind.LOG: _assess_line,
    SignalKind.STATE: _assess_state,
    SignalKind.ALARM: _assess_alarm,
}


def rules_of_alarm(signal: Signal, configuration: Configuration) -> Iterable[Rule]:
    """Yield the rules an alarm belongs to: the one it names, else those that match it."""
    rules = configuration.rules
    if signal.rule is not None:
        if signal.rule in rules:
            yield rules[signal.rule]
        return
    yield from (rule for rule in rules.values() if _matches(rule, signal, configuration))


def _matches(rule: Rule, signal: Signal, configuration: Configuration) -> bool:
    when = rule.when
    if isinstance(when, AlarmCondition):
        return fnmatchcase(signal.name, when.alarm)
    origin = signal.origin
    if not isinstance(when, MetricCondition) or not isinstance(origin, MetricOrigin):
        return False
    return (
        when.metric == origin.metric
        and signal.falls_below == (when.direction == "below")
        and configuration.namespace_of(when.metric, when.namespace) == origin.namespace
        and set(when.dimensions.items()) <= set(origin.dimensions)
        and (not when.instances or signal.target.name in when.instances)
    )


def alarm_level(signal: Signal, rule: Rule) -> Level:
    """Return how bad an alarm is: as it says itself, as its threshold says, or as the rule says."""
    if signal.level is not None:
        return signal.level
    when = rule.when
    if isinstance(when, MetricCondition):
        by_threshold = when.level_of(signal.threshold) if signal.threshold is not None else None
        # An alarm on a lower limit than ours still rang: it is at least a warning.
        return by_threshold or Level.WARNING
    assert isinstance(when, AlarmCondition | AbsenceCondition | StateCondition | LogCondition)
    return when.level


def _breach(rule: Rule | None, level: Level, signal: Signal) -> Breach:
    sighting = Sighting(signal.id, signal.at, level)
    return Breach(rule, level, signal, (sighting,), (signal.evidence,) if signal.evidence else ())
