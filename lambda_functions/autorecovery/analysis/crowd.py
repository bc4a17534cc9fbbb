"""Many incidents alike, told as one: what they share is looked for, once. Reading, then pure."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from autorecovery.analysis.dossier import Dossier, Draft
from autorecovery.analysis.evidence import drafts_of
from autorecovery.analysis.gather import Findings
from autorecovery.analysis.lines import signs_in
from autorecovery.analysis.stage import Analyst, Opinion
from autorecovery.models.analysis import Cause, Confidence, Recovered, Risk, Step
from autorecovery.models.durations import write_duration
from autorecovery.models.history import Case, Storm
from autorecovery.models.incident import Entry, Incident
from autorecovery.models.reason import Reason

COUNTED = 1_000
"""Cases read to count a crowd: a larger one is told to be larger."""

LOOKED_AT = 12
"""Members whose incidents are read."""


@dataclass(frozen=True, slots=True)
class Membership:
    """The conversation in which an incident is told as one of many."""

    conversation: str
    since: datetime


def membership_in(story: Sequence[Entry], rule_name: str) -> Membership | None:
    """Return the crowd that an incident's own story says it is told in, if it is."""
    for entry in story:
        if began := entry.facts.get("storm"):
            storm = Storm(rule_name, datetime.fromisoformat(began))
            return Membership(storm.id, storm.began)
        if group := entry.facts.get("group"):
            return Membership(str(group), entry.at)
    return None


@dataclass(frozen=True, slots=True)
class Crowd:
    """The many, and one of them looked at closely."""

    rule_name: str
    began: datetime
    now: datetime
    cases: tuple[Case, ...]
    members: tuple[Incident, ...]
    """Some of them, the newest."""
    sample: Findings

    @property
    def targets(self) -> set[str]:
        """Return who is in it."""
        return {case.target_key for case in self.cases}


def gather_crowd(sample: Findings, began: datetime, app: Analyst) -> Crowd:
    """Return what is known of the crowd that this incident belongs to."""
    incident = sample.incident
    since = began - app.configuration.limits.correlated.within
    cases = [
        case
        for case in app.incidents.cases(incident.rule_name, since, COUNTED)
        if case.ended is not Reason.ECHO
    ]
    members = (app.incidents.get(case.incident_id) for case in cases[:LOOKED_AT])
    known = tuple(member for member in members if member is not None)
    return Crowd(incident.rule_name, began, sample.now, tuple(cases), known, sample)


def drafts_of_crowd(crowd: Crowd) -> list[Draft]:
    """Return the evidence: the count, what the members share, then one of them in full."""
    return [_count(crowd), *_shared(crowd), *_members(crowd), *drafts_of(crowd.sample)]


def opinion_of_crowd(crowd: Crowd, dossier: Dossier) -> Opinion:
    """Return what rules make of a crowd."""
    size, still = len(crowd.targets), sum(1 for case in crowd.cases if case.ended is None)
    more = " or more" if len(crowd.cases) == COUNTED else ""
    return Opinion(
        summary=f"{crowd.rule_name} on {size}{more} targets since {crowd.began:%H:%M:%S} UTC,"
        f" {still} incidents still open: hardly each machine's own trouble.",
        likely_causes=tuple(_causes(crowd, dossier)),
        did_recovery_work=Recovered.NOT_RUN,
        next_steps=(
            Step("Look at what they share first: zone, network, deploy, database.", Risk.NONE),
            Step("See which of them are still open.", Risk.NONE, "autorecovery incidents list"),
        ),
        not_known=(
            "What was deployed or changed just before: no source for that is read.",
            *dossier.gaps,
        ),
    )


def _count(crowd: Crowd) -> Draft:
    moments = sorted(case.opened_at for case in crowd.cases)
    spread = write_duration(moments[-1] - moments[0]) if moments else "0s"
    ended = Counter(str(case.ended) for case in crowd.cases if case.ended)
    how = "; ".join(f"{count} {reason}" for reason, count in ended.most_common(5)) or "none ended"
    return Draft(
        "crowd",
        f"{len(crowd.cases)} incidents of rule {crowd.rule_name} on {len(crowd.targets)} targets"
        f" within {spread}, since {crowd.began:%Y-%m-%d %H:%M:%S} UTC; {how}",
    )


def _shared(crowd: Crowd) -> Iterator[Draft]:
    members = crowd.members
    for kind in ("account", "region"):
        values = Counter(getattr(m.target, kind) for m in members if getattr(m.target, kind))
        if values:
            told = ", ".join(f"{name} ({count})" for name, count in values.most_common(5))
            yield Draft("shared", f"{kind} of {len(members)} members looked at: {told}")


def _members(crowd: Crowd) -> Iterator[Draft]:
    for member in crowd.members:
        value = f" {member.signal.value:g}" if member.signal.value is not None else ""
        line = f"; {member.evidence[0][:200]}" if member.evidence else ""
        yield Draft(
            "member",
            f"{member.target.key}: {member.level}, {member.state}, {member.signal.name[:80]}"
            f"{value}{line}",
        )


def _causes(crowd: Crowd, dossier: Dossier) -> Iterator[Cause]:
    # The first piece: there is always room for it.
    text = f"Something that {len(crowd.targets)} targets share failed or changed."
    yield Cause(text, dossier.ids("crowd", "shared"), Confidence.MEDIUM)
    told = [piece for piece in dossier.pieces if piece.kind in ("member", "log")]
    for sign in list(signs_in(piece.text for piece in told))[:3]:
        ids = tuple(piece.id for piece in told if sign.words.search(piece.text))
        yield Cause(f"Lines of members tell that {sign.name}.", ids, Confidence.LOW)
