"""How a notice gets to people: once, unless it is silenced, told with others, or too much.

Whatever is not put up is written down with the reason, in the incident's story and in the record.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta

from autorecovery.config import Configuration
from autorecovery.errors import NoticeError
from autorecovery.models.canary import CANARY
from autorecovery.models.group import Group, GroupKind, Word, is_group
from autorecovery.models.incident import Entry, EntryKind, Incident
from autorecovery.models.notice import Notice, NoticeKind
from autorecovery.models.wire import decode, encode
from autorecovery.notices.restraint import Restraint, Silence
from autorecovery.ports import (
    DEAF,
    Clock,
    Controls,
    FleetBudget,
    IncidentLog,
    Noticeboard,
    ResponseStarter,
)
from autorecovery.response.company import (
    Company,
    company_in,
    facts_of,
    find_company,
    join_everything,
)

FOLDED = frozenset(
    {NoticeKind.OPENED, NoticeKind.HANDED_OVER, NoticeKind.REMINDER, NoticeKind.CLOSED}
)
"""What is told of each alike. A question, a recovery or a failed attempt is told on its own."""

OVERDUE = timedelta(minutes=15)
"""So long after the look that was expected a group is told by nobody: its members tell alone."""

LOOKED_INTO = 50
"""Members of a group whose stories are read to see whether somebody is on all of them."""

_FLAPS = (
    "It comes and goes: a restart will not end that, so nothing is run by itself. Please take it"
    " over. Nothing more is told of it until it is calm."
)


@dataclass(frozen=True)
class Telling:
    """Tells people, and remembers what they heard."""

    configuration: Configuration
    incidents: IncidentLog
    controls: Controls
    budget: FleetBudget
    noticeboard: Noticeboard
    responses: ResponseStarter
    clock: Clock

    @property
    def restraint(self) -> Restraint:
        """Return what keeps people from being told."""
        return Restraint(self.configuration, self.controls, self.budget, self.clock)

    def tell(self, notice: Notice, key: str, *, alone: bool = False) -> bool:
        """Put a notice up, once per key; a board that does not take it stops nothing.

        Where many incidents are alike, one message tells of all of them, unless this one must be
        told `alone`. Returns whether it was put up, or a group tells it.
        """
        story = self.incidents.timeline(notice.incident_id)
        if any(entry.key == f"told {key}" for entry in story):
            return True
        incident = self.incidents.get(notice.incident_id)
        if incident is None or incident.rule_name == CANARY:
            return self._post(notice, key, {})
        if silence := self.silence_over(incident):
            self._withhold(notice, key, str(silence), {"silenced": str(silence)})
            return False
        company = company_in(story)
        if company is None and notice.kind is NoticeKind.OPENED:
            return self._tell_first(notice, key, incident)
        if company and not company.leads and not alone and notice.kind in FOLDED:
            return self._fold(notice, key, incident, company)
        if self.restraint.is_too_much(notice):
            return self._fold(notice, key, incident, self._everything())
        return self._post(notice, key, {})

    def _tell_first(self, notice: Notice, key: str, incident: Incident) -> bool:
        """Tell the first notice of an incident, and remember in whose company that was."""
        company = find_company(incident, self.configuration, self.incidents, self.clock())
        if not company.leads:
            return self._fold(notice, key, incident, company)
        if self.restraint.is_too_much(notice):
            return self._fold(notice, key, incident, self._everything())
        if company.group.kind is GroupKind.FLAPPING:
            company = replace(company, leads=False)
            notice = replace(notice, lines=(*notice.lines[:1], _FLAPS))
        # Said before it is told: dying in between costs a line in a message, not the first of them.
        self._say(company.group, _word(notice, incident, told=True))
        return self._post(notice, key, facts_of(company))

    def silence_over(self, incident: Incident) -> Silence | None:
        """Return the silence that holds over this incident now, if one does."""
        return self.restraint.silence_over(incident.rule_name, incident.target.name)

    def is_known(self, incident: Incident) -> bool:
        """Return whether people have heard the last of it, or will in the company it is told in."""
        story = self.incidents.timeline(incident.id)
        told = [entry for entry in story if entry.kind is EntryKind.NOTIFIED]
        return bool(told) and bool(told[-1].facts.get("delivered", True))

    def is_taken_over(self, words: Sequence[Word]) -> bool:
        """Return whether somebody has said of each open member that they are on it."""
        still = [word for word in words if not word.is_over]
        if len(still) > LOOKED_INTO or any(is_group(word.of) for word in still):
            return False
        return all(self._is_acknowledged(word.of) for word in still)

    def _is_acknowledged(self, incident_id: str) -> bool:
        story = self.incidents.timeline(incident_id)
        return any(entry.kind is EntryKind.ACKNOWLEDGED for entry in story)

    def tell_of_group(
        self, notice: Notice, group: Group, words: Sequence[Word]
    ) -> dict[str, object] | None:
        """Put a group's notice up, or pass it on where it is too much; withhold it in a silence.

        Returns what the group's story is to remember of that; None where nobody took it.
        """
        if silence := self._silence_over_all(words):
            self._keep_back(notice, str(silence))
            return {"silenced": str(silence)}
        if group.kind is not GroupKind.EVERYTHING and self.restraint.is_too_much(notice):
            everything = self._everything().group
            if self.join(everything, _word_of_group(notice, group, words)):
                self._keep_back(notice, f"told as one of many: {everything.id}")
                return {"passed": facts_of(Company(everything, leads=False))["group"]}
        try:
            self.noticeboard.post(notice)
        except NoticeError:
            return None
        return {"delivered": True}

    def _silence_over_all(self, words: Sequence[Word]) -> Silence | None:
        """Return a silence where every open member is silenced."""
        still = {(word.rule_name, word.target) for word in words if not word.is_over}
        silenced = self.restraint.silences(still)
        return next(iter(silenced.values())) if still and len(silenced) == len(still) else None

    def leave(self, incident: Incident) -> None:
        """End the group that this incident leads, where nobody followed: the next one is news."""
        company = company_in(self.incidents.timeline(incident.id))
        if company and company.leads and self.incidents.wake_token(company.group.id) is None:
            self.incidents.end_group(company.group)

    def join(self, group: Group, word: Word) -> bool:
        """Leave word with a group that tells it; return whether it does.

        Whoever ends a group looks once more after it. Either it sees this word, or we see its end:
        then the word is taken back, and we tell it ourselves.
        """
        key = self._say(group, word)
        if self.incidents.goes_on(group.id, self.clock()):
            self._rouse(group)
            return True
        entry = Entry(
            f"took back {key}", self.clock(), EntryKind.NOTIFIED, word.text, {"back": key}
        )
        self.incidents.record(group.id, entry)
        return False

    def _say(self, group: Group, word: Word) -> str:
        key = f"{word.of} {word.kind} {word.at.isoformat()}"
        facts = {"word": encode(word, Word), **facts_of(Company(group, leads=False))}
        entry = Entry(key, self.clock(), EntryKind.NOTIFIED, word.text, facts)
        self.incidents.record(group.id, entry)
        return key

    def _rouse(self, group: Group) -> None:
        """Wake whoever tells this group, or start them; who gathers already needs no waking."""
        token = self.incidents.wake_token(group.id)
        if token is None:
            self.responses.start(group.id)
        elif not token.startswith(DEAF):
            self.responses.wake(token)

    def _fold(self, notice: Notice, key: str, incident: Incident, company: Company) -> bool:
        if not self.join(company.group, _word(notice, incident, told=False)):
            return self._post(notice, key, {})  # nobody would tell it there
        why = f"told as one of many: {company.group.id}"
        self._withhold(notice, key, why, facts_of(company))
        return True

    def _everything(self) -> Company:
        group = join_everything(self.incidents, self.configuration, self.clock())
        return Company(group, leads=False)

    def _post(self, notice: Notice, key: str, facts: dict[str, object]) -> bool:
        try:
            self.noticeboard.post(notice)
        except NoticeError as error:
            text, delivered = f"nobody could be told: {error}", False
        else:
            text, delivered = f"told: {notice.headline}", True
        self._note(notice, key, text, {**facts, "delivered": delivered})
        return delivered

    def _withhold(self, notice: Notice, key: str, why: str, facts: dict[str, object]) -> None:
        self._keep_back(notice, why)
        self._note(notice, key, why, facts)

    def _keep_back(self, notice: Notice, why: str) -> None:
        with suppress(NoticeError):  # a board that is gone remembers nothing; the story does
            self.noticeboard.withhold(notice, why)

    def _note(self, notice: Notice, key: str, text: str, facts: dict[str, object]) -> None:
        told = {"level": notice.level, "kind": notice.kind, **facts}
        entry = Entry(f"told {key}", self.clock(), EntryKind.NOTIFIED, text, told)
        self.incidents.record(notice.incident_id, entry)


def _word(notice: Notice, incident: Incident, *, told: bool) -> Word:
    name = notice.headline.removeprefix(f"[{notice.level.upper()}] ")
    return Word(
        of=incident.id, target=incident.target.name, rule_name=incident.rule_name,
        level=notice.level, kind=notice.kind, at=notice.at, told=told,
        text=name.removeprefix(f"{incident.target.name[:80]}: "),
    )  # fmt: skip


def _word_of_group(notice: Notice, group: Group, words: Sequence[Word]) -> Word:
    return Word(
        of=group.id, target=group.name, rule_name=words[0].rule_name, level=notice.level,
        kind=notice.kind, text=notice.state, at=notice.at, size=sum(word.size for word in words),
    )  # fmt: skip


def words_in(story: Sequence[Entry]) -> list[Word]:
    """Return all that was said in a group and not taken back, oldest first."""
    back = {entry.facts["back"] for entry in story if "back" in entry.facts}
    said = (e for e in story if "word" in e.facts and e.key not in back)
    return [decode(entry.facts["word"], Word) for entry in said]
