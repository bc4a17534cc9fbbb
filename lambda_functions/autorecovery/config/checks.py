"""What is well-formed and cannot work all the same: found at synth, not at three in the morning."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

from autorecovery.config.problems import Marks, Place, Problem, problem_at, suggest
from autorecovery.config.schema import Configuration
from autorecovery.models.actions import ASK_HUMAN, WITHOUT_SCRIPT, InstanceAction
from autorecovery.models.canary import CANARY, LONGEST, SCRIPT, SHORTEST
from autorecovery.models.durations import write_duration
from autorecovery.models.reason import Level
from autorecovery.models.rule import (
    MOST_COUNTED,
    AbsenceCondition,
    Frequency,
    LogCondition,
    MetricCondition,
    Rule,
    Rung,
    Sustained,
)

if TYPE_CHECKING:
    from autorecovery.scripts import Script

ABSENCE_PERIOD = timedelta(minutes=1)
"""How often a metric that must keep coming is looked for."""

SHORTEST_PERIOD = timedelta(seconds=1)

SHORTEST_INTERVAL = timedelta(seconds=10)
"""Between two messages of one group: quicker than that nobody reads."""

LEAST_PAUSE, LONGEST_PAUSE = timedelta(seconds=1), timedelta(minutes=5)
"""Of a host between two batches."""

Found = Iterator[tuple[Place, str]]
"""Where something cannot work, and why."""


def impossibilities(
    configuration: Configuration, scripts: "Mapping[str, Script] | None", marks: Marks
) -> list[Problem]:
    """Return everything that cannot work; scripts are looked at only where they are given."""
    found = [
        *_functions(configuration),
        *_reminders(configuration),
        *_escalation(configuration),
        *_grouping(configuration),
        *_ingest(configuration),
        *_twins(configuration.rules),
        *_canary(configuration, scripts),
        *(
            (("rules", name, *place), message)
            for name, rule in configuration.rules.items()
            for place, message in _rule(rule, scripts)
        ),
    ]
    return [problem_at(place, message, marks) for place, message in found]


def _functions(configuration: Configuration) -> Found:
    timeout = configuration.functions.timeout
    if not timedelta(seconds=3) <= timeout <= timedelta(minutes=15):
        message = f"expected between 3s and 15m; found {write_duration(timeout)}"
        yield ("lambda", "timeout"), message


def _reminders(configuration: Configuration) -> Found:
    for index, wait in enumerate(configuration.notify.reminders):
        if not wait:
            yield ("notify", "reminders", index), "expected a wait such as 15m; found none at all"


def _escalation(configuration: Configuration) -> Found:
    channels = configuration.notify.channels
    for index, escalation in enumerate(configuration.notify.escalation):
        for position, name in enumerate(escalation.to):
            if name not in channels:
                message = f"no such channel: {name!r}{suggest(name, channels)}"
                yield ("notify", "escalation", index, "to", position), message


def _grouping(configuration: Configuration) -> Found:
    notify = configuration.notify
    yield from _counting(("notify", "at_most"), notify.at_most)
    if notify.group.interval < SHORTEST_INTERVAL:
        message = f"expected at least {write_duration(SHORTEST_INTERVAL)}"
        yield ("notify", "group", "interval"), message
    if notify.group.repeat < notify.group.interval:
        message = f"shorter than the interval of {write_duration(notify.group.interval)}"
        yield ("notify", "group", "repeat"), message


def _ingest(configuration: Configuration) -> Found:
    ingest = configuration.ingest
    if not LEAST_PAUSE <= ingest.every <= LONGEST_PAUSE:
        message = (
            f"expected between {write_duration(LEAST_PAUSE)} and"
            f" {write_duration(LONGEST_PAUSE)}; found {write_duration(ingest.every)}"
        )
        yield ("ingest", "every"), message
    # The references are no secrets, but what else stands there by mistake may be.
    holders = {ingest.operator_token: "the operator"} if ingest.operator_token else {}
    for name, host in ingest.hosts.items():
        if other := holders.get(host.token):
            yield ("ingest", "hosts", name, "token"), f"the token of {other}: it proves nobody"
        holders[host.token] = name


def _canary(configuration: Configuration, scripts: "Mapping[str, Script] | None") -> Found:
    if CANARY in configuration.rules:
        message = "this name is kept for the rule of `canary`, which writes itself"
        yield ("rules", CANARY), message
    canary = configuration.canary
    if canary is None:
        return
    if not SHORTEST <= canary.every <= LONGEST or canary.every % timedelta(minutes=1):
        message = (
            f"expected whole minutes between {write_duration(SHORTEST)} and"
            f" {write_duration(LONGEST)}; found {write_duration(canary.every)}"
        )
        yield ("canary", "every"), message
    if canary.topic and canary.topic == configuration.notify.topic_arn:
        yield ("canary", "topic"), "this is the topic of people; the canary needs one of its own"
    if canary.target and scripts is not None and SCRIPT not in scripts:
        yield ("canary", "target"), f"the canary runs the script {SCRIPT!r}, which is not there"


def _twins(rules: Mapping[str, Rule]) -> Found:
    seen: list[Rule] = []
    for name, rule in rules.items():
        if twin := next((other for other in seen if other.when == rule.when), None):
            message = f"the same condition as rule {twin.name!r}: both would act on one machine"
            yield ("rules", name, "when"), message
        seen.append(rule)


def _rule(rule: Rule, scripts: "Mapping[str, Script] | None") -> Found:
    yield from _condition(rule)
    yield from _recovery_level(rule)
    yield from _ladder(rule.recover)
    for index, rung in enumerate(rule.recover):
        for place, message in (*_verification(rule, rung), *_script(rung, scripts)):
            yield ("recover", index, *place), message


def _condition(rule: Rule) -> Found:
    when = rule.when
    if isinstance(when, LogCondition):
        yield from _counting(("when", "count"), when.count)
    elif isinstance(when, MetricCondition):
        if when.sustained:
            yield from _counting(("when", "sustained"), when.sustained)
            yield from _window(when.sustained, when.period)
        if when.period < SHORTEST_PERIOD:
            message = f"expected at least {write_duration(SHORTEST_PERIOD)}"
            yield ("when", "period"), message
    elif isinstance(when, AbsenceCondition) and when.lasting < 2 * ABSENCE_PERIOD:
        message = (
            f"{write_duration(when.lasting)} cannot tell silence from a late datapoint;"
            f" expected at least {write_duration(2 * ABSENCE_PERIOD)}"
        )
        yield ("when", "for"), message


def _counting(place: Place, wanted: Frequency | Sustained) -> Found:
    if wanted.count > MOST_COUNTED:
        yield place, f"{wanted.count} are too many to remember; expected at most {MOST_COUNTED}"
    if not wanted.window:
        yield place, "the window is empty; expected one such as 5m"


def _window(sustained: Sustained, period: timedelta) -> Found:
    needed = sustained.count * period
    if sustained.window < needed:
        message = (
            f"{sustained.count} periods of {write_duration(period)} take {write_duration(needed)},"
            f" more than the window of {write_duration(sustained.window)}"
        )
        yield ("when", "sustained"), message


def _recovery_level(rule: Rule) -> Found:
    """Find a ladder that starts at a level which the condition never has."""
    when = rule.when
    if isinstance(when, MetricCondition):
        worst = Level.WARNING if when.critical is None else Level.CRITICAL
        if rule.recover_at is Level.WARNING and when.warning is None:
            yield ("recover_at",), "the rule has no warning limit; expected critical"
    else:
        worst = when.level
    if rule.recover and not worst.reaches(rule.recover_at):
        message = (
            f"the rule never gets worse than {worst}, so nothing would ever be run;"
            f" expected `recover_at: {worst}`"
        )
        yield ("recover_at",), message


def _ladder(rungs: Sequence[Rung]) -> Found:
    """Find rungs that could never be run where they stand."""
    for index, (rung, above) in enumerate(pairwise(rungs), start=1):
        if rung.run == above.run == ASK_HUMAN:
            yield ("recover", index, "run"), "asks a second time, and nothing was run in between"
    replaced = False
    for index, rung in enumerate(rungs):
        if replaced and rung.run != ASK_HUMAN:
            message = f"nothing can be run after {InstanceAction.REPLACE}: the machine is gone"
            yield ("recover", index, "run"), message
        replaced = replaced or rung.run == InstanceAction.REPLACE


def _verification(rule: Rule, rung: Rung) -> Found:
    """Find a verification that ends before it could have seen two datapoints."""
    if rung.run == ASK_HUMAN:
        return  # nothing is run, so nothing is verified
    if isinstance(rule.when, MetricCondition) and rung.verify.within < 2 * rule.when.period:
        message = (
            f"{write_duration(rung.verify.within)} cannot see two periods of"
            f" {write_duration(rule.when.period)}; give it more time,"
            " or the metric a shorter period"
        )
        yield ("verify", "within"), message


def _script(rung: Rung, scripts: "Mapping[str, Script] | None") -> Found:
    if rung.run in WITHOUT_SCRIPT:
        if rung.parameters:
            yield ("with",), f"{rung.run} takes no parameters; found {', '.join(rung.parameters)}"
        return
    if scripts is None:
        return
    script = scripts.get(rung.run)
    if script is None:
        known = {*scripts, *WITHOUT_SCRIPT}
        yield ("run",), f"no such script: {rung.run!r}{suggest(rung.run, known)}"
        return
    try:
        script.bind(rung.parameters)
    except ValueError as error:  # a ScriptError
        yield ("with",), str(error)
