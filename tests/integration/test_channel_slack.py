"""A Slack channel against a server that speaks Slack's API: messages, threads, trouble."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from autorecovery.adapters.channels.slack import SlackChannel, SlackForms
from autorecovery.adapters.channels.slack_api import SlackApi
from autorecovery.errors import ChannelError
from autorecovery.models.delivery import PartlyDeliveredError, Thread
from autorecovery.models.notice import NoticeKind
from autorecovery.models.reason import Level
from tests.channel_world import (
    INCIDENT,
    NOW,
    Rendered,
    Vault,
    head,
    notice,
    reply,
    section,
    stands_for_all,
)
from tests.local_server import HALF_JSON, HTML, RESET, Reply
from tests.slack_server import CHANNEL, TOKEN, SlackServer, rate_limited, refusal


@pytest.fixture
def slack() -> Iterator[SlackServer]:
    server = SlackServer()
    with server.running():
        yield server


@pytest.fixture
def vault() -> Vault:
    return Vault()


def channel(slack: SlackServer, vault: Vault, **more: Any) -> SlackChannel:
    api = SlackApi(vault.keep(TOKEN), slack.api, timeout_seconds=1)
    settings = {
        "channel": CHANNEL,
        "forms": SlackForms(head, reply, stands_for_all),
        "buttons": True,
        **more,
    }
    return SlackChannel("ops", api=api, **settings)


def opened(told: SlackChannel) -> Thread:
    """Return the conversation that the first notice begins."""
    thread = told.send(notice(), None)
    assert thread is not None
    return thread


# One message per conversation


def test_the_first_notice_is_a_message_with_its_details_in_its_thread(
    slack: SlackServer, vault: Vault
) -> None:
    thread = opened(channel(slack, vault))
    [message], [details] = slack.heads, slack.replies
    assert message["text"] == "[CRITICAL] web-1: opened"
    assert (message["unfurl_links"], message["unfurl_media"]) == (False, False)
    assert message["metadata"]["event_payload"] == {
        "conversation": INCIDENT, "notice": notice().id,
    }  # fmt: skip
    assert thread.reference == f"{CHANNEL}/{details['thread_ts']}"
    assert (thread.via, thread.conversation, thread.shown_at) == ("ops", INCIDENT, NOW)
    assert details["text"] == "A line."
    assert not details["reply_broadcast"]


def test_a_later_notice_changes_the_message_and_adds_its_details(
    slack: SlackServer, vault: Vault
) -> None:
    told = channel(slack, vault)
    thread = told.send(notice(NoticeKind.RECOVERED, 3, level=Level.INFO), opened(told))
    [message] = slack.heads
    assert message["text"] == "[CRITICAL] web-1: recovered"
    assert len(slack.replies) == 2
    assert thread is not None
    assert thread.shown_at > NOW


def test_a_notice_that_comes_late_leaves_the_newer_state_standing(
    slack: SlackServer, vault: Vault
) -> None:
    told = channel(slack, vault)
    thread = told.send(notice(NoticeKind.RECOVERED, 9), opened(told))
    again = told.send(notice(NoticeKind.REMINDER, 4), thread)
    assert slack.heads[0]["text"] == "[CRITICAL] web-1: recovered"
    assert len(slack.replies) == 3
    assert again is not None
    assert thread is not None
    assert again.shown_at == thread.shown_at


def test_an_analysis_only_adds_to_the_thread(slack: SlackServer, vault: Vault) -> None:
    told = channel(slack, vault)
    thread = opened(told)
    told.send(notice(NoticeKind.ANALYSED, 1), thread)
    assert slack.heads[0]["text"] == "[CRITICAL] web-1: opened"
    assert len(slack.replies) == 2


@pytest.mark.parametrize(
    ("kind", "level", "heard"),
    [
        (NoticeKind.HANDED_OVER, Level.ERROR, True),
        (NoticeKind.ESCALATED, Level.WARNING, True),
        (NoticeKind.ASKING, Level.WARNING, True),
        (NoticeKind.REMINDER, Level.CRITICAL, True),
        (NoticeKind.REMINDER, Level.WARNING, False),
        (NoticeKind.RECOVERED, Level.INFO, False),
        (NoticeKind.ANALYSED, Level.CRITICAL, False),
    ],
)
def test_what_a_person_must_hear_is_told_in_the_channel_too(
    kind: NoticeKind, level: Level, heard: bool, slack: SlackServer, vault: Vault
) -> None:
    told = channel(slack, vault)
    told.send(notice(kind, 1, level=level), opened(told))
    assert slack.replies[-1]["reply_broadcast"] is heard


def test_buttons_are_there_while_it_goes_on_and_gone_at_its_end(
    slack: SlackServer, vault: Vault
) -> None:
    told = channel(slack, vault)
    thread = opened(told)
    assert [block["type"] for block in slack.heads[0]["blocks"]] == ["section", "actions"]
    told.send(notice(NoticeKind.RECOVERED, 1), thread)
    assert [block["type"] for block in slack.heads[0]["blocks"]] == ["section"]


def test_where_nobody_would_hear_them_there_are_no_buttons(
    slack: SlackServer, vault: Vault
) -> None:
    opened(channel(slack, vault, buttons=False))
    assert [block["type"] for block in slack.heads[0]["blocks"]] == ["section"]


def test_another_channel_in_the_configuration_begins_anew_there(
    slack: SlackServer, vault: Vault
) -> None:
    thread = opened(channel(slack, vault))
    slack.channel = {"id": "C0NEW0NE", "is_archived": False}
    channel(slack, vault, channel="C0NEW0NE").send(notice(NoticeKind.REMINDER, 1), thread)
    assert [message["channel"] for message in slack.heads] == [CHANNEL, "C0NEW0NE"]


# What was told is not told again


def test_a_head_without_its_details_is_told_as_such_and_not_repeated(
    slack: SlackServer, vault: Vault
) -> None:
    told = channel(slack, vault)
    slack.refuse("chat.postMessage", Reply({"ok": True, "channel": CHANNEL, "ts": "1.1"}))
    slack.refuse("chat.postMessage", rate_limited("7"))
    with pytest.raises(PartlyDeliveredError) as caught:
        told.send(notice(), None)
    assert (caught.value.retryable, caught.value.after) == (True, 7)
    assert caught.value.thread.reference == f"{CHANNEL}/1.1"
    told.send(notice(), caught.value.thread)
    assert slack.heads == []
    assert [details["thread_ts"] for details in slack.replies] == ["1.1"]


def test_a_notice_told_to_the_end_is_not_told_again(slack: SlackServer, vault: Vault) -> None:
    told = channel(slack, vault)
    thread = opened(told)
    asked = len(slack.requests)
    assert told.send(notice(), thread) == thread
    assert len(slack.requests) == asked


def test_a_refused_change_tells_nothing(slack: SlackServer, vault: Vault) -> None:
    told = channel(slack, vault)
    thread = opened(told)
    slack.refuse("chat.update", rate_limited())
    with pytest.raises(ChannelError) as caught:
        told.send(notice(NoticeKind.REMINDER, 1), thread)
    assert not isinstance(caught.value, PartlyDeliveredError)
    assert len(slack.replies) == 1


# What cannot be changed, or is too much


@pytest.mark.parametrize(
    "error", ["message_not_found", "cant_update_message", "edit_window_closed"]
)
def test_where_the_message_cannot_be_changed_a_new_one_takes_its_place(
    error: str, slack: SlackServer, vault: Vault
) -> None:
    told = channel(slack, vault)
    thread = opened(told)
    slack.refuse("chat.update", refusal(error))
    after = told.send(notice(NoticeKind.HANDED_OVER, 1), thread)
    assert after is not None
    assert after.reference != thread.reference
    assert slack.heads[1]["text"] == "[CRITICAL] web-1: handed over"
    assert slack.replies[1]["thread_ts"] == after.reference.partition("/")[2]
    assert not slack.replies[1]["reply_broadcast"]


def test_where_the_thread_is_closed_a_new_message_takes_its_place(
    slack: SlackServer, vault: Vault
) -> None:
    told = channel(slack, vault)
    thread = opened(told)
    slack.refuse("chat.postMessage", refusal("restricted_action_thread_locked"))
    after = told.send(notice(NoticeKind.REMINDER, 1), thread)
    assert len(slack.heads) == 2
    assert after is not None
    assert after.reference != thread.reference


@pytest.mark.parametrize("error", ["invalid_blocks", "msg_too_long", "msg_blocks_too_long"])
def test_what_is_refused_for_its_form_is_said_in_few_words(
    error: str, slack: SlackServer, vault: Vault
) -> None:
    slack.refuse("chat.postMessage", refusal(error))
    opened(channel(slack, vault))
    [message] = slack.heads
    assert (message["text"], message["blocks"]) == ("[CRITICAL] web-1: opened", [])


def test_a_message_beyond_every_limit_still_arrives(slack: SlackServer, vault: Vault) -> None:
    def huge(told: object, buttons: bool = False) -> Rendered:
        return Rendered("x" * 50_000, [section("y")] * 60)

    opened(channel(slack, vault, forms=SlackForms(huge, huge, stands_for_all)))
    assert len(slack.heads[0]["text"]) == 3000
    assert slack.replies[0]["blocks"] == []


def test_a_change_in_few_words_takes_the_old_blocks_away(slack: SlackServer, vault: Vault) -> None:
    told = channel(slack, vault)
    thread = opened(told)
    slack.refuse("chat.update", refusal("invalid_blocks"))
    told.send(notice(NoticeKind.REMINDER, 1), thread)
    assert slack.heads[0]["blocks"] == []


# Trouble that passes


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        (rate_limited("30"), "left alone for 30 s"),
        (refusal("internal_error"), "internal_error"),
        (refusal("service_unavailable"), "service_unavailable"),
        (HTML, "HTTP 502 without a usable answer"),
        (Reply("<html>Sorry</html>", 200, {"Content-Type": "text/html"}), "HTTP 200 without"),
        (Reply("", 503), "HTTP 503"),
        (HALF_JSON, "HTTP 200 without a usable answer"),
        (Reply("[1, 2]"), "makes no sense"),
        (Reply("null"), "HTTP 200 without"),
        (Reply({"ok": False}), "HTTP 200 without"),
        (Reply(b"\xff\xfe{"), "makes no sense"),
        (Reply({"ok": True}), "names no message"),
        (Reply({"ok": True}, headers={"Content-Type": "text/plain; charset=klingon"}), "no sense"),
        (RESET, "Connection"),
        (Reply({"ok": True}, after_seconds=1.3), "timed out"),
    ],
)
def test_trouble_that_passes_is_worth_another_try(
    trouble: Reply, words: str, slack: SlackServer, vault: Vault
) -> None:
    slack.refuse("chat.postMessage", trouble)
    with pytest.raises(ChannelError, match=words) as caught:
        channel(slack, vault).send(notice(), None)
    assert caught.value.retryable
    assert not isinstance(caught.value, PartlyDeliveredError)


def test_a_server_that_is_not_there_is_worth_another_try(vault: Vault) -> None:
    nobody = SlackServer()
    with nobody.running():
        pass
    with pytest.raises(ChannelError) as caught:
        channel(nobody, vault).send(notice(), None)
    assert caught.value.retryable


@pytest.mark.parametrize(
    ("told", "after"), [("12", 12.0), ("0.5", 0.5), ("soon", None), ("inf", 86_400), ("-1", 0.0)]
)
def test_slack_is_left_alone_as_long_as_it_asks(
    told: str, after: float | None, slack: SlackServer, vault: Vault
) -> None:
    slack.refuse("chat.postMessage", rate_limited(told))
    with pytest.raises(ChannelError) as caught:
        channel(slack, vault).send(notice(), None)
    assert (caught.value.retryable, caught.value.after) == (True, after)


# Trouble that somebody must mend


@pytest.mark.parametrize(
    ("error", "fix"),
    [
        ("token_revoked", "install the app to the workspace again"),
        ("account_inactive", "install the app to the workspace again"),
        ("channel_not_found", "/invite @bot"),
        ("is_archived", "unarchive it"),
        ("not_in_channel", "/invite @bot"),
        ("missing_scope", "OAuth & Permissions"),
        ("restricted_action", "administrator"),
        ("some_new_error", "some_new_error"),
    ],
)
def test_trouble_that_stays_is_told_with_its_fix_and_not_tried_again(
    error: str, fix: str, slack: SlackServer, vault: Vault
) -> None:
    slack.refuse("chat.postMessage", refusal(error))
    with pytest.raises(ChannelError, match=fix) as caught:
        channel(slack, vault).send(notice(), None)
    assert not caught.value.retryable
    assert TOKEN not in str(caught.value)


def test_a_scope_that_is_missing_is_named(slack: SlackServer, vault: Vault) -> None:
    slack.refuse("chat.postMessage", refusal("missing_scope", needed="chat:write"))
    with pytest.raises(ChannelError, match=r"missing_scope \(chat:write; the app lacks"):
        channel(slack, vault).send(notice(), None)


def test_a_rotated_token_is_fetched_and_used_at_once(slack: SlackServer, vault: Vault) -> None:
    told = channel(slack, vault)
    opened(told)
    slack.tokens = {"xoxb-rotated"}
    vault.now += timedelta(minutes=1)
    vault.content["token"] = "xoxb-rotated"
    assert told.send(notice(NoticeKind.REMINDER, 1), None) is not None


def test_a_token_that_stays_bad_is_tried_once(slack: SlackServer, vault: Vault) -> None:
    slack.tokens = set()
    with pytest.raises(ChannelError, match="invalid_auth"):
        channel(slack, vault).send(notice(), None)
    assert len(slack.requests) == 1


def test_a_token_that_cannot_be_had_is_told_by_its_reference(slack: SlackServer) -> None:
    vault = Vault()
    told = channel(slack, vault)
    vault.content.clear()
    with pytest.raises(ChannelError, match="vault:token: it does not exist") as caught:
        told.send(notice(), None)
    assert not caught.value.retryable
