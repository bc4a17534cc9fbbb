"""Many incidents alike, told as one: what they share is looked for, once. Reading, then pure."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from autorecovery.analysis.dossier import Dossier, Draft
from autorecovery.analysis.evidence import drafts_of
from autorecovery.analysis.gather import Findings
from autorecovery.analysis.lines import signs_in
from autorecovery.analysis.stage import Opinion
from autorecovery.models.analysis import Cause, Confidence, Recovered, Risk, Step
from autorecovery.models.group import Group, GroupKind, Word
from autorecovery.models.incident import Incident
from autorecovery.models.wire import decode
from autorecovery.ports import IncidentLog

LOOKED_AT = 12
"""Members whose incidents are read."""


@dataclass(frozen=True, slots=True)
class Company:
    """The group in which an incident is told as one of many, and what its members said last."""

    group: Group
    words: tuple[Word, ...]

    @property
    def size(self) -> int:
        """Return for how many incidents they speak."""
        return sum(word.size for word in self.words)


def company_of(incident: Incident, incidents: IncidentLog) -> Company | None:
    """Return the company that an incident's own story says it is told in.

    The first of a group is told on its own: it has company where others have followed.
    """
    story = incidents.timeline(incident.id)
    facts = next((entry.facts for entry in story if "group" in entry.facts), None)
    if facts is None:
        return None
    kind, name, began = facts["group"]
    group = Group(GroupKind(kind), name, datetime.fromisoformat(began))
    said = (
        decode(entry.facts["word"], Word)
        for entry in incidents.timeline(group.id)
        if "word" in entry.facts
    )
    last = {word.of: word for word in sorted(said, key=lambda word: word.at)}
    is_alone = bool(facts.get("leads")) and set(last) <= {incident.id}
    return None if is_alone else Company(group, tuple(last.values()))


@dataclass(frozen=True, slots=True)
class Crowd:
    """The many, and one of them looked at closely."""

    company: Company
    members: tuple[Incident, ...]
    """Some of them, those that spoke last first."""
    sample: Findings


def gather_crowd(sample: Findings, company: Company, incidents: IncidentLog) -> Crowd:
    """Return what is known of the crowd that this incident belongs to."""
    members = (incidents.get(word.of) for word in company.words[: -LOOKED_AT - 1 : -1])
    return Crowd(company, tuple(each for each in members if each is not None), sample)


def drafts_of_crowd(crowd: Crowd) -> list[Draft]:
    """Return the evidence: the count, what the members share, then one of them in full."""
    return [_count(crowd), *_shared(crowd), *_members(crowd), *drafts_of(crowd.sample)]


def opinion_of_crowd(crowd: Crowd, dossier: Dossier) -> Opinion:
    """Return what rules make of a crowd."""
    company, group = crowd.company, crowd.company.group
    still = sum(word.size for word in company.words if not word.is_over)
    return Opinion(
        summary=f"{group.name}: {company.size} incidents since {group.began:%H:%M:%S} UTC,"
        f" {still} of them still open. {SAYS[group.kind]}",
        likely_causes=tuple(_causes(crowd, dossier)),
        did_recovery_work=Recovered.NOT_RUN,
        next_steps=(
            Step(FIRST[group.kind], Risk.NONE),
            Step("See which of them are still open.", Risk.NONE, "autorecovery incidents list"),
        ),
        not_known=(
            "What was deployed or changed just before: no source for that is read.",
            *dossier.gaps,
        ),
    )


SAYS = {
    GroupKind.ALIKE: "Many alike are hardly each machine's own trouble.",
    GroupKind.HOUSEHOLD: "One machine that is down explains what is on it.",
    GroupKind.FLAPPING: "It comes and goes: what cures it does not last.",
    GroupKind.EVERYTHING: "Much at once may have one cause.",
}
"""What the kind of a crowd says of its cause."""

_SHARE = "Look at what they share first: zone, network, deploy, database."
FIRST = {
    GroupKind.ALIKE: _SHARE,
    GroupKind.HOUSEHOLD: "Get the machine itself to run; its services come after it.",
    GroupKind.FLAPPING: "Look for what returns rather than restarting it again.",
    GroupKind.EVERYTHING: _SHARE,
}
"""What to do first about it."""


def _count(crowd: Crowd) -> Draft:
    words, began = crowd.company.words, crowd.company.group.began
    how = Counter(str(word.kind) for word in words).most_common(5)
    told = ", ".join(f"{count} {kind}" for kind, count in how)
    targets = len({word.target for word in words})
    return Draft(
        "crowd",
        f"{crowd.company.group.name}: {crowd.company.size} incidents on {targets} targets since"
        f" {began:%Y-%m-%d %H:%M:%S} UTC; they said last: {told}",
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
    says = SAYS[crowd.company.group.kind]
    yield Cause(says, dossier.ids("crowd", "shared"), Confidence.MEDIUM)
    told = [piece for piece in dossier.pieces if piece.kind in ("member", "log")]
    for sign in list(signs_in(piece.text for piece in told))[:3]:
        ids = tuple(piece.id for piece in told if sign.words.search(piece.text))
        yield Cause(f"Lines of members tell that {sign.name}.", ids, Confidence.LOW)
