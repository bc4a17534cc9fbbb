"""Telegram, webhooks and Apprise: what can be seen of them without writing to anybody."""

import importlib.util
from collections.abc import Iterator

from autorecovery.adapters.channels.apprise import INSTALL
from autorecovery.adapters.channels.posting import Posting
from autorecovery.adapters.channels.telegram import TelegramApi, refusal
from autorecovery.adapters.secrets import Secrets
from autorecovery.config.notify import AppriseService, TelegramBot, Webhook
from command_line.checkup.finding import Finding, unseen, well, wrong


def look_at_telegram(
    subject: str, bot: TelegramBot, secrets: Secrets, posting: Posting, url: str
) -> Iterator[Finding]:
    """Yield how the token and the chat stand."""
    api = TelegramApi(secrets.named(bot.token), posting, url)
    for method, arguments, good in (
        ("getMe", {}, "Telegram takes the token"),
        ("getChat", {"chat_id": bot.chat}, f"the bot sees the chat {bot.chat}"),
    ):
        answer = api.call(method, **arguments)
        if answer.status != 200 or answer.content.get("ok") is not True:
            raise refusal(answer)
        yield well(subject, good)


def look_at_webhook(
    subject: str, hook: Webhook, secrets: Secrets, posting: Posting
) -> Iterator[Finding]:
    """Yield whether its server answers; whether it would take a message shows only by one."""
    posting.reach(secrets.read(hook.url), "the webhook's server")
    yield unseen(
        subject, "its server answers; whether the webhook still stands only a message can show",
        "autorecovery notify test",
    )  # fmt: skip


def look_at_apprise(subject: str, service: AppriseService, secrets: Secrets) -> Iterator[Finding]:
    """Yield whether the package is there and the address can be had."""
    secrets.read(service.url)
    if importlib.util.find_spec("apprise") is None:
        yield wrong(subject, "the package apprise is not installed here", INSTALL)
        return
    yield unseen(
        subject, "the address can be had; whether its service takes it only a message can show",
        "autorecovery notify test",
    )  # fmt: skip
