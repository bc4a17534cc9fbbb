"""Triage, in order: parse, evaluate, correlate, claim, and see to it that the response runs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property

from autorecovery.config import Configuration
from autorecovery.errors import ReadError, StoreError
from autorecovery.models.incident import Breach, Entry, EntryKind, Incident, Sighting, incident_id
from autorecovery.models.reason import Action, Level, Reason
from autorecovery.models.signal import EventOrigin, Signal, SignalKind, Target, TargetKind
from autorecovery.ports import (
    Claim,
    Clock,
    DeadLetters,
    IncidentLog,
    OpenIncident,
    Presence,
    ResponseStarter,
    TargetDirectory,
)
from autorecovery.triage.admit import hold_reason
from autorecovery.triage.correlate import correlate, needed_sightings, sustained_level
from autorecovery.triage.evaluate import assess
from autorecovery.triage.known import Holders, OpenClaims
from autorecovery.triage.outcome import Outcome, Touched
from autorecovery.triage.parsing import Findings, Watch, excerpt, fingerprint, parse

SORTS = 16
"""Events nobody understands are sorted by what is strange about them, into so many incidents at
most: people hear of each sort once, and thousands of shapes raise no thousands of notices."""


@dataclass(frozen=True)
class Triage:
    """What triage works with."""

    configuration: Configuration
    incidents: IncidentLog
    responses: ResponseStarter
    targets: TargetDirectory
    dead_letters: DeadLetters
    clock: Clock
    report: Callable[[Outcome], None] = lambda outcome: None
    """Hears what each delivery meant, once; the core itself does not log."""

    @cached_property
    def watch(self) -> Watch:
        """What in a delivery deserves a closer look."""
        config = self.configuration
        return Watch.compile(config.rules.values(), config.sources.logs)

    @cached_property
    def open_claims(self) -> OpenClaims:
        """What is open, as this container knows it."""
        return OpenClaims(self.incidents, self.clock)


def triage(event: object, app: Triage) -> Outcome:
    """Return what one delivery meant; every incident it concerns has, or now gets, a response.

    One incident's trouble does not keep the others waiting; what failed is in `failures`, and the
    delivery should then be made again: claims make that harmless.
    """
    known = Holders(app.incidents, app.open_claims)
    findings = parse(event, app.watch, app.clock(), app.open_claims.target_names)
    assessment = assess(findings.signals, app.configuration)
    candidates = correlate([*assessment.breaches, *_strangers(findings, app.clock())])
    outcome = Outcome(
        signals=findings.seen,
        rejected=findings.rejected,
        ignored=findings.ignored,
        rejections=findings.rejections,
    )
    for stranger, why in findings.strangers:
        _attempt(lambda e=stranger, w=why: app.dead_letters.keep(e, w, app.clock()), outcome)  # type: ignore[misc]
    for candidate in candidates:
        _attempt(lambda c=candidate: _admit(c, known, app), outcome)  # type: ignore[misc]
    for rule_name, signal in _last_of_each(assessment.recoveries, candidates):
        _attempt(lambda r=rule_name, s=signal: _clear(r, s, known, app), outcome)  # type: ignore[misc]
    return outcome


def _attempt(act: Callable[[], Touched | None], outcome: Outcome) -> None:
    try:
        touched = act()
    except StoreError as error:
        outcome.failures.append(str(error))
        return
    if touched is not None:
        outcome.incidents.append(touched)


def _admit(breach: Breach, known: Holders, app: Triage) -> Touched | None:
    """Return the incident that this breach opened or joined; None while it is not yet sustained."""
    if holder := known.of(breach.key):
        return _join(breach, holder, app)
    sustained = _sustained(breach, app)
    if sustained is None:
        return None
    candidate = _candidate(sustained, app)
    claim = app.incidents.open(candidate)
    if not claim.won:
        return _join_claimed(sustained, claim, app)
    app.open_claims.add(candidate.key)
    app.incidents.record(candidate.id, _opening(candidate))
    _start(candidate.id, app)
    if candidate.held_for is not None:
        return _touched(candidate, Action.HELD, candidate.held_for)
    return _touched(candidate, Action.OPENED, Reason.FIRST_BREACH)


def _sustained(breach: Breach, app: Triage) -> Breach | None:
    """Return the breach at the level it has lasted at, with all sightings; None if it has not."""
    needed = needed_sightings(breach)
    if needed is None:
        return breach
    count, window = needed
    sightings = tuple(app.incidents.remember_sightings(breach, window, count))
    level = sustained_level(sightings, count)
    return replace(breach, level=level, sightings=sightings) if level else None


def _candidate(breach: Breach, app: Triage) -> Incident:
    now, signal = app.clock(), breach.signal
    # Named by the newest sighting, not by this delivery's own: whichever of several deliveries
    # comes again after the incident was closed finds the name used.
    presence = _presence(breach, app)
    newest = max(breach.sightings, key=lambda sighting: (sighting.at, sighting.id))
    return Incident(
        id=incident_id(
            breach.rule_name, signal.target.key, replace(signal, id=newest.id, at=newest.at)
        ),
        rule_name=breach.rule_name,
        rule=breach.rule,
        target=signal.target,
        level=breach.level,
        signal=signal,
        opened_at=now,
        breached_at=newest.at,
        evidence=breach.evidence,
        held_for=hold_reason(breach, presence, now, app.configuration.limits.max_event_age),
        group=presence.group if presence else "",
    )


def _presence(breach: Breach, app: Triage) -> Presence | None:
    if breach.rule is None or not breach.rule.recover:
        return None
    try:
        return app.targets.look_up(breach.signal.target)
    except ReadError:
        return None  # unknown is not a no; the gate asks again before anything runs


def _join_claimed(breach: Breach, claim: Claim, app: Triage) -> Touched:
    incident = claim.incident
    if incident.is_closed:
        return _touched(incident, Action.UPDATED, Reason.ALREADY_HANDLED)
    holder = OpenIncident(
        incident.id, incident.rule_name, incident.target.key, incident.level, claim.started
    )
    return _join(breach, holder, app)


def _join(breach: Breach, holder: OpenIncident, app: Triage) -> Touched:
    """Let an open incident know of one more breach: worth waking it only if things got worse."""
    reason, level = Reason.STILL_BREACHING, holder.level
    worse = _sustained(breach, app) if breach.level.rank > level.rank else None
    if worse and app.incidents.raise_level(holder.incident_id, worse.level, worse.signal.at):
        reason, level = Reason.WORSE, worse.level
        _wake(holder.incident_id, app)
    if breach.signal.kind in (SignalKind.ALARM, SignalKind.STATE):
        # What cannot be measured again is healthy only while its newest signal says so.
        app.incidents.record(holder.incident_id, _sign(breach.signal))
    if not holder.started:
        # Somebody claimed it and died before starting the response: this delivery mends that.
        _start(holder.incident_id, app)
        reason = Reason.RESPONSE_RESTARTED
    return Touched(
        holder.incident_id, holder.rule_name, holder.target_key, level, Action.UPDATED, reason
    )


def _clear(rule_name: str, signal: Signal, known: Holders, app: Triage) -> Touched | None:
    """Pass a healthy signal on to the response of the incident it concerns, which alone closes."""
    holder = known.to_clear((rule_name, signal.target.key), signal.kind)
    if holder is None:
        return None
    if signal.kind is not SignalKind.METRIC:
        app.incidents.record(holder.incident_id, _sign(signal))
    if holder.started:
        _wake(holder.incident_id, app)
    else:
        _start(holder.incident_id, app)
    return Touched(
        holder.incident_id, rule_name, holder.target_key, holder.level, Action.CLEARED,
        Reason.HEALTHY_SIGNAL,
    )  # fmt: skip


def _start(incident_id: str, app: Triage) -> None:
    app.responses.start(incident_id)
    app.incidents.mark_started(incident_id)


def _wake(incident_id: str, app: Triage) -> None:
    if token := app.incidents.wake_token(incident_id):
        app.responses.wake(token)


def _touched(incident: Incident, action: Action, reason: Reason) -> Touched:
    return Touched(
        incident.id, incident.rule_name, incident.target.key, incident.level, action, reason
    )


def _opening(incident: Incident) -> Entry:
    facts = {
        "level": incident.level,
        "signal": incident.signal.id,
        "evidence": list(incident.evidence),
    }
    if incident.held_for:
        facts["held_for"] = incident.held_for
    text = f"{incident.rule_name} broken on {incident.target.key}"
    return Entry("opened", incident.opened_at, EntryKind.OPENED, text, facts)


def _sign(signal: Signal) -> Entry:
    text = f"{signal.name} says {signal.state}"
    return Entry(
        f"signal {signal.id}",
        signal.at,
        EntryKind.SIGNALLED,
        text,
        {"state": signal.state, "name": signal.name},
    )


def _last_of_each(
    recoveries: Sequence[tuple[str, Signal]], candidates: Sequence[Breach]
) -> list[tuple[str, Signal]]:
    """Return the newest healthy signal of each rule and target that nothing newer contradicts."""
    newest: dict[tuple[str, str], tuple[str, Signal]] = {}
    for rule_name, signal in recoveries:
        key = (rule_name, signal.target.key)
        if key not in newest or signal.at >= newest[key][1].at:
            newest[key] = (rule_name, signal)
    for breach in candidates:
        latest = max(sighting.at for sighting in breach.sightings)
        if breach.key in newest and newest[breach.key][1].at <= latest:
            del newest[breach.key]
    return list(newest.values())


def _strangers(findings: Findings, now: datetime) -> list[Breach]:
    """Return what nobody understands as breaches, so that people hear of it."""
    breaches = []
    for event, why in findings.strangers:
        signal = Signal(
            id=fingerprint("stranger", why, excerpt(event)),
            kind=SignalKind.STATE,
            target=_sort_of(why),
            name="unreadable event",
            at=now,
            origin=EventOrigin("triage"),
            evidence=f"{why}: {excerpt(event)}",
        )
        sighting = Sighting(signal.id, now, Level.WARNING)
        breaches.append(Breach(None, Level.WARNING, signal, (sighting,), (signal.evidence,)))
    return breaches


def _sort_of(why: str) -> Target:
    sort = int(fingerprint("sort", why), 16) % SORTS + 1
    return Target(TargetKind.RESOURCE, f"unreadable events, sort {sort}")
