"""Maintenance windows by the clocks of their zone, and limits as people write them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from autorecovery.config import Limits
from autorecovery.models.limits import MaintenanceWindow


def window(**content: Any) -> MaintenanceWindow:
    return MaintenanceWindow.model_validate({"name": "w", **content})


NIGHTLY = window(cron="0 2 * * *", lasting="1h", timezone="Europe/Berlin")


@pytest.mark.parametrize(
    ("now", "ends"),
    [
        ("2026-01-15T00:59:59", None),
        ("2026-01-15T01:00:00", "2026-01-15T02:00:00"),
        ("2026-01-15T01:59:59", "2026-01-15T02:00:00"),
        ("2026-01-15T02:00:00", None),
        ("2026-07-15T00:30:00", "2026-07-15T01:00:00"),  # summer time: an hour earlier in UTC
    ],
)
def test_a_recurring_window_follows_the_clocks_of_its_zone(now: str, ends: str | None) -> None:
    expected = datetime.fromisoformat(ends).replace(tzinfo=UTC) if ends else None
    assert NIGHTLY.ends(datetime.fromisoformat(now).replace(tzinfo=UTC)) == expected


def test_a_one_off_window_without_a_zone_is_meant_in_its_own() -> None:
    once = window(
        **{"from": "2026-01-15T02:00", "until": "2026-01-15T04:00"}, timezone="Asia/Tokyo"
    )
    start = datetime(2026, 1, 14, 17, tzinfo=UTC)
    assert once.ends(start - timedelta(seconds=1)) is None
    assert once.ends(start) == start + timedelta(hours=2)
    assert once.ends(start + timedelta(hours=2)) is None


@pytest.mark.parametrize(
    ("of", "rule", "target", "concerned"),
    [
        ({}, "cpu", "web-1", True),
        ({"rules": ["cpu"]}, "cpu", "web-1", True),
        ({"rules": ["disk"]}, "cpu", "web-1", False),
        ({"targets": ["web-1"], "rules": ["cpu"]}, "cpu", "web-1", True),
        ({"targets": ["web-2"]}, "cpu", "web-1", False),
    ],
)
def test_a_window_may_be_meant_for_some_only(
    of: dict[str, Any], rule: str, target: str, concerned: bool
) -> None:
    meant = window(cron="* * * * *", lasting="1m", **of)
    assert meant.concerns(rule, target) is concerned


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({}, "give cron and lasting, or from and a later until"),
        ({"cron": "* * * * *"}, "has cron and lasting"),
        ({"cron": "x", "lasting": "1h"}, "expected a cron expression"),
        ({"cron": "* * * * *", "lasting": "1h", "timezone": "Mars"}, "expected a time zone"),
        ({"from": "2026-01-02", "until": "2026-01-01"}, "a later until"),
    ],
)
def test_a_window_that_cannot_be_is_refused(content: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        window(**content)


def test_attempts_are_written_as_people_say_them() -> None:
    limits = Limits.model_validate({"attempts": "3 per 1h and 7 per 24h"})
    assert [(each.count, each.window.total_seconds()) for each in limits.attempts] == [
        (3, 3600), (7, 86400),
    ]  # fmt: skip
    assert Limits.model_validate({"attempts": ["2 per 5m"]}).attempts[0].count == 2
