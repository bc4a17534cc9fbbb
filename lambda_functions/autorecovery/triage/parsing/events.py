"""EventBridge events that are no alarms: EC2 states, Spot, AWS Health; and what a person types."""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from autorecovery.config import Fields
from autorecovery.models.canary import CANARY, CANARY_EVENT
from autorecovery.models.rule import SILENT
from autorecovery.models.signal import (
    INSTANCE_ID,
    SILENCE_EVENT,
    TYPED,
    EventOrigin,
    Signal,
    SignalKind,
    Target,
    TargetKind,
)
from autorecovery.records import UnreadableRecordError, measurements, target_of
from autorecovery.triage.parsing.findings import Findings, Parser, bounded, excerpt, fingerprint
from autorecovery.triage.parsing.moments import read_moment

SSM_COMMAND = re.compile(r"EC2 Command (Invocation )?Status-change Notification")
"""The detail-types that belong to `command_listener`."""

INSTANCE_STATES = ("pending", "running", "shutting-down", "stopped", "stopping", "terminated")


def read_event(event: Mapping[str, Any], parser: Parser) -> None:
    """Add the signals of one EventBridge event."""
    findings = parser.findings
    kind = event.get("detail-type")
    detail = event.get("detail")
    if not isinstance(detail, dict) or not isinstance(kind, str):
        findings.meet_stranger("EventBridge event without detail-type or detail", event)
    elif SSM_COMMAND.fullmatch(kind):
        findings.ignored += 1
    elif (at := read_moment(event.get("time"), parser.now)) is None:
        findings.meet_stranger("EventBridge event without a usable time", event)
    elif kind == "EC2 Instance State-change Notification":
        _read_instance(event, detail, detail.get("state"), at, findings)
    elif kind == "EC2 Spot Instance Interruption Warning":
        _read_instance(event, detail, "spot-interruption", at, findings)
    elif kind in (CANARY_EVENT, SILENCE_EVENT):
        _read_own(event, detail, at, findings)
    elif kind == "AWS Health Event":
        _read_health(event, detail, at, findings)
    else:
        findings.meet_stranger(f"EventBridge event of unknown kind {kind[:80]!r}", event)


def read_typed(event: Mapping[str, Any], parser: Parser) -> None:
    """Add the signals of a plain object with metric and value, as a person types it."""
    fields, findings = Fields(), parser.findings
    stamp = event.get("time") or event.get("timestamp")
    at = read_moment(stamp, parser.now) if stamp else parser.now
    if at is None:
        findings.reject("a time that cannot be read, or cannot be", event)
        return
    identity = event.get("id")
    if not isinstance(identity, str) or not identity:
        # Without a name of its own it is an observation of that moment, and a new one each time.
        identity = fingerprint("typed", event, at)
    target = target_of(event, fields)
    measured = list(measurements(event, fields, parser.watch.quiet))
    if not measured:
        findings.reject("nothing is measured", event)
    for part, found in enumerate(measured):
        if isinstance(found, UnreadableRecordError):
            findings.reject(str(found), event)
            continue
        own, metric, value = found
        if (named := own or target) is None:
            findings.reject("a measurement of nobody: no target", event)
            continue
        findings.signals.append(
            Signal(
                id=bounded(f"{identity}.{part}" if part else identity),
                kind=SignalKind.METRIC,
                target=Target.named(named),
                name=metric,
                at=at,
                origin=TYPED,
                value=value,
                evidence=excerpt(event),
            )
        )


def _read_instance(
    event: Mapping[str, Any],
    detail: Mapping[str, Any],
    state: object,
    at: datetime,
    findings: Findings,
) -> None:
    name = detail.get("instance-id")
    known = state in (*INSTANCE_STATES, "spot-interruption")
    if not isinstance(name, str) or not name or not known:
        findings.meet_stranger("instance event without a known instance-id and state", event)
        return
    target = Target.named(bounded(name), *_whose(event))
    findings.signals.append(_state_signal(event, target, str(state), at))


def _read_own(
    event: Mapping[str, Any], detail: Mapping[str, Any], at: datetime, findings: Findings
) -> None:
    """Add what we tell ourselves: the canary's flight, and the silence of a host."""
    if event["detail-type"] == CANARY_EVENT:
        findings.signals.append(_state_signal(event, _canary_of(event, detail), CANARY, at))
        return
    name, state = detail.get("host"), detail.get("state")
    if not isinstance(name, str) or not name or state not in (SILENT, "running"):
        findings.meet_stranger("silence of a host without a host or a state", event)
        return
    target = Target.named(bounded(name))
    signal = _state_signal(event, target, str(state), at)
    findings.signals.append(replace(signal, evidence=excerpt(detail.get("told", signal.evidence))))


def _canary_of(event: Mapping[str, Any], detail: Mapping[str, Any]) -> Target:
    name, whose = detail.get("target"), _whose(event)
    if isinstance(name, str) and INSTANCE_ID.fullmatch(name):
        return Target(TargetKind.INSTANCE, name, *whose)
    return Target(TargetKind.RESOURCE, CANARY, *whose)


def _read_health(
    event: Mapping[str, Any], detail: Mapping[str, Any], at: datetime, findings: Findings
) -> None:
    whose = _whose(event)
    names = _affected(detail.get("affectedEntities"))
    for name in names:
        target = Target.named(name, *whose)
        if target.kind is not TargetKind.INSTANCE:
            target = Target(TargetKind.RESOURCE, name, *whose)
        findings.signals.append(_state_signal(event, target, "health-event", at))
    if not names:
        service = detail.get("service")
        name = f"AWS {bounded(service)}" if isinstance(service, str) else "AWS account"
        target = Target(TargetKind.RESOURCE, name, *whose)
        findings.signals.append(_state_signal(event, target, "health-event", at))


def _affected(entities: object) -> list[str]:
    """Return the ids of what a Health event is about; an instance's ARN ends in its id."""
    found = [
        entity.get("entityValue") if isinstance(entity, dict) else None
        for entity in (entities if isinstance(entities, list) else ())
    ]
    named = [value.rpartition(":instance/")[2] for value in found if isinstance(value, str)]
    return list(dict.fromkeys(bounded(name) for name in named if name))


def _state_signal(event: Mapping[str, Any], target: Target, state: str, at: datetime) -> Signal:
    kind, detail = event["detail-type"], event["detail"]
    identity = _identity(event, detail) or fingerprint(kind, target.key, state, at)
    told = detail.get("eventTypeCode")
    return Signal(
        id=bounded(f"{identity}|{target.name}"),
        kind=SignalKind.STATE,
        target=target,
        name=kind,
        at=at,
        origin=EventOrigin(excerpt(event.get("source", "eventbridge"))),
        state=state,
        evidence=excerpt(told if isinstance(told, str) else f"{kind}: {state}"),
    )


def _identity(event: Mapping[str, Any], detail: Mapping[str, Any]) -> object:
    """Return what names the event itself: AWS Health repeats an event under new event ids."""
    if detail.get("eventArn"):
        return f"{detail['eventArn']}|{detail.get('communicationId')}"
    return event.get("id")


def _whose(event: Mapping[str, Any]) -> tuple[str, str]:
    account, region = event.get("account"), event.get("region")
    return (account if isinstance(account, str) else "", region if isinstance(region, str) else "")
