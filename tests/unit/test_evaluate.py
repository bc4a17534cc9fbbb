"""Which signals break a rule, which show health, and which say nothing."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from autorecovery.config import loads
from autorecovery.models.reason import Level
from autorecovery.models.signal import (
    EventOrigin,
    LogOrigin,
    MetricOrigin,
    Origin,
    Signal,
    SignalKind,
    Target,
)
from autorecovery.triage.evaluate import alarm_level, assess, rules_of_alarm

NOW = datetime(2026, 1, 15, 3, 5, tzinfo=UTC)
WEB_1, WEB_2 = "i-0a1b2c3d4e5f67890", "i-0123456789abcdef0"

CONFIGURATION = loads(
    f"""
service: shop
rules:
  cpu: {{ when: {{ metric: CPUUtilization, warning: 80, critical: 95 }} }}
  web-1: {{ when: {{ metric: CPUUtilization, critical: 99, instances: [{WEB_1}] }} }}
  free: {{ when: {{ metric: free, warning: 10, critical: 5, direction: below }} }}
  root: {{ when: {{ metric: disk_used_percent, warning: 85, dimensions: {{ path: / }} }} }}
  errors: {{ when: {{ log: {{ pattern: ERROR }}, count: 3 per 1m, level: warning }} }}
  legacy: {{ when: {{ alarm: "legacy-*", level: warning }} }}
  stopped: {{ when: {{ state: stopped }} }}
  spot: {{ when: {{ state: spot-interruption, level: warning }} }}
  silent: {{ when: {{ absence: CPUUtilization, for: 10m }} }}
""",
    "config.yaml",
    {},
).configuration

Verdicts = tuple[list[tuple[str, Level]], list[str]]


def seen(signal: Signal) -> Verdicts:
    """Return the rules a signal breaks, with the level, and those it is healthy for."""
    found = assess([signal], CONFIGURATION)
    breaches = [(breach.rule_name, breach.level) for breach in found.breaches]
    return breaches, [name for name, _ in found.recoveries]


def signal(kind: SignalKind, name: str, origin: Origin | None = None, **more: Any) -> Signal:
    target = Target.named(more.pop("host", WEB_2))
    return Signal("id", kind, target, name, NOW, origin or EventOrigin("test"), **more)


def metric(name: str, value: float, host: str = WEB_2) -> Signal:
    return signal(SignalKind.METRIC, name, LogOrigin("/shop", "app"), value=value, host=host)


def cpu_alarm(state: str = "ALARM", name: str = "any", **more: Any) -> Signal:
    """Return an alarm on the CPU that does not say whose it is."""
    dimensions = (("InstanceId", more.get("host", WEB_2)),)
    origin = MetricOrigin("AWS/EC2", "CPUUtilization", dimensions)
    return signal(SignalKind.ALARM, name, more.pop("origin", origin), state=state, **more)


@pytest.mark.parametrize(
    ("given", "breaches", "recoveries"),
    [
        (metric("CPUUtilization", 95), [("cpu", Level.CRITICAL)], []),
        (metric("CPUUtilization", 80), [("cpu", Level.WARNING)], []),
        (metric("CPUUtilization", 79.9), [], []),
        (metric("CPUUtilization", 70), [], []),
        (metric("CPUUtilization", 69.9), [], ["cpu"]),
        (
            metric("CPUUtilization", 99, WEB_1),
            [("cpu", Level.CRITICAL), ("web-1", Level.CRITICAL)],
            [],
        ),
        (metric("free", 5), [("free", Level.CRITICAL)], []),
        (metric("free", 10), [("free", Level.WARNING)], []),
        (metric("free", 50), [], ["free"]),
        (metric("unknown", 1e9), [], []),
    ],
)
def test_a_value_is_held_against_the_limits_of_its_metric(
    given: Signal, breaches: list[tuple[str, Level]], recoveries: list[str]
) -> None:
    assert seen(given) == (breaches, recoveries)


@pytest.mark.parametrize(
    ("given", "breaches", "recoveries"),
    [
        (signal(SignalKind.STATE, "x", state="stopped"), [("stopped", Level.CRITICAL)], []),
        (signal(SignalKind.STATE, "x", state="spot-interruption"), [("spot", Level.WARNING)], []),
        (signal(SignalKind.STATE, "x", state="running"), [], ["stopped"]),
        (signal(SignalKind.STATE, "x", state="pending"), [], []),
        (signal(SignalKind.LOG, "/shop", rule="errors"), [("errors", Level.WARNING)], []),
        (signal(SignalKind.LOG, "/shop", rule="cpu"), [], []),
        (signal(SignalKind.LOG, "/shop", rule="gone"), [], []),
    ],
)
def test_states_and_lines_break_the_rules_that_speak_of_them(
    given: Signal, breaches: list[tuple[str, Level]], recoveries: list[str]
) -> None:
    assert seen(given) == (breaches, recoveries)


@pytest.mark.parametrize(
    ("given", "breaches", "recoveries"),
    [
        (cpu_alarm(rule="free", level=Level.CRITICAL), [("free", Level.CRITICAL)], []),
        (cpu_alarm(rule="gone", level=Level.CRITICAL), [("unruled:any", Level.CRITICAL)], []),
        (cpu_alarm(threshold=95), [("cpu", Level.CRITICAL)], []),
        (cpu_alarm(threshold=80), [("cpu", Level.WARNING)], []),
        (cpu_alarm(threshold=50), [("cpu", Level.WARNING)], []),
        (cpu_alarm(), [("cpu", Level.WARNING)], []),
        (cpu_alarm(host=WEB_1), [("cpu", Level.WARNING), ("web-1", Level.WARNING)], []),
        (cpu_alarm(name="legacy-db"), [("cpu", Level.WARNING), ("legacy", Level.WARNING)], []),
        (cpu_alarm("OK"), [], ["cpu"]),
        (cpu_alarm("OK", rule="free"), [], ["free"]),
        (cpu_alarm("OK", rule="gone"), [], ["unruled:any"]),
        (cpu_alarm("INSUFFICIENT_DATA"), [], []),
        (cpu_alarm(rule="silent"), [("silent", Level.CRITICAL)], []),
        (
            cpu_alarm(origin=MetricOrigin("AWS/RDS", "CPUUtilization")),
            [("unruled:any", Level.WARNING)],
            [],
        ),
        (
            cpu_alarm(origin=MetricOrigin("CWAgent", "disk_used_percent", (("path", "/"),))),
            [("root", Level.WARNING)],
            [],
        ),
        (
            cpu_alarm(origin=MetricOrigin("CWAgent", "disk_used_percent")),
            [("unruled:any", Level.WARNING)],
            [],
        ),
        (
            cpu_alarm(origin=MetricOrigin("AutoRecovery/shop", "free"), falls_below=True),
            [("free", Level.WARNING)],
            [],
        ),
        # An alarm that rings when the fleet is idle says nothing of overload, nor vice versa.
        (
            cpu_alarm(origin=MetricOrigin("AutoRecovery/shop", "free")),
            [("unruled:any", Level.WARNING)],
            [],
        ),
        (cpu_alarm(threshold=99, falls_below=True), [("unruled:any", Level.WARNING)], []),
        (cpu_alarm(origin=EventOrigin("composite")), [("unruled:any", Level.WARNING)], []),
    ],
)
def test_an_alarm_belongs_to_the_rule_it_names_or_to_those_it_matches(
    given: Signal, breaches: list[tuple[str, Level]], recoveries: list[str]
) -> None:
    assert seen(given) == (breaches, recoveries)


def test_an_alarm_that_names_a_rule_matches_no_other() -> None:
    assert [rule.name for rule in rules_of_alarm(cpu_alarm(rule="free"), CONFIGURATION)] == ["free"]


def test_the_level_an_alarm_states_outweighs_its_threshold() -> None:
    given = cpu_alarm(threshold=95)
    assert alarm_level(given, CONFIGURATION.rules["cpu"]) is Level.CRITICAL
    stated = replace(given, level=Level.WARNING)
    assert alarm_level(stated, CONFIGURATION.rules["cpu"]) is Level.WARNING
