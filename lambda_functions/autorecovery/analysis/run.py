"""Analysis, in order: claim, gather, redact, ask a model or rules, record, tell.

It begins after the first notice has left, in a process of its own, and nobody waits for it:
whatever fails here, the recovery has not heard of it. At most two per conversation: one soon after
the beginning, one after the end, to say whether the recovery worked.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from autorecovery.analysis.ask import analyse
from autorecovery.analysis.claims import claim, given_up
from autorecovery.analysis.crowd import (
    Company,
    company_of,
    drafts_of_crowd,
    gather_crowd,
    opinion_of_crowd,
)
from autorecovery.analysis.dossier import assemble
from autorecovery.analysis.evidence import drafts_of
from autorecovery.analysis.gather import gather
from autorecovery.analysis.prompt import room_for_evidence
from autorecovery.analysis.redact import Redactor
from autorecovery.analysis.rules import opinion_of
from autorecovery.analysis.stage import Analyst
from autorecovery.errors import NoticeError
from autorecovery.models.analysis import Analysis, analyses_in, as_facts
from autorecovery.models.canary import CANARY
from autorecovery.models.incident import Entry, EntryKind, Incident
from autorecovery.models.notice import NoticeKind
from autorecovery.notices.compose import analysed

ASKED_BY = (
    NoticeKind.OPENED,
    NoticeKind.STORM,
    NoticeKind.RECOVERED,
    NoticeKind.HANDED_OVER,
)
"""Notices after which an analysis may be due."""

KEYS = ("analysis", "analysis 2")

NEWS = frozenset({EntryKind.VERIFIED, EntryKind.HANDED_OVER, EntryKind.CLOSED})
"""What must have happened since the first analysis for a second one to say more."""


class Outcome(StrEnum):
    """What came of one request for an analysis."""

    TOLD = "told"
    UNTOLD = "found, and not told: nobody took the notice"
    NOTHING_NEW = "nothing new to say"
    BUSY = "another is at it"
    UNKNOWN_INCIDENT = "no such incident"

    @property
    def wants_a_retry(self) -> bool:
        """Return whether the same request is worth making again, later."""
        return self in (Outcome.BUSY, Outcome.UNTOLD)


@dataclass(frozen=True, slots=True)
class Conversation:
    """What is investigated: one incident, or the crowd that it came in."""

    id: str
    incident: Incident
    company: Company | None


def investigate(incident_id: str, kind: NoticeKind, app: Analyst) -> Outcome:
    """Return what came of looking into this incident after a notice of this kind.

    A second delivery of the same does nothing; one that finds another at it is worth a retry.
    """
    incident = app.incidents.get(incident_id)
    if incident is None or incident.rule_name == CANARY:
        return Outcome.UNKNOWN_INCIDENT
    about = _conversation(incident, app)
    story = app.incidents.timeline(about.id)
    for key in KEYS[: 2 if _is_end(about, kind) else 1]:
        standing = _standing(story, key)
        if standing is None:
            if key == KEYS[1] and not _is_news(story):
                return Outcome.NOTHING_NEW
            return _look_into(about, key, app)
        if not _is_told(story, key):
            return _tell(about, key, standing, app)
    return Outcome.NOTHING_NEW


def _conversation(incident: Incident, app: Analyst) -> Conversation:
    company = company_of(incident, app.incidents)
    return Conversation(company.group.id if company else incident.id, incident, company)


def _is_end(about: Conversation, kind: NoticeKind) -> bool:
    """Return whether the conversation may be over: a crowd's is not with one of its members."""
    return about.company is None and kind in (NoticeKind.RECOVERED, NoticeKind.HANDED_OVER)


def _look_into(about: Conversation, key: str, app: Analyst) -> Outcome:
    now = app.clock()
    if not claim(about.id, key, app.incidents, now):
        gone = given_up(about.id, key, app.incidents, now)
        return Outcome.NOTHING_NEW if gone else Outcome.BUSY
    analysis = _analysis(about, app)
    text = f"analysed by {analysis.by}: {analysis.summary}"
    app.incidents.record(
        about.id, Entry(key, app.clock(), EntryKind.ANALYSED, text, as_facts(analysis))
    )
    return _tell(about, key, analysis, app)


def _analysis(about: Conversation, app: Analyst) -> Analysis:
    redact, room = Redactor(), room_for_evidence(app.configuration.analysis.max_input_tokens)
    found = gather(about.incident, app)
    if about.company is None:
        dossier = assemble(about.id, drafts_of(found), found.unread, room, redact)
        return analyse(dossier, opinion_of(found, dossier), app, redact)
    crowd = gather_crowd(found, about.company, app.incidents)
    dossier = assemble(about.id, drafts_of_crowd(crowd), found.unread, room, redact)
    return analyse(dossier, opinion_of_crowd(crowd, dossier), app, redact)


def _tell(about: Conversation, key: str, analysis: Analysis, app: Analyst) -> Outcome:
    """Put the analysis up; it is on the timeline already, where `explain` shows it."""
    incident, now = about.incident, app.clock()
    target = about.company.group.name if about.company else incident.target.key
    notice = analysed(analysis, incident.id, about.id, incident.rule_name, target, now)
    silence = app.restraint.silence_over(incident.rule_name, incident.target.name)
    if silence or app.restraint.is_too_much(notice):
        app.noticeboard.withhold(
            notice, str(silence or "told in `explain`: too much was told lately")
        )
        return _told(about, key, "the analysis is here, and was told to nobody", app)
    try:
        app.noticeboard.post(notice)
    except NoticeError:
        return Outcome.UNTOLD
    return _told(about, key, "the analysis was told", app)


def _told(about: Conversation, key: str, text: str, app: Analyst) -> Outcome:
    app.incidents.record(about.id, Entry(f"{key} told", app.clock(), EntryKind.ANALYSED, text, {}))
    return Outcome.TOLD


def _standing(story: Sequence[Entry], key: str) -> Analysis | None:
    entries = [entry for entry in story if entry.key == key]
    return next(iter(analyses_in(entries)), None)


def _is_told(story: Sequence[Entry], key: str) -> bool:
    return any(entry.key == f"{key} told" for entry in story)


def _is_news(story: Sequence[Entry]) -> bool:
    first = next(entry.at for entry in story if entry.key == KEYS[0])
    return any(entry.kind in NEWS and entry.at > first for entry in story)
