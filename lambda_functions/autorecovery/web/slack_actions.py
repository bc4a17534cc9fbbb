"""A button pressed in Slack: its payload in, what to say to Slack out. It decides through people.

The same for HTTP, where Slack calls us, and for Socket Mode, where we call Slack.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from autorecovery import people
from autorecovery.config.notify import SlackBot
from autorecovery.errors import ReadError, StoreError
from autorecovery.models.incident import Incident
from autorecovery.models.press import Subject, Word
from autorecovery.people import Answer, People

SILENCED_FOR = timedelta(hours=1)

_TOGETHER = ({Word.APPROVE, Word.DENY}, {Word.ACKNOWLEDGE}, {Word.SILENCE})
"""Words after one of which the others are no use either."""

_SHAPES = {True: "✔", False: "✖"}


class _Payload(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class _User(_Payload):
    id: str = Field(pattern=r"^[A-Z0-9]{1,30}$")
    username: str = ""
    team_id: str = ""


class _Place(_Payload):
    id: str


class _Team(_Payload):
    id: str


class _Message(_Payload):
    text: str = ""
    blocks: tuple[dict[str, Any], ...] = ()


class _Action(_Payload):
    action_id: str
    value: str = ""


class Press(_Payload):
    """What Slack tells of a pressed button (`block_actions`)."""

    user: _User
    channel: _Place
    team: _Team | None = None
    """Whose app it is; Slack leaves it out for an app of a whole enterprise."""
    message: _Message = _Message()
    actions: tuple[_Action, ...] = Field(min_length=1)
    response_url: str = ""

    @property
    def by(self) -> str:
        """Return who pressed, as the timeline shall name them."""
        name = "".join(c for c in self.user.username if c.isprintable())[:60]
        return f"{name} (Slack {self.user.id})" if name else f"Slack {self.user.id}"

    @property
    def is_from_elsewhere(self) -> bool:
        """Return whether who pressed is a guest from another team, where Slack tells both."""
        if self.team is None or not self.user.team_id:
            return False
        return self.user.team_id != self.team.id


@dataclass(frozen=True, slots=True)
class Said:
    """What to tell Slack at the press's response_url."""

    content: dict[str, Any]
    url: str


def press(payload: object, channels: Sequence[SlackBot], app: People) -> Said | None:
    """Act on a payload and return what to say; None where there is nothing to act on.

    `channels` are those whose app has vouched for the payload: one app speaks for no other's.
    """
    try:
        pressed = Press.model_validate(payload)
        word = Word(pressed.actions[0].action_id)
        subject = Subject.read(pressed.actions[0].value)
    except (ValidationError, ValueError):
        return None  # another kind of interaction, or a link that was followed
    answer = _act(pressed, word, subject, channels, app)
    if not answer.changed:
        return Said(_whisper(answer.text), pressed.response_url)
    return Said(_replaced(pressed, word, app), pressed.response_url)


def _act(
    pressed: Press, word: Word, subject: Subject, channels: Sequence[SlackBot], app: People
) -> Answer:
    bots = [bot for bot in channels if bot.channel == pressed.channel.id]
    if not bots:
        return Answer(False, "Buttons of this channel are not ours to hear.")
    if any(bot.operators and pressed.user.id not in bot.operators for bot in bots):
        return Answer(False, "You are not among this channel's operators; nothing was changed.")
    if pressed.is_from_elsewhere and not all(bot.operators for bot in bots):
        return Answer(
            False, "You are of another team, and not named as an operator; nothing was changed."
        )
    try:
        incident = app.incidents.get(subject.incident_id)
        if incident is None:
            return Answer(False, "This incident is not known any more; nothing was changed.")
        return _WORDS[word](incident, pressed.by, app, subject)
    except (StoreError, ReadError):
        # Perhaps it was written, and only whoever waits for it could not be woken.
        by_hand = _BY_HAND[word].format(subject.incident_id)
        return Answer(False, f"That failed, and may count or not. Press again, or say: {by_hand}")


def _answer(
    incident: Incident, by: str, app: People, subject: Subject, *, approved: bool
) -> Answer:
    if not subject.attempt:
        return Answer(False, "This button names no question; nothing was changed.")
    return people.decide(incident, by, app, approved=approved, question=subject.attempt)


def _acknowledge(incident: Incident, by: str, app: People, subject: Subject) -> Answer:
    return people.acknowledge(incident, by, app)


def _silence(incident: Incident, by: str, app: People, subject: Subject) -> Answer:
    return people.silence(incident, by, app, lasting=SILENCED_FOR)


_WORDS: Mapping[Word, Callable[[Incident, str, People, Subject], Answer]] = {
    Word.APPROVE: partial(_answer, approved=True),
    Word.DENY: partial(_answer, approved=False),
    Word.ACKNOWLEDGE: _acknowledge,
    Word.SILENCE: _silence,
}

_BY_HAND = {
    Word.APPROVE: "autorecovery approve {}",
    Word.DENY: "autorecovery deny {}",
    Word.ACKNOWLEDGE: "autorecovery ack {}",
    Word.SILENCE: "autorecovery silence add",
}

_PAST = {
    Word.APPROVE: "approved",
    Word.DENY: "denied",
    Word.ACKNOWLEDGE: "acknowledged",
    Word.SILENCE: "silenced for 1 h",
}


def _whisper(text: str) -> dict[str, Any]:
    """Return what only the one who pressed is shown."""
    return {"response_type": "ephemeral", "replace_original": False, "text": _escaped(text)}


def _replaced(pressed: Press, word: Word, app: People) -> dict[str, Any]:
    """Return the message with what was decided, and by whom, in place of its buttons."""
    when = f"{app.clock():%H:%M:%S} UTC"
    told = f"{_SHAPES[word is not Word.DENY]} {_PAST[word]} by <@{pressed.user.id}> at {when}"
    over = next(words for words in _TOGETHER if word in words)
    blocks = [kept for block in pressed.message.blocks if (kept := _without(block, over))]
    note = {"type": "context", "elements": [{"type": "mrkdwn", "text": told}]}
    # At most 50 blocks: the note must not be the one too many.
    return {
        "replace_original": True, "text": f"{pressed.message.text} {told}",
        "blocks": [*blocks[:49], note],
    }  # fmt: skip


def _without(block: Mapping[str, Any], words: set[Word]) -> dict[str, Any] | None:
    """Return a block without these buttons, and without its id, which Slack wants to be new."""
    kept = {key: value for key, value in block.items() if key != "block_id"}
    if kept.get("type") != "actions":
        return kept
    elements = [each for each in kept.get("elements", ()) if each.get("action_id") not in words]
    return {**kept, "elements": elements} if elements else None


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
