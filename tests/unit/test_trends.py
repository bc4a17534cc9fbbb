"""Where measurements are heading: slopes that wild days do not bend, and what nobody can say."""

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from autorecovery.analysis.trends import MONTH, WEEK, TooShort, approaching, limits_of, trend
from autorecovery.config import loads
from autorecovery.models.digest import Trend

BEGAN = datetime(2026, 3, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)


def hourly(days: int, value: Callable[[float], float]) -> list[tuple[datetime, float]]:
    return [(BEGAN + number * HOUR, value(number / 24)) for number in range(24 * days)]


def found(days: int, value: Callable[[float], float], span: timedelta = WEEK) -> Trend:
    result = trend("web-1", "disk_used_percent", hourly(days, value), 95, span)
    assert isinstance(result, Trend)
    return result


def test_a_disk_that_fills_by_two_percent_a_day_is_full_when_it_is_full() -> None:
    rising = found(7, lambda day: 60 + 2 * day)
    assert rising.change_per_day == pytest.approx(2)
    assert rising.days_left == pytest.approx((95 - rising.value) / 2)


def test_nights_and_one_wild_day_are_no_trend() -> None:
    def busy(day: float) -> float:
        return (90 if int(day) == 6 else 30) + (20 if day % 1 > 0.4 else 0)

    assert found(7, busy).days_left is None
    assert found(7, busy).change_per_day == pytest.approx(0)


def test_noise_names_no_day() -> None:
    named = 0
    for seed in range(200):
        chance = random.Random(seed)
        named += found(7, lambda day: chance.gauss(60, 5)).days_left is not None  # noqa: B023
    assert named <= 10  # of daily medians of pure noise, a rare week does point one way


@pytest.mark.parametrize(("days", "span"), [(4, WEEK), (14, MONTH)])
def test_too_few_days_are_said_to_be_too_few(days: int, span: timedelta) -> None:
    result = trend("web-1", "mem_used_percent", hourly(days, lambda day: day), 95, span)
    assert isinstance(result, TooShort)
    assert str(result) == (
        f"mem_used_percent of web-1: {days} days of data, {result.needed} are needed"
    )


def test_what_falls_or_crawls_reaches_nothing() -> None:
    assert found(7, lambda day: 90 - day).days_left is None
    assert found(7, lambda day: 50 + 0.1 * day).days_left is None  # in a year: who knows


def test_what_is_beyond_its_limit_has_no_days_left() -> None:
    assert found(30, lambda day: 96 + day / 10, MONTH).days_left == 0


def test_the_nearest_end_is_told_first() -> None:
    slow, fast = found(7, lambda day: 60 + 2 * day), found(7, lambda day: 70 + 3 * day)
    short = TooShort("web-2", "cpu", 1, 5)
    still = found(7, lambda day: 50)
    assert approaching([slow, short, still, fast]) == (fast, slow)


def test_limits_are_those_of_rules_that_look_upward() -> None:
    text = """
    rules:
      disk: { when: { metric: disk_used_percent, warning: 85, critical: 95 } }
      free: { when: { metric: free_percent, direction: below, critical: 5 } }
      mem: { when: { metric: mem_used_percent, warning: 80 } }
    """
    assert limits_of(loads(text, "test", {}).configuration) == {
        "disk_used_percent": 95, "mem_used_percent": 80,
    }  # fmt: skip
