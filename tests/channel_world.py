"""What channels are tried with: a clock, secrets that can be rotated, notices, tiny renderings."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from autorecovery.adapters.secrets import Secret, Secrets
from autorecovery.errors import SecretError
from autorecovery.models.notice import Notice, NoticeKind
from autorecovery.models.reason import Level

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
INCIDENT = "inc-20260301-120000-0badcafe"


@dataclass
class Vault:
    """Where the secrets of a test are kept."""

    content: dict[str, str] = field(default_factory=dict)
    now: datetime = NOW
    asked: list[str] = field(default_factory=list)

    def read(self, place: str) -> str:
        self.asked.append(place)
        if place not in self.content:
            raise SecretError(f"vault:{place}: it does not exist", retryable=False)
        return self.content[place]

    @property
    def secrets(self) -> Secrets:
        return Secrets({"vault": self.read}, lambda: self.now)

    def keep(self, value: str, place: str = "token") -> Secret:
        """Return a handle on a secret that says this."""
        self.content[place] = value
        return self.secrets.named(f"vault:{place}")


@dataclass(frozen=True)
class Rendered:
    """A message as small as can be."""

    text: str
    blocks: Sequence[dict[str, Any]] = ()


def notice(kind: NoticeKind = NoticeKind.OPENED, minutes: int = 0, **more: Any) -> Notice:
    """Return a notice about one incident, so many minutes after it began."""
    values: dict[str, Any] = {
        "id": f"{INCIDENT}-{kind}-{minutes}", "incident_id": INCIDENT, "kind": kind,
        "level": Level.CRITICAL, "headline": f"[CRITICAL] web-1: {kind}", "lines": ("A line.",),
        "at": NOW + timedelta(minutes=minutes), "conversation": INCIDENT,
    }  # fmt: skip
    return Notice(**{**values, **more})


def head(told: Notice, buttons: bool) -> Rendered:
    """Return a message with one section, and buttons where there may be some."""
    blocks: list[dict[str, Any]] = [section(told.headline)]
    if buttons:
        blocks.append({"type": "actions", "elements": [{"type": "button", "action_id": "deny"}]})
    return Rendered(told.headline, blocks)


def reply(told: Notice) -> Rendered:
    """Return the details."""
    text = " ".join(told.lines)
    return Rendered(text, [section(text)])


def section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def stands_for_all(told: Notice) -> bool:
    return told.kind is not NoticeKind.ANALYSED
