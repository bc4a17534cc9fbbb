"""In whose company an incident is told: with those alike, with its host that is down, with its own
earlier times, or by itself. Decided once, when it opens; its story remembers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from autorecovery.config import Configuration
from autorecovery.models.durations import write_duration
from autorecovery.models.group import Group, GroupKind
from autorecovery.models.incident import Entry, Incident
from autorecovery.models.reason import Reason
from autorecovery.models.rule import (
    SILENT,
    AbsenceCondition,
    MetricCondition,
    Rule,
    StateCondition,
)
from autorecovery.models.signal import TargetKind
from autorecovery.ports import IncidentLog

LOOKED_AT = 200


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


def groups_in(story: Sequence[Entry], *words: str) -> list[Group]:
    """Return every group that this story names by one of these words, each once."""
    found = (_group(entry.facts[w]) for entry in story for w in words if w in entry.facts)
    return list({group.id: group for group in found}.values())


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
    host = incident.target.host
    for rule in configuration.rules.values():
        if not explains(rule) or rule.name == incident.rule_name:
            continue
        for kind in (TargetKind.INSTANCE, TargetKind.HOST):
            holder = incidents.holder(rule.name, f"{kind}/{host}")
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
    since = now - limit.window
    found = incidents.cases_on(incident.rule_name, incident.target.key, since, LOOKED_AT)
    others = {case.incident_id for case in found if case.ended is not Reason.ECHO}
    return len(others | {incident.id}) >= limit.count


def _alike(incident: Incident, configuration: Configuration) -> str:
    """Return the name of those alike: of one rule, in one group of machines, or of one target."""
    by = configuration.notify.group.by
    parts = [
        incident.rule_name if "rule" in by else "",
        f"in {incident.group}" if "group" in by and incident.group else "",
        f"on {incident.target.name}" if "target" in by else "",
    ]
    return " ".join(part for part in parts if part) or "all rules"
