"""In whose company an incident is told: with those alike, with its host that is down, with its own
earlier times, or by itself. Decided once, when it opens; its story remembers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from autorecovery.config import Configuration
from autorecovery.models.durations import write_duration
from autorecovery.models.group import Group, GroupKind
from autorecovery.models.history import Case
from autorecovery.models.incident import Entry, Incident
from autorecovery.models.reason import Reason
from autorecovery.models.rule import (
    SILENT,
    AbsenceCondition,
    MetricCondition,
    Rule,
    StateCondition,
)
from autorecovery.models.signal import Target, TargetKind
from autorecovery.ports import IncidentLog

LOOKED_AT = 200
"""Cases that tell of flapping (those of the target) or of correlation (those of the rule)."""


@dataclass(frozen=True, slots=True)
class Company:
    """The group an incident belongs to, and whether it is told on its own all the same."""

    group: Group
    leads: bool
    """It is the first of them: people heard of it at once, and hear of it to its end."""


def company_in(story: Sequence[Entry]) -> Company | None:
    """Return the company that the incident of this story is told in, if that was decided."""
    facts = next((entry.facts for entry in story if "group" in entry.facts), None)
    return Company(_group(facts["group"]), facts["leads"]) if facts else None


def _group(facts: Sequence[str]) -> Group:
    kind, name, began = facts
    return Group(GroupKind(kind), name, datetime.fromisoformat(began))


def facts_of(company: Company) -> dict[str, object]:
    """Return what a story remembers of a company; see `company_in`."""
    group = company.group
    return {"group": [group.kind, group.name, group.began.isoformat()], "leads": company.leads}


def find_company(
    incident: Incident, configuration: Configuration, incidents: IncidentLog, now: datetime
) -> Company:
    """Return the company of an incident of which nothing was told yet; it has joined the group."""
    kind, name = GroupKind.ALIKE, _alike(incident, configuration)
    if parent := parent_of(incident, configuration, incidents):
        told = company_in(incidents.timeline(parent.id))
        if told and not told.leads and incidents.goes_on(told.group.id, now):
            return Company(told.group, leads=False)
        kind, name = GroupKind.HOUSEHOLD, f"{parent.target.name} ({parent.rule_name})"
    elif flaps(incident, configuration, incidents, now):
        window = write_duration(configuration.limits.flapping.window)
        kind = GroupKind.FLAPPING
        name = f"{incident.rule_name} on {incident.target.name} comes and goes within {window}"
    calm = quiet(kind, configuration)
    group, is_first = incidents.join_group(kind, name, incident.id, now, calm)
    return Company(group, leads=is_first and kind is not GroupKind.HOUSEHOLD)


def join_everything(incidents: IncidentLog, configuration: Configuration, now: datetime) -> Group:
    """Return the group of all that is too much to be told one by one."""
    kind = GroupKind.EVERYTHING
    calm = quiet(kind, configuration)
    group, _ = incidents.join_group(kind, "many rules at once", "nobody", now, calm)
    return group


def quiet(kind: GroupKind, configuration: Configuration) -> timedelta:
    """Return for how long nobody may join before whoever comes next is news again."""
    if kind is GroupKind.FLAPPING:
        return configuration.limits.flapping.window
    return 2 * max(configuration.notify.group.interval, configuration.limits.correlated.within)


def parent_of(
    incident: Incident, configuration: Configuration, incidents: IncidentLog
) -> Incident | None:
    """Return the earlier open incident of the same machine that explains this one, if one does."""
    if incident.target.kind not in (TargetKind.INSTANCE, TargetKind.HOST, TargetKind.CONTAINER):
        return None
    machine = Target.named(incident.target.host).key
    for rule in configuration.rules.values():
        if not explains(rule) or rule.name == incident.rule_name:
            continue
        holder = incidents.holder(rule.name, machine)
        parent = incidents.get(holder.incident_id) if holder else None
        if parent and (parent.opened_at, parent.id) < (incident.opened_at, incident.id):
            return parent
    return None


def explains(rule: Rule) -> bool:
    """Return whether a machine that breaks this rule is down, which explains all else on it."""
    if rule.explains is not None:
        return rule.explains
    when = rule.when
    if isinstance(when, StateCondition):
        return when.state in ("stopping", "stopped", "shutting-down", "terminated", SILENT)
    if isinstance(when, MetricCondition):
        return when.metric.startswith("StatusCheckFailed")
    return isinstance(when, AbsenceCondition)


def flaps(
    incident: Incident, configuration: Configuration, incidents: IncidentLog, now: datetime
) -> bool:
    """Return whether this rule was broken here so often lately that it comes and goes."""
    limit = configuration.limits.flapping
    return len(openings(incident, configuration, incidents, now)) >= limit.count


def openings(
    incident: Incident, configuration: Configuration, incidents: IncidentLog, now: datetime
) -> tuple[datetime, ...]:
    """Return when this rule was broken here within the window of flapping, this time too."""
    since = now - configuration.limits.flapping.window
    found = incidents.cases_on(incident.rule_name, incident.target.key, since, LOOKED_AT)
    cases = with_own(found, incident)
    return tuple(case.opened_at for case in cases if case.opened_at > since)


def with_own(cases: Sequence[Case], incident: Incident) -> list[Case]:
    """Return the cases that count: this incident even where the clock ran back, and no echoes."""
    others = [c for c in cases if c.incident_id != incident.id and c.ended is not Reason.ECHO]
    return [Case(incident.id, incident.target.key, incident.opened_at), *others]


def _alike(incident: Incident, configuration: Configuration) -> str:
    """Return the name of those alike: of one rule, in one group of machines, or of one target."""
    by = configuration.notify.group.by
    parts = [
        incident.rule_name if "rule" in by else "",
        f"in {incident.group}" if "group" in by and incident.group else "",
        f"on {incident.target.name}" if "target" in by else "",
    ]
    return " ".join(part for part in parts if part) or "all rules"
