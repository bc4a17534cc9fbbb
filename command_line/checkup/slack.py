"""Is each Slack channel there, is the bot in it, and is somebody there to hear the buttons."""

from collections.abc import Iterator

from autorecovery.adapters.channels.slack_api import SlackApi, SlackRefusal
from autorecovery.adapters.secrets import Secrets
from autorecovery.config.notify import SlackBot
from command_line.checkup.finding import Finding, unseen, well, wrong

NEEDED = ("chat:write",)

WITHOUT_JOINING = "chat:write.public"

_NOT_THERE = "invite the bot in that channel: /invite @NAME"


def look(subject: str, bot: SlackBot, secrets: Secrets, url: str) -> Iterator[Finding]:
    """Yield how the token and the channel stand."""
    api = SlackApi(secrets.named(bot.token), url)
    scopes = api.scopes()
    if missing := [scope for scope in NEEDED if scopes and scope not in scopes]:
        yield wrong(
            subject, f"the app lacks the scope {', '.join(missing)}",
            "add it in OAuth & Permissions, and install the app again",
        )  # fmt: skip
        return
    yield well(subject, "Slack takes the token")
    yield _place(subject, bot, api, scopes)


def _place(subject: str, bot: SlackBot, api: SlackApi, scopes: frozenset[str]) -> Finding:
    try:
        told = api.call("conversations.info", channel=bot.channel).get("channel")
    except SlackRefusal as refusal:
        if refusal.code != "missing_scope":
            raise
        return unseen(
            subject, f"whether the bot is in {bot.channel} cannot be seen",
            "add the scope channels:read (groups:read for a private channel), or try:"
            " autorecovery notify test",
        )  # fmt: skip
    channel = told if isinstance(told, dict) else {}
    if channel.get("is_archived"):
        return wrong(subject, f"{bot.channel} is archived", "unarchive it, or choose another")
    if not channel.get("is_member") and WITHOUT_JOINING not in scopes:
        return wrong(subject, f"the bot is not in {bot.channel}", _NOT_THERE)
    return well(subject, f"the bot may write to {bot.channel}")


def look_at_buttons(
    subject: str, bot: SlackBot, secrets: Secrets, url: str, *, stack: bool, address: str
) -> Iterator[Finding]:
    """Yield whether somebody would hear a button: over HTTP on AWS, over a socket here."""
    if stack and bot.signing_secret:
        secrets.read(bot.signing_secret)
        yield _address(subject, address)
    elif not stack and bot.app_token:
        SlackApi(secrets.named(bot.app_token), url).call("apps.connections.open")
        yield well(subject, "Socket Mode takes the app token")


def _address(subject: str, address: str) -> Finding:
    if not address:
        return wrong(subject, "the stack has no address for Slack's buttons", "deploy it again")
    return unseen(
        subject, "whether Slack knows where buttons go cannot be seen",
        f"it must say {address} under Interactivity & Shortcuts",
    )  # fmt: skip
