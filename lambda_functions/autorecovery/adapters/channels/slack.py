"""A Slack channel that a bot writes to: one message per conversation, its details in the thread."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from autorecovery.adapters.channels.slack_api import SlackApi, SlackRefusal
from autorecovery.errors import ChannelError
from autorecovery.models.delivery import PartlyDeliveredError, Thread
from autorecovery.models.notice import Notice, NoticeKind
from autorecovery.models.reason import Level

EVENT = "autorecovery_notice"
"""The type of the metadata that tells programs which notice a message shows."""

_NO_LONGER_THERE = frozenset(
    {
        "message_not_found", "cant_update_message", "edit_window_closed", "update_failed",
        "is_inactive", "thread_not_found", "cannot_reply_to_message",
        "restricted_action_thread_locked",
    }
)  # fmt: skip
"""The message cannot be changed, or answered: the conversation goes on in a new one."""

_OF_ITS_FORM = frozenset(
    {
        "invalid_blocks", "invalid_blocks_format", "msg_too_long", "msg_blocks_too_long",
        "block_mismatch", "too_many_attachments", "invalid_arguments", "invalid_metadata_format",
        "invalid_metadata_schema", "metadata_too_large", "metadata_must_be_sent_from_app",
    }
)  # fmt: skip
"""Not what it says is refused, but how: said shorter it may be taken."""

SHORT = 3000
"""Characters of the short form, which must be taken whatever else is refused."""

_CALLS_EVERYBODY = (NoticeKind.HANDED_OVER, NoticeKind.ESCALATED, NoticeKind.ASKING)
"""Told in the thread and in the channel: an edited message makes no sound."""


class Message(Protocol):
    """A message as a renderer makes it: blocks, and the text that stands for them."""

    @property
    def text(self) -> str:
        """Return what notifications show, and all that the short form says."""

    @property
    def blocks(self) -> Sequence[Mapping[str, Any]]:
        """Return the message itself, within Slack's limits."""


@dataclass(frozen=True, slots=True)
class SlackForms:
    """How a notice looks."""

    head: Callable[[Notice, bool], Message]
    """The one message of its conversation; told whether it may have buttons."""
    reply: Callable[[Notice], Message]
    """Its details, for the thread."""
    stands_for_all: Callable[[Notice], bool]
    """Whether it says how its conversation stands, or only adds to the thread."""


class SlackChannel:
    """Channel over one Slack channel."""

    def __init__(
        self, name: str, channel: str, api: SlackApi, forms: SlackForms, *, buttons: bool
    ) -> None:
        """`buttons` says whether anybody would hear that one is pressed."""
        self.name = name
        self._channel = channel
        self._api = api
        self._forms = forms
        self._buttons = buttons

    def send(self, notice: Notice, thread: Thread | None) -> Thread | None:
        """See Channel.send. PartlyDeliveredError where the message stands without its details."""
        if thread and thread.facts.get("channel") != self._channel:
            thread = None  # another channel is configured by now
        if thread and thread.facts.get("reply") == notice.id:
            return thread
        shown = self._show(notice, thread) if thread else self._open(notice)
        try:
            shown = self._reply(notice, shown)
        except ChannelError as error:
            raise PartlyDeliveredError(error, shown) from error
        return replace(shown, facts={**shown.facts, "reply": notice.id})

    def _open(self, notice: Notice) -> Thread:
        """Begin the conversation with a message of its own."""
        answer = self._say(
            "chat.postMessage", self._head(notice), channel=self._channel,
            metadata=_metadata(notice), unfurl_links=False, unfurl_media=False,
        )  # fmt: skip
        where, ts = answer.get("channel", self._channel), answer.get("ts")
        if not isinstance(ts, str) or not isinstance(where, str):
            raise ChannelError("Slack: its answer names no message", retryable=True)
        facts = {"channel": self._channel, "opened": notice.id, "head": notice.id}
        return Thread(self.name, notice.thread, f"{where}/{ts}", notice.at, facts)

    def _show(self, notice: Notice, thread: Thread) -> Thread:
        """Change the message, unless it shows this or something newer; where it is gone, begin."""
        if thread.facts.get("head") == notice.id or notice.at < thread.shown_at:
            return thread
        if not self._forms.stands_for_all(notice):
            return thread
        where, ts = _place(thread)
        try:
            self._say(
                "chat.update", self._head(notice), channel=where, ts=ts, metadata=_metadata(notice)
            )
        except SlackRefusal as refusal:
            if refusal.code not in _NO_LONGER_THERE:
                raise
            return self._open(notice)
        facts = {**thread.facts, "head": notice.id}
        return replace(thread, shown_at=notice.at, facts=facts)

    def _reply(self, notice: Notice, thread: Thread) -> Thread:
        """Tell the details in the thread, and return it, or the new one where it was gone."""
        try:
            self._answer(notice, thread)
        except SlackRefusal as refusal:
            if refusal.code not in _NO_LONGER_THERE:
                raise
            thread = self._open(notice)
            self._answer(notice, thread)
        return thread

    def _answer(self, notice: Notice, thread: Thread) -> None:
        where, ts = _place(thread)
        self._say(
            "chat.postMessage", self._forms.reply(notice), channel=where, thread_ts=ts,
            # The first message has just made its sound.
            reply_broadcast=calls_everybody(notice) and not _is_fresh(thread, notice),
            unfurl_links=False, unfurl_media=False,
        )  # fmt: skip

    def _head(self, notice: Notice) -> Message:
        return self._forms.head(notice, self._buttons and not notice.is_end)

    def _say(self, method: str, message: Message, **more: Any) -> dict[str, Any]:
        """Say it, and where its form is refused, say it in few words: better than not at all."""
        try:
            return self._api.call(method, text=message.text, blocks=list(message.blocks), **more)
        except SlackRefusal as refusal:
            if refusal.code not in _OF_ITS_FORM:
                raise
        more.pop("metadata", None)
        # Without blocks a change would keep the old ones.
        return self._api.call(method, text=message.text[:SHORT], blocks=[], **more)


def calls_everybody(notice: Notice) -> bool:
    """Return whether a change of the message must also be heard in the channel."""
    reminds = notice.kind is NoticeKind.REMINDER and notice.level is Level.CRITICAL
    return reminds or notice.kind in _CALLS_EVERYBODY


def _is_fresh(thread: Thread, notice: Notice) -> bool:
    """Return whether the conversation's message was posted, not changed, for this notice."""
    return thread.facts.get("opened") == notice.id


def _place(thread: Thread) -> tuple[str, str]:
    where, _, ts = thread.reference.partition("/")
    return where, ts


def _metadata(notice: Notice) -> dict[str, Any]:
    payload = {"conversation": notice.thread, "notice": notice.id}
    return {"event_type": EVENT, "event_payload": payload}
