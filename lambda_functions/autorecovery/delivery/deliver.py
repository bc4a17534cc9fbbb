"""One notice through one channel: once, in its turn, and again later where it is refused for now.

A channel fails alone. What it does not take at all becomes a dead letter, and what must arrive is
told by another channel. Called as often as one likes: what was delivered is not sent again.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from autorecovery.config import ChannelSettings
from autorecovery.delivery.routes import (
    INSTEAD,
    NO_OTHER,
    is_for,
    may_concern,
    must_arrive,
    origin_of,
    stand_in,
)
from autorecovery.errors import ChannelError, ConfigurationError, NoticeError
from autorecovery.models.delivery import (
    Delivery,
    Outcome,
    PartlyDeliveredError,
    Record,
    Thread,
    Turn,
)
from autorecovery.models.notice import Notice
from autorecovery.ports import Channel, Clock, DeadLetters, Noticeboard, NoticeLog

FIRST_PAUSE = timedelta(seconds=5)
LONGEST_PAUSE = timedelta(minutes=15)
LONGEST_ASKED = timedelta(hours=1)
"""A channel that wants to be left alone for longer is asked again after this all the same."""

MOST_TRIES = 12
"""With the pauses between them about an hour."""

OLDEST = timedelta(days=1)
"""What nobody tried for so long is news no more."""

IN_TURN = timedelta(seconds=2)
"""After so long somebody else has told what they had to tell in this conversation."""

WAITS_ALONE = timedelta(minutes=2)
"""What must arrive waits no longer for one channel before another is asked too."""

HANDED_ON_AT = 4
"""From this refusal on another channel is asked too: about half a minute after the first."""

OVERTAKES = timedelta(seconds=30)
"""After so long an end asks again whether its beginning was told; each time it waits longer."""

BEGINNING_LATE = timedelta(hours=1)
"""An end as old as this waits for its beginning no more: nobody was told here."""

LONGEST_REASON = 300

NOT_FOR_THIS = "it is not for this channel"


@dataclass(frozen=True)
class Public:
    """Where everybody reads: the last to stand in."""

    via: str
    """How the record calls it: `sns`, `console`."""
    board: Callable[[], Noticeboard]
    """Returns it; it puts a notice up there, and into no channel."""


@dataclass(frozen=True)
class Courier:
    """What a delivery works with."""

    channels: Mapping[str, ChannelSettings]
    """In the order of fallback."""
    channel: Callable[[str], Channel]
    """Returns the channel of this name; ConfigurationError where it cannot be set up."""
    log: NoticeLog
    hand_on: Callable[[str, str], None]
    """Sees to it that the notice of this id is delivered by the channel of this name."""
    dead_letters: DeadLetters
    clock: Clock
    patience: timedelta
    """How long one attempt may take before it counts as interrupted."""
    most_tries: int = MOST_TRIES
    public: Public | None = None


@dataclass(frozen=True, slots=True)
class Passed:
    """What came of one attempt, for the log, and when to come again."""

    notice_id: str
    via: str
    text: str
    outcome: Outcome | None = None
    """None where nothing was tried."""
    again_in: timedelta | None = None
    """None where there is nothing more to do."""
    channel_rests: bool = False
    """The channel itself asked to be left alone for so long, not only for this notice."""


def deliver(notice_id: str, via: str, app: Courier) -> Passed:
    """Deliver the notice of this id through the channel of this name, if there is reason to."""
    record = app.log.get(notice_id)
    why_not = _no_reason(record, via, app)
    if why_not or record is None:
        return Passed(notice_id, via, why_not, again_in=_may_overtake(record, why_not, app))
    now = app.clock()
    turn = app.log.take_turn(via, record.notice.thread, now, app.patience)
    if turn is None:
        pause = _until_the_turn_ends(via, record.notice, app)
        return Passed(notice_id, via, "another tells of the same now", again_in=pause)
    try:
        passed = _in_turn(record, turn, app)
    except BaseException:
        app.log.give_back_turn(turn)
        raise
    if passed.outcome is not Outcome.DELIVERED:  # where a thread was kept the turn is over
        app.log.give_back_turn(turn)
    return passed


def _no_reason(record: Record | None, via: str, app: Courier) -> str:
    """Return why there is nothing to deliver, or nothing."""
    if record is None:
        return "no such notice is recorded"
    if record.suppressed:
        return f"nobody is to be told: {record.suppressed}"
    if via not in app.channels:
        return "there is no such channel any more"
    known = record.delivery(via)
    if known is not None and known.is_over:
        return f"{known.outcome} before"
    if is_for(record.notice, via, app.channels[via]):
        return ""
    told = app.log.thread(via, record.notice.thread) is not None
    is_wanted = told and may_concern(record.notice, via, app.channels[via])
    return "" if is_wanted else NOT_FOR_THIS


def _may_overtake(record: Record | None, why_not: str, app: Courier) -> timedelta | None:
    """Return when an end comes again whose beginning may still be on its way to this channel.

    Queues keep no order. The pauses grow with its age: each costs a receive, which are counted.
    """
    if record is None or why_not != NOT_FOR_THIS:
        return None
    notice, age = record.notice, app.clock() - record.notice.at
    if notice.to or not notice.is_end or age >= BEGINNING_LATE:
        return None
    return max(age, OVERTAKES)


def _until_the_turn_ends(via: str, notice: Notice, app: Courier) -> timedelta:
    """Return a pause: short after a turn began, to its end where it lasts, as of one who died."""
    now, ends = app.clock(), app.log.turn_ends(via, notice.thread)
    if ends is None:
        return IN_TURN
    has_lasted = now - (ends - app.patience)
    return max(IN_TURN, min(2 * has_lasted, ends - now))


def _in_turn(record: Record, turn: Turn, app: Courier) -> Passed:
    notice, via, now = record.notice, turn.via, app.clock()
    delivery = app.log.begin(notice.id, via, now, app.patience)
    if delivery is None:
        return _begun_elsewhere(record, via, app)
    known = record.delivery(via)
    if now - (known.at if known else notice.at) > OLDEST:
        return _give_up(record, delivery, "nobody could try for a day", app, is_news=False)
    if delivery.tries > app.most_tries:
        return _give_up(record, delivery, _often(delivery.tries - 1, known), app)
    try:
        _send(notice, turn, app)
    except ChannelError as error:
        return _refused(record, delivery, error, turn, app)
    except ConfigurationError as error:
        return _give_up(record, delivery, str(error), app)
    app.log.end(notice.id, replace(delivery, outcome=Outcome.DELIVERED, at=app.clock()))
    return Passed(notice.id, via, "delivered", Outcome.DELIVERED)


def _begun_elsewhere(record: Record, via: str, app: Courier) -> Passed:
    """Return when to come again: it waits for its time, or another worker has it in hand."""
    known = (app.log.get(record.notice.id) or record).delivery(via)
    if known is None or known.is_over:
        return Passed(record.notice.id, via, f"{known.outcome if known else 'gone'} meanwhile")
    until = known.again_at or known.at + app.patience
    left = max(until - app.clock(), IN_TURN)
    return Passed(record.notice.id, via, "it is not its time yet", again_in=left)


def _send(notice: Notice, turn: Turn, app: Courier) -> None:
    shown = turn.thread if turn.thread and turn.thread.reference else None
    try:
        thread = app.channel(turn.via).send(notice, shown)
    except PartlyDeliveredError as error:
        app.log.keep_thread(error.thread)  # the next try goes on from there
        raise
    if thread is None:  # it cannot change a message; that it told of this is worth knowing
        latest = max(notice.at, turn.thread.shown_at) if turn.thread else notice.at
        thread = Thread(turn.via, notice.thread, "", latest)
    app.log.keep_thread(thread)


def _refused(
    record: Record, delivery: Delivery, error: ChannelError, turn: Turn, app: Courier
) -> Passed:
    why = _short(str(error))
    if not error.retryable:
        return _give_up(record, delivery, why, app)
    if delivery.tries >= app.most_tries:
        return _give_up(record, delivery, f"refused {delivery.tries} times, at last: {why}", app)
    pause = _pause(delivery.tries, error.after)
    if must_arrive(record.notice) and (delivery.tries >= HANDED_ON_AT or pause > WAITS_ALONE):
        # Each time: who has it is not told again, and who gave it up meanwhile is passed over.
        so_far = f"{delivery.via} has not taken this so far: {why}"
        why = f"{why}; {_tell_instead(record, delivery.via, so_far, app)}"
    now = app.clock()
    waiting = replace(delivery, outcome=Outcome.WAITING, at=now, detail=why, again_at=now + pause)
    app.log.end(record.notice.id, waiting)
    if turn.thread is None and not isinstance(error, PartlyDeliveredError):
        # It will be told of: so is its end, which may come before this gets through.
        app.log.keep_thread(Thread(turn.via, turn.conversation, "", record.notice.at))
    return Passed(
        record.notice.id, delivery.via, why, Outcome.WAITING, pause, error.after is not None
    )


def _pause(tries: int, asked: float | None) -> timedelta:
    if asked is not None:
        return min(timedelta(seconds=max(asked, 1)), LONGEST_ASKED)
    return min(FIRST_PAUSE * (1 << (tries - 1)), LONGEST_PAUSE)


def _give_up(
    record: Record, delivery: Delivery, why: str, app: Courier, *, is_news: bool = True
) -> Passed:
    """Put it aside, have it told by another channel where it must be, and say so in the record."""
    notice, via, told = record.notice, delivery.via, _short(why)
    if is_news and must_arrive(notice):
        told = f"{told}; {_tell_instead(record, via, f'{via} did not take this: {told}', app)}"
    event = given_up(notice.id, via)
    app.dead_letters.keep(event, f"{via} did not take it: {told}", app.clock())
    ended = replace(delivery, outcome=Outcome.GIVEN_UP, at=app.clock(), detail=told)
    app.log.end(notice.id, ended)
    return Passed(notice.id, via, told, Outcome.GIVEN_UP)


def _tell_instead(record: Record, via: str, why: str, app: Courier) -> str:
    name, told = stand_in(record, via, app.channels, app.log)
    if name:
        copy = _copy_for(name, record.notice, why)
        app.log.record(copy)
        app.hand_on(copy.id, name)
    elif told == NO_OTHER and app.public is not None:
        return _tell_everybody(record, why, app.public, app)
    return told


def _copy_for(via: str, notice: Notice, why: str) -> Notice:
    id = f"{origin_of(notice.id)}{INSTEAD}{via}"
    return replace(notice, id=id, to=(via,), lines=(why, *notice.lines))


def _tell_everybody(record: Record, why: str, public: Public, app: Courier) -> str:
    """Put it up where everybody reads, once, if it was not put up there before."""
    first = app.log.get(origin_of(record.notice.id)) or record
    copy = _copy_for(public.via, record.notice, why)
    put_up = app.log.get(copy.id)
    if public.via in (*first.delivered_via, *(put_up.delivered_via if put_up else ())):
        return f"{NO_OTHER} than {public.via}, where it was told"
    app.log.record(copy)
    try:
        public.board().post(copy)
    except NoticeError as error:
        refused = Delivery(public.via, Outcome.GIVEN_UP, app.clock(), 1, _short(str(error)))
        app.log.end(copy.id, refused)
        return f"{NO_OTHER}, and {public.via} did not take it: {refused.detail}"
    app.log.end(copy.id, Delivery(public.via, Outcome.DELIVERED, app.clock()))
    return f"{public.via} tells it instead, to everybody"


def given_up(notice_id: str, *channels: str) -> dict[str, object]:
    """Return the dead letter of a notice that these channels did not take."""
    return {"notice_id": notice_id, "channels": list(channels)}


def _often(tries: int, known: Delivery | None) -> str:
    last = f", at last: {known.detail}" if known and known.detail else "; nobody knows how it ended"
    return f"tried {tries} times{last}"


def _short(text: str) -> str:
    shown = "".join(c if c.isprintable() else " " for c in text[:LONGEST_REASON])
    return " ".join(shown.split())
