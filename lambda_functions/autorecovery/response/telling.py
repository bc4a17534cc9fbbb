"""How a notice gets to people: once, unless it is silenced, told with others, or too much.

Whatever is not put up is written down with the reason, in the incident's story and in the record.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from autorecovery.config import Configuration
from autorecovery.errors import NoticeError, StoreError
from autorecovery.models.canary import CANARY
from autorecovery.models.controls import WindowKind
from autorecovery.models.fleet import FleetAllowance, Lease
from autorecovery.models.group import Group, GroupKind, Word
from autorecovery.models.incident import Entry, EntryKind, Incident
from autorecovery.models.notice import Notice, NoticeKind
from autorecovery.models.wire import decode, encode
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
    groups_in,
    join_everything,
)

FOLDED = frozenset(
    {NoticeKind.OPENED, NoticeKind.HANDED_OVER, NoticeKind.REMINDER, NoticeKind.CLOSED}
)
"""What is told of each alike. A question, a recovery or a failed attempt is told on its own."""

NEVER_TOO_MUCH = frozenset({NoticeKind.ASKING, NoticeKind.ESCALATED, NoticeKind.DEMOTED})
"""What wants an answer is put up however much was told before."""

_FLAPS = (
    "It comes and goes: a restart will not end that, so nothing is run by itself. Please take it"
    " over. Nothing more is told of it until it is calm."
)

BOOK = "#notices"
"""The book that counts what was told lately; no group of machines has such a name."""


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

    def tell(self, notice: Notice, key: str, *, alone: bool = False) -> None:
        """Put a notice up, once per key; a board that does not take it stops nothing.

        Where many incidents are alike, one message tells of all of them, unless this one must be
        told `alone`.
        """
        story = self.incidents.timeline(notice.incident_id)
        if any(entry.key == f"told {key}" for entry in story):
            return
        incident = self.incidents.get(notice.incident_id)
        if incident is None or incident.rule_name == CANARY:
            self._post(notice, key, {})
            return
        company, is_first = company_in(story), False
        if why := self.silence_over(incident):
            self._withhold(notice, key, why, {"silenced": why})
            told_in = None
        else:
            is_first = company is None and notice.kind is NoticeKind.OPENED
            if is_first:
                company = find_company(incident, self.configuration, self.incidents, self.clock())
            told_in = self._choose_and_tell(notice, key, incident, company, alone, is_first)
        joined = {each.id: each for each in groups_in(story, "group", "joined")}
        if is_first and company:
            joined[company.group.id] = company.group
        for group in joined.values():
            if told_in is None or group.id != told_in.id:
                self.join(group, _word(notice, incident, told=True))

    def _choose_and_tell(
        self,
        notice: Notice,
        key: str,
        incident: Incident,
        company: Company | None,
        alone: bool,
        is_first: bool,
    ) -> Group | None:
        """Put it up, or leave it to a group; return the group that tells it."""
        if company and not company.leads and not alone and notice.kind in FOLDED:
            return self._fold(notice, key, incident, company, {})
        if self._is_too_much(notice):
            joined = {"joined": facts_of(company)["group"]} if company and is_first else {}
            return self._fold(notice, key, incident, self._everything(), joined)
        if company and company.leads and company.group.kind is GroupKind.FLAPPING:
            company = replace(company, leads=False)
            notice = replace(notice, lines=(*notice.lines[:1], _FLAPS))
        self._post(notice, key, facts_of(company) if company and is_first else {})
        return None

    def silence_over(self, incident: Incident) -> str:
        """Return the silence that holds over this incident now, and until when; empty if none."""
        now = self.clock()
        declared = (each.window for each in self.controls.windows(WindowKind.SILENCE))
        for window in (*self.configuration.notify.silences, *declared):
            end = window.ends(now)
            if end is not None and window.concerns(incident.rule_name, incident.target.name):
                return f"silence {window.name!r} until {end:%Y-%m-%d %H:%M} UTC"
        return ""

    def is_known(self, incident: Incident) -> bool:
        """Return whether people have heard the last of it, or will in the company it is told in."""
        story = self.incidents.timeline(incident.id)
        told = [entry for entry in story if entry.kind is EntryKind.NOTIFIED]
        return bool(told) and bool(told[-1].facts.get("delivered", True))

    def tell_of_group(
        self, notice: Notice, group: Group, words: Sequence[Word], story: Sequence[Entry]
    ) -> dict[str, object] | None:
        """Put a group's notice up, or pass it on where it is too much.

        Returns what the group's story is to remember of that; None where nobody took it.
        """
        passed = groups_in(story, "passed")
        if group.kind is not GroupKind.EVERYTHING and self._is_too_much(notice):
            everything = self._everything().group
            if self.join(everything, _word_of_group(notice, group, words, told=False)):
                self._keep_back(notice, f"told as one of many: {everything.id}")
                return {"passed": facts_of(Company(everything, leads=False))["group"]}
        try:
            self.noticeboard.post(notice)
        except NoticeError:
            return None
        for other in passed:
            self.join(other, _word_of_group(notice, group, words, told=True))
        return {"delivered": True}

    def leave(self, incident: Incident) -> None:
        """End the group that this incident leads, where nobody followed: the next one is news."""
        company = company_in(self.incidents.timeline(incident.id))
        if company and company.leads and self.incidents.wake_token(company.group.id) is None:
            self.incidents.end_group(company.group)

    def join(self, group: Group, word: Word) -> bool:
        """Leave word with a group and see to it that it is told; return whether the group goes on.

        Whoever ends a group looks once more after it: either it sees this word, or we see its end.
        """
        entry = Entry(
            f"{word.of} {word.kind} {word.at.isoformat()}", self.clock(), EntryKind.NOTIFIED,
            word.text, {"word": encode(word, Word), **facts_of(Company(group, leads=False))},
        )  # fmt: skip
        self.incidents.record(group.id, entry)
        if not word.told:
            self._rouse(group)
        return self.incidents.goes_on(group)

    def _rouse(self, group: Group) -> None:
        """Wake whoever tells this group, or start them; who gathers already needs no waking."""
        token = self.incidents.wake_token(group.id)
        if token is None:
            self.responses.start(group.id)
        elif not token.startswith(DEAF):
            self.responses.wake(token)

    def _fold(
        self,
        notice: Notice,
        key: str,
        incident: Incident,
        company: Company,
        facts: dict[str, object],
    ) -> Group | None:
        if not self.join(company.group, _word(notice, incident, told=False)):
            self._post(notice, key, facts)  # the group ended meanwhile: nobody would tell it there
            return None
        why = f"told as one of many: {company.group.id}"
        self._withhold(notice, key, why, {**facts_of(company), **facts})
        return company.group

    def _everything(self) -> Company:
        group = join_everything(self.incidents, self.configuration, self.clock())
        return Company(group, leads=False)

    def _is_too_much(self, notice: Notice) -> bool:
        """Return whether people were told so much lately that this must be told with other things.

        What is put up counts, also where it is never too much.
        """
        limit, now = self.configuration.notify.at_most, self.clock()
        allowed = FleetAllowance(at_once=limit.count, starts=limit.count, window=limit.window)
        try:
            refusal = self.budget.reserve(BOOK, Lease(notice.id, notice.id, now, now), allowed, now)
        except StoreError:
            return False  # one message too many is better than one that waits for a book
        return refusal is not None and notice.kind not in NEVER_TOO_MUCH

    def _post(self, notice: Notice, key: str, facts: dict[str, object]) -> None:
        try:
            self.noticeboard.post(notice)
        except NoticeError as error:
            text, delivered = f"nobody could be told: {error}", False
        else:
            text, delivered = f"told: {notice.headline}", True
        self._note(notice, key, text, {**facts, "delivered": delivered})

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


def _word_of_group(notice: Notice, group: Group, words: Sequence[Word], *, told: bool) -> Word:
    return Word(
        of=group.id, target=group.name, rule_name=words[0].rule_name, level=notice.level,
        kind=notice.kind, text=notice.state, at=notice.at, size=sum(word.size for word in words),
        told=told,
    )  # fmt: skip


def words_in(story: Sequence[Entry]) -> list[Word]:
    """Return all that was said in a group, oldest first."""
    return [decode(entry.facts["word"], Word) for entry in story if "word" in entry.facts]
