"""The life of a group: its members' words are gathered, told together, and told to their end.

The first of a group leaves at once, from its own response; this tells of all who follow.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from autorecovery.models.group import Group, GroupKind, Word
from autorecovery.models.incident import Ending, Entry, EntryKind
from autorecovery.models.notice import NoticeKind
from autorecovery.models.reason import Reason
from autorecovery.notices.crowd import crowd
from autorecovery.ports import Workflow
from autorecovery.response.company import company_in, quiet
from autorecovery.response.escalate import steps_due, told_to, until_next_step
from autorecovery.response.stage import Response
from autorecovery.response.telling import words_in
from autorecovery.response.vigil import pause_after, rest

STRETCH, MOST_STRETCHED = 1.05, 150
"""Each message of a group is followed by a longer pause than the one before: what churns for days
is told less and less often, and an execution has a bounded number of operations."""

TRY_AGAIN = timedelta(minutes=1)
"""After so long a message is tried again that nobody took."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What one look says: whether all is told and over, or how long to wait."""

    over: bool
    pause: timedelta = timedelta()
    gathering: bool = False
    """A message is due at a known time: nothing that is said meanwhile changes that."""


def converse(group_id: str, flow: Workflow, app: Response) -> Ending:
    """Tell what the members of a group have to say, until all of them are over."""
    turn = 0
    while True:
        plan = flow.step(f"look {turn}", partial(_look, group_id, app), Plan)
        if plan.over:
            return Ending(group_id, Reason.TOLD)
        rest(group_id, f"wait {turn}", plan.pause, flow, app, deaf=plan.gathering)
        turn += 1


def _look(group_id: str, app: Response) -> Plan:
    story, now = app.incidents.timeline(group_id), app.clock()
    said, company = words_in(story), company_in(story)
    told = [entry for entry in story if entry.key.startswith("told ")]
    if company is None:
        return Plan(over=True)  # nobody has left word, so nobody waits to be told
    group, words = company.group, last_words(said)
    fresh = sum(not word.told for word in said) > _covered(told)
    if not fresh and all(word.is_over for word in words):
        return _end(group, story, app)
    _escalate(group, words, story, now, app)
    due = _due(group, said, told, fresh=fresh, app=app)
    if now < due:
        patience = min(due - now, until_next_step(now - group.began, app))
        return Plan(False, patience if fresh else min(patience, _glance(said, now)), fresh)
    if not _tell(group, said, words, story, len(told), app):
        return Plan(over=False, pause=TRY_AGAIN, gathering=True)
    return Plan(over=False, pause=_interval(len(told) + 1, app), gathering=False)


def last_words(said: Sequence[Word]) -> list[Word]:
    """Return the newest word of each member, in the order in which they joined."""
    newest: dict[str, Word] = {}
    for word in said:
        if word.of not in newest or word.at >= newest[word.of].at:
            newest[word.of] = word
    return list(newest.values())


def _due(
    group: Group, said: Sequence[Word], told: Sequence[Entry], *, fresh: bool, app: Response
) -> datetime:
    """Return when the next message is due: the gathered one, or the one that reminds."""
    grouping = app.configuration.notify.group
    last = told[-1].at if told else group.began
    if group.kind is GroupKind.FLAPPING and all(word.is_over for word in last_words(said)):
        return said[-1].at + quiet(group.kind, app.configuration)
    if not fresh or group.kind is GroupKind.FLAPPING:
        return last + grouping.repeat * _stretched(len(told))
    if not told:
        return min(word.at for word in said if not word.told) + grouping.wait
    return last + _interval(len(told), app)


def _tell(
    group: Group,
    said: Sequence[Word],
    words: Sequence[Word],
    story: Sequence[Entry],
    number: int,
    app: Response,
) -> bool:
    notice = crowd(group, words, many=_are_many(words, app), number=number, now=app.clock())
    came_of_it = app.telling.tell_of_group(notice, group, words, story)
    if came_of_it is None:
        return False
    app.note(
        group.id, f"told {number}", EntryKind.NOTIFIED, notice.headline,
        covered=sum(not word.told for word in said), size=sum(word.size for word in words),
        **came_of_it,
    )  # fmt: skip
    return True


def _escalate(
    group: Group, words: Sequence[Word], story: Sequence[Entry], now: datetime, app: Response
) -> None:
    """Tell somebody else of all of them, where so many stay open for so long."""
    if all(word.is_over for word in words):
        return
    for key, step in steps_due(now - group.began, {entry.key for entry in story}, app):
        notice = crowd(group, words, many=_are_many(words, app), number=0, now=now)
        notice = replace(
            notice, id=f"{group.id}-{key.replace(' ', '-')}", kind=NoticeKind.ESCALATED, to=step.to
        )
        if app.telling.tell_of_group(notice, group, words, story) is not None:
            app.note(group.id, key, EntryKind.ESCALATED, told_to(step))


def _are_many(words: Sequence[Word], app: Response) -> bool:
    targets = {word.target for word in words}
    return len(targets) >= app.configuration.limits.correlated.targets


def _end(group: Group, story: Sequence[Entry], app: Response) -> Plan:
    """End the group, unless somebody left word meanwhile; see Telling.join."""
    app.incidents.end_group(group)
    if len(app.incidents.timeline(group.id)) > len(story):
        return Plan(over=False, pause=TRY_AGAIN, gathering=True)
    return Plan(over=True)


def _covered(told: Sequence[Entry]) -> int:
    return int(told[-1].facts["covered"]) if told else 0


def _interval(told: int, app: Response) -> timedelta:
    return app.configuration.notify.group.interval * _stretched(told)


def _stretched(told: int) -> float:
    return STRETCH ** min(max(0, told - 1), MOST_STRETCHED)


def _glance(said: Sequence[Word], now: datetime) -> timedelta:
    """Return how long to sleep where no message is due: word that came unheard is found then."""
    return pause_after(now - said[-1].at)
