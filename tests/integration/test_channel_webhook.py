"""An incoming webhook against servers that answer as Slack and Mattermost do."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from autorecovery.adapters.channels.posting import Posting
from autorecovery.adapters.channels.webhook import WebhookChannel
from autorecovery.errors import ChannelError
from autorecovery.models.notice import Notice, NoticeKind
from tests.channel_world import Rendered, Vault, notice, section
from tests.local_server import HTML, RESET, LocalServer, Reply, Request

SECRET = "/services/T0/B0/s3cr3t"


class Hook(LocalServer):
    """One webhook, whose address is the secret."""

    def answer(self, request: Request) -> Reply:
        """See LocalServer.answer."""
        known = request.path == SECRET
        return Reply("ok" if known else "no_service", 200 if known else 404)


@pytest.fixture
def hook() -> Iterator[Hook]:
    server = Hook()
    with server.running():
        yield server


def channel(hook: Hook, vault: Vault | None = None) -> WebhookChannel:
    vault = vault or Vault()
    return WebhookChannel(
        "hook", vault.keep(hook.address + SECRET), plain, Posting(timeout_seconds=0.3)
    )


def plain(told: Notice) -> Rendered:
    return Rendered(told.headline, [section(told.headline)])


def test_each_notice_is_a_message_of_its_own(hook: Hook) -> None:
    told = channel(hook)
    told.send(notice(), None)
    told.send(notice(NoticeKind.RECOVERED, 1), None)
    assert [r.content["text"] for r in hook.requests] == [
        "[CRITICAL] web-1: opened", "[CRITICAL] web-1: recovered",
    ]  # fmt: skip


def test_a_form_that_is_refused_is_said_as_plain_text(hook: Hook) -> None:
    hook.lay_out(Reply("invalid_blocks", 400))
    channel(hook).send(notice(), None)
    assert hook.requests[-1].content == {"text": "[CRITICAL] web-1: opened"}


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Reply("no_service", 404), "404 no_service .the webhook was removed"),
        (Reply("no_active_hooks", 404), "switched off"),
        (Reply("action_prohibited", 403), "administrator"),
        (Reply("channel_is_archived", 410), "unarchive it"),
        (Reply("channel_not_found", 404), "channel was deleted"),
        (
            Reply({"id": "web.incoming_webhook.invalid.app_error", "status_code": 400}, 404),
            "404 web.incoming_webhook.invalid.app_error .make a new webhook",
        ),
        (Reply("<html>gone</html>", 404), r"refused it: 404 \(make a new webhook"),
        (Reply("", 302, {"Location": "http://127.0.0.1:1/"}), "refused it: 302"),
    ],
)
def test_trouble_that_stays_is_told_with_its_fix(answer: Reply, words: str, hook: Hook) -> None:
    hook.lay_out(answer)
    with pytest.raises(ChannelError, match=words) as caught:
        channel(hook).send(notice(), None)
    assert not caught.value.retryable
    assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize(
    ("answer", "after"),
    [
        (Reply("rate_limited", 429, {"Retry-After": "9"}), 9.0),
        (Reply("rate_limited", 429), None),
        (Reply("rollup_error", 500), None),
        (HTML, None),
        (RESET, None),
        (Reply("ok", after_seconds=0.5), None),
    ],
)
def test_trouble_that_passes_is_worth_another_try(
    answer: Reply, after: float | None, hook: Hook
) -> None:
    hook.lay_out(answer)
    with pytest.raises(ChannelError) as caught:
        channel(hook).send(notice(), None)
    assert (caught.value.retryable, caught.value.after) == (True, after)
    assert "s3cr3t" not in str(caught.value)


def test_no_error_carries_the_address_along(hook: Hook) -> None:
    hook.lay_out(RESET)
    with pytest.raises(ChannelError) as caught:
        channel(hook).send(notice(), None)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_a_new_address_is_fetched_where_the_old_one_is_gone(hook: Hook) -> None:
    vault = Vault()
    told = channel(hook, vault)
    vault.content["token"] = hook.address + "/services/old"
    with pytest.raises(ChannelError):
        told.send(notice(), None)
    vault.now += timedelta(minutes=1)
    vault.content["token"] = hook.address + SECRET
    told.send(notice(), None)
    assert hook.requests[-1].path == SECRET


def test_an_address_that_is_none_is_told(hook: Hook) -> None:
    vault = Vault()
    told = channel(hook, vault)
    vault.content["token"] = "xoxb-a-token-by-mistake"
    with pytest.raises(ChannelError) as caught:
        told.send(notice(), None)
    assert not caught.value.retryable
    assert "xoxb" not in str(caught.value)
