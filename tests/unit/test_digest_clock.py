"""When a digest is due on one machine, and that one which fails stops no other."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from autorecovery.adapters.simulated.clock import VirtualClock
from autorecovery.config import ChannelSettings
from autorecovery.config.notify import MailReport
from autorecovery.errors import ConfigurationError
from local_runtime.digest_clock import DigestClock, next_digest

WEDNESDAY = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)


def mail(**more: Any) -> ChannelSettings:
    content = {"from": "robot@example.com", "to": ["ops@example.com"], **more}
    return ChannelSettings.model_validate({"ses": content})


def report(**more: Any) -> MailReport:
    found = mail(**more).ses
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("settings", "due"),
    [
        ({"digest": "daily"}, datetime(2026, 3, 5, 7, 0, tzinfo=UTC)),
        ({"digest": "daily", "digest_at": "12:30"}, datetime(2026, 3, 4, 12, 30, tzinfo=UTC)),
        ({"digest": "weekly"}, datetime(2026, 3, 9, 7, 0, tzinfo=UTC)),
    ],
)
def test_a_digest_is_due_each_day_or_each_monday(settings: dict[str, str], due: datetime) -> None:
    assert next_digest(report(**settings), WEDNESDAY) == due


@pytest.mark.parametrize("error", [ConfigurationError("no such sender"), RuntimeError("a bug")])
def test_each_channel_gets_its_digest_once_when_it_is_due(error: Exception) -> None:
    clock, sent = VirtualClock(WEDNESDAY), list[tuple[str, str]]()

    def send(channel: str, period: str) -> None:
        sent.append((channel, period))
        if channel == "broken":
            raise error

    channels = {
        "broken": mail(digest="daily"), "mail": mail(digest="daily"), "none": mail(),
        "weekly": mail(digest="weekly"),
    }  # fmt: skip
    digests = DigestClock(channels, send, clock)
    try:
        digests.look()
        assert sent == []
        for _ in range(2):
            clock.advance(WEDNESDAY + DAY)
            digests.look()
        assert sent == [("broken", "daily"), ("mail", "daily")]
        clock.advance(WEDNESDAY + 5 * DAY)  # days that were missed are not made up for
        digests.look()
        assert sent[2:] == [("broken", "daily"), ("mail", "daily"), ("weekly", "weekly")]
    finally:
        digests.close()


def test_where_no_digest_is_configured_nothing_runs() -> None:
    DigestClock({"none": mail()}, lambda channel, period: None, VirtualClock(WEDNESDAY)).close()
