"""The life of a group: its members' words are gathered, told together, and told to their end.

The first of a group leaves at once, from its own response; this tells of all who follow.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from autorecovery.models.group import Group, GroupKind, Word, group_of, is_group, next_life
from autorecovery.models.incident import Ending, Entry, EntryKind
from autorecovery.models.notice import NoticeKind
from autorecovery.models.reason import Level, Reason
from autorecovery.notices.crowd import crowd
from autorecovery.ports import Workflow
from autorecovery.response.company import company_in, quiet
from autorecovery.response.escalate import steps_due, told_to, until_next_step
from autorecovery.response.stage import Response
from autorecovery.response.telling import OVERDUE, words_in
from autorecovery.response.vigil import pause_after, rest

STRETCH = 1.05
LONGEST_INTERVAL = timedelta(minutes=45)
LONGEST_REPEAT = timedelta(days=7)
"""Each message of a group is followed by a longer pause than the one before, up to these: what
churns for days is told less often, and news still within the hour."""

SHORTEST_GLANCE = timedelta(minutes=5)
"""A group that nobody adds to is looked at no more often; its whole story is read each time."""

TRY_AGAIN = timedelta(minutes=1)
"""After so long, and then ever longer, a message is tried again that nobody took."""

LOOKS = 800
"""After so many an execution hands on to another one: it has a bounded number of operations."""

COUNTED = 10_000
"""Members of one rule whose end is looked up at once; nobody names more."""

CLOCKS_DIFFER = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Plan:
    """What one look says: whether all is told and over, or how long to wait."""

    over: bool
    pause: timedelta = timedelta()
    gathering: bool = False
    """A message is due at a known time: nothing that is said meanwhile changes that."""


@dataclass(frozen=True, slots=True)
class _Standing:
    """How a group stands: what was said in it, and what people were told of it."""

    group: Group
    story: Sequence[Entry]
    said: Sequence[Word]
    words: Sequence[Word]
    """The last of each member, over where its incident is closed by now."""

    @property
    def told(self) -> list[Entry]:
        return [entry for entry in self.story if entry.key.startswith("told ")]

    @property
    def is_over(self) -> bool:
        return all(word.is_over for word in self.words)

    @property
    def untold(self) -> int:
        """Return how many words there are that people have not heard on their own."""
        return sum(not word.told for word in self.said)

    @property
    def is_news(self) -> bool:
        """Return whether people have not heard all of it: new words, or that it is over."""
        last = self.told[-1].facts if self.told else {"covered": 0, "open": 0}
        return self.untold > last["covered"] or (self.is_over and last["open"] > 0)


def converse(execution: str, flow: Workflow, app: Response) -> Ending:
    """Tell what the members of a group have to say, until all of them are over."""
    group_id = group_of(execution)
    for turn in range(LOOKS):
        plan = flow.step(f"look {turn}", partial(_look, group_id, app), Plan)
        if plan.over:
            return Ending(group_id, Reason.TOLD)
        rest(group_id, f"wait {turn}", plan.pause, flow, app, deaf=plan.gathering)

    def hand_on() -> bool:
        app.responses.start(next_life(execution))
        return True

    flow.step("hand on", hand_on, bool)
    return Ending(group_id, Reason.TOLD)


def _look(group_id: str, app: Response) -> Plan:
    standing = _stand(group_id, app)
    if standing is None:
        return Plan(over=True)  # nobody has left word, so nobody waits to be told
    plan = _plan(standing, app)
    if not plan.over:
        app.incidents.expect_look(group_id, app.clock() + plan.pause + OVERDUE)
    return plan


def _stand(group_id: str, app: Response) -> _Standing | None:
    story = app.incidents.timeline(group_id)
    said, company = words_in(story), company_in(story)
    if company is None:
        return None
    return _Standing(company.group, story, said, _as_they_are(last_words(said), company.group, app))


def _plan(standing: _Standing, app: Response) -> Plan:
    """Tell what is due now, and return when to look again."""
    now = app.clock()
    if not standing.is_news and standing.is_over:
        return _end(standing, app)
    _escalate(standing, now, app)
    due = _due(standing, app)
    if now >= due:
        if not _tell(standing, app):
            again = min(max(TRY_AGAIN, pause_after(now - due)), LONGEST_INTERVAL)
            return Plan(False, again, gathering=True)
        return Plan(False, _interval(len(standing.told) + 1, app))
    patience = min(due - now, until_next_step(now - standing.group.began, app))
    if standing.is_news:
        return Plan(False, patience, gathering=True)
    return Plan(False, min(patience, _glance(standing.said, now)))


def last_words(said: Sequence[Word]) -> list[Word]:
    """Return the newest word of each member, in the order in which they joined."""
    newest: dict[str, Word] = {}
    for word in said:
        if word.of not in newest or word.at >= newest[word.of].at:
            newest[word.of] = word
    return list(newest.values())


def _as_they_are(words: Sequence[Word], group: Group, app: Response) -> list[Word]:
    """Return the words, over where the store knows that their incident is closed.

    A member that is told by itself, or silenced, or that died over it, need not say so here.
    """
    since, closed = group.began - CLOCKS_DIFFER, set[str]()
    for rule in {word.rule_name for word in words if not word.is_over}:
        cases = app.incidents.cases(rule, since, COUNTED)
        closed |= {case.incident_id for case in cases if case.ended is not None}

    def is_closed(word: Word) -> bool:
        if is_group(word.of):
            return not app.incidents.goes_on(word.of)
        return word.of in closed

    return [
        replace(word, kind=NoticeKind.CLOSED, level=Level.INFO, text="over")
        if not word.is_over and is_closed(word)
        else word
        for word in words
    ]


def _due(standing: _Standing, app: Response) -> datetime:
    """Return when the next message is due: the gathered one, or the one that reminds."""
    grouping, group, told = app.configuration.notify.group, standing.group, standing.told
    last = told[-1].at if told else group.began
    if group.kind is GroupKind.FLAPPING and standing.is_over:
        return standing.said[-1].at + quiet(group.kind, app.configuration)
    if not standing.is_news or group.kind is GroupKind.FLAPPING:
        return last + min(grouping.repeat * _stretched(len(told)), LONGEST_REPEAT)
    if not told:
        first = min((word.at for word in standing.said if not word.told), default=last)
        return first + grouping.wait
    return last + _interval(len(told), app)


def _tell(standing: _Standing, app: Response) -> bool:
    group, words, number = standing.group, standing.words, len(standing.told)
    notice = crowd(group, words, many=_are_many(words, app), number=number, now=app.clock())
    came_of_it = app.telling.tell_of_group(notice, group, words)
    if came_of_it is None:
        return False
    before = standing.told[-1].facts["covered"] if standing.told else 0
    app.note(
        group.id, f"told {number}", EntryKind.NOTIFIED, notice.headline,
        covered=before if "silenced" in came_of_it else standing.untold,
        open=sum(not word.is_over for word in words),
        size=sum(word.size for word in words), **came_of_it,
    )  # fmt: skip
    return True


def _escalate(standing: _Standing, now: datetime, app: Response) -> None:
    """Tell somebody else of all of them, where so many stay open for so long."""
    group, words = standing.group, standing.words
    if standing.is_over or app.telling.is_taken_over(words):
        return
    for key, step in steps_due(now - group.began, {entry.key for entry in standing.story}, app):
        notice = crowd(group, words, many=_are_many(words, app), number=0, now=now)
        notice = replace(
            notice, id=f"{group.id}-{key.replace(' ', '-')}", kind=NoticeKind.ESCALATED, to=step.to
        )
        came_of_it = app.telling.tell_of_group(notice, group, words)
        if came_of_it is not None and "silenced" not in came_of_it:
            app.note(group.id, key, EntryKind.ESCALATED, told_to(step))


def _are_many(words: Sequence[Word], app: Response) -> bool:
    targets = {word.target for word in words}
    return len(targets) >= app.configuration.limits.correlated.targets


def _end(standing: _Standing, app: Response) -> Plan:
    """End the group, unless somebody left word meanwhile; see Telling.join."""
    app.incidents.end_group(standing.group)
    if len(app.incidents.timeline(standing.group.id)) > len(standing.story):
        # Who saw the end takes back what they left here, and tells it by themselves.
        return Plan(over=False, pause=TRY_AGAIN, gathering=True)
    return Plan(over=True)


def _interval(told: int, app: Response) -> timedelta:
    return min(
        app.configuration.notify.group.interval * _stretched(told),
        max(LONGEST_INTERVAL, app.configuration.notify.group.interval),
    )


def _stretched(told: int) -> float:
    return STRETCH ** min(max(0, told - 1), 150)


def _glance(said: Sequence[Word], now: datetime) -> timedelta:
    """Return how long to sleep where no message is due: word that came unheard is found then."""
    newest = max((word.at for word in said if not word.told), default=said[-1].at)
    return max(pause_after(now - newest), SHORTEST_GLANCE)
