"""`incidents` and `explain`: what happened, and why."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from autorecovery.analysis.crowd import company_of
from autorecovery.models.analysis import Analysis, analyses_in
from autorecovery.models.canary import CANARY
from autorecovery.models.incident import Entry, EntryKind, Incident
from autorecovery.models.reason import Level
from autorecovery.notices.clauses import what_is_wrong
from autorecovery.notices.levels import SHAPES
from command_line.analyze import as_json_value, lines_of
from command_line.output import print_json, print_lines, print_table
from command_line.stores import find, incident_log

if TYPE_CHECKING:
    from autorecovery.ports import IncidentLog

CANARIES = 200
"""Newest incidents looked through beyond the wanted ones: canaries of two days and more."""


def list_recent(
    stack: str | None, variables: Mapping[str, str], *, limit: int, everything: bool, as_json: bool
) -> None:
    """List the newest incidents; canaries are among them only where `everything` is wanted."""
    log = incident_log(stack, variables)
    found = log.recent(limit if everything else limit + CANARIES)
    if not everything:
        found = [incident for incident in found if incident.rule_name != CANARY][:limit]
    if as_json:
        print_json({"incidents": [_summary(incident) for incident in found]})
        return
    rows = [
        (
            f"{incident.opened_at:%Y-%m-%d %H:%M:%S}",
            f"{SHAPES[incident.level]} {incident.level}",
            str(incident.state),
            incident.rule_name[:40],
            incident.target.key,
            incident.id,
        )
        for incident in found
    ]
    print_table(rows, ("opened (UTC)", "level", "state", "rule", "target", "incident"))


def show(wanted: str, stack: str | None, variables: Mapping[str, str], *, as_json: bool) -> None:
    """Print one incident with its timeline."""
    log = incident_log(stack, variables)
    incident = find(wanted, log)
    timeline = log.timeline(incident.id)
    if as_json:
        print_json({"incident": _summary(incident), "timeline": [_entry(e) for e in timeline]})
        return
    _print_head(incident)
    for entry in timeline:
        print_lines(f"  {entry.at:%H:%M:%S}  {entry.kind:<11}  {entry.text}")


def explain(wanted: str, stack: str | None, variables: Mapping[str, str], *, as_json: bool) -> None:
    """Print why each thing was done, or was not."""
    log = incident_log(stack, variables)
    incident = find(wanted, log)
    timeline = log.timeline(incident.id)
    decisions = [entry for entry in timeline if entry.kind is EntryKind.DECIDED]
    if as_json:
        print_json(
            {
                "incident": _summary(incident),
                "decisions": [_entry(entry) for entry in decisions],
                "analyses": [as_json_value(each) for each in _analyses(incident, log)],
                "timeline": [_entry(entry) for entry in timeline],
            }
        )
        return
    _print_head(incident)
    print_lines(
        "", "What was seen:", *(f"  {line}" for line in incident.evidence), "", "What happened:"
    )
    for entry in timeline:
        print_lines(f"  {entry.at:%H:%M:%S}  {entry.text}", *_because(entry))
    if not decisions:
        print_lines("", f"Nothing was decided: {_why_undecided(incident, timeline)}.")
    for analysis in _analyses(incident, log)[-1:]:
        print_lines("", f"Analysis of {analysis.at:%H:%M:%S}:")
        print_lines(*(f"  {line}".rstrip() for line in lines_of(analysis)))


def _analyses(incident: Incident, log: "IncidentLog") -> list[Analysis]:
    """Return the analyses of an incident, and those of the company it is told in."""
    company = company_of(incident, log)
    mine = analyses_in(log.timeline(incident.id))
    return mine + (analyses_in(log.timeline(company.group.id)) if company else [])


def _because(entry: Entry) -> list[str]:
    gates: dict[str, str] = entry.facts.get("gates", {})
    return [f"              {gate:<12} {answer.strip('; ')}" for gate, answer in gates.items()]


def _why_undecided(incident: Incident, timeline: Sequence[Entry]) -> str:
    if incident.rule is None:
        return "no rule covers this, so people are told and nothing is run"
    if not incident.rule.recover:
        return "the rule has nothing to run"
    if not incident.level.reaches(incident.rule.recover_at):
        return f"its level is {incident.level}, recovery starts at {incident.rule.recover_at}"
    return "its response has not come that far" if timeline else "its response has not started"


def _print_head(incident: Incident) -> None:
    print_lines(
        f"{SHAPES[Level(incident.level)]} {what_is_wrong(incident)}",
        f"incident {incident.id}, {incident.level}, {incident.state},"
        f" opened {incident.opened_at:%Y-%m-%d %H:%M:%S} UTC, rule {incident.rule_name}",
    )


def _summary(incident: Incident) -> dict[str, Any]:
    return {
        "id": incident.id,
        "rule": incident.rule_name,
        "target": incident.target.key,
        "level": incident.level,
        "state": incident.state,
        "opened_at": incident.opened_at.isoformat(),
        "held_for": incident.held_for,
        "evidence": list(incident.evidence),
    }


def _entry(entry: Entry) -> dict[str, Any]:
    return {
        "key": entry.key,
        "at": entry.at.isoformat(),
        "kind": entry.kind,
        "text": entry.text,
        "facts": entry.facts,
    }
