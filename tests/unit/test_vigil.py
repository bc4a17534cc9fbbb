"""How long to wait, and when people are reminded."""

from datetime import timedelta

import pytest

from autorecovery.models.rule import Verification
from autorecovery.response.reminders import next_reminder, reminders_due
from autorecovery.response.verify import pause_between_looks
from autorecovery.response.vigil import pause_after

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
WAITS = (15 * MINUTE, HOUR, 4 * HOUR, DAY)


@pytest.mark.parametrize(
    ("waited", "pause"),
    [
        (0 * SECOND, 5 * SECOND),
        (20 * SECOND, 5 * SECOND),
        (MINUTE, 15 * SECOND),
        (4 * HOUR, HOUR),
        (4 * DAY, DAY),
        (300 * DAY, DAY),
    ],
)
def test_looks_get_rarer_with_the_time_waited(waited: timedelta, pause: timedelta) -> None:
    assert pause_after(waited) == pause


@pytest.mark.parametrize(
    ("sent", "due"),
    [
        (0, 15 * MINUTE),
        (1, 75 * MINUTE),
        (2, 5 * HOUR + 15 * MINUTE),
        (3, 29 * HOUR + 15 * MINUTE),
        (4, 53 * HOUR + 15 * MINUTE),
        (9, 29 * HOUR + 15 * MINUTE + 6 * DAY),
    ],
)
def test_the_last_wait_between_reminders_repeats(sent: int, due: timedelta) -> None:
    assert next_reminder(WAITS, sent) == due
    assert reminders_due(WAITS, due - SECOND) == sent
    assert reminders_due(WAITS, due) == sent + 1


def test_a_wait_of_nothing_does_not_remind_for_ever() -> None:
    assert reminders_due((timedelta(),), MINUTE) == 1 + 12
    assert next_reminder((timedelta(),), 13) > MINUTE


@pytest.mark.parametrize(
    ("within", "healthy_for", "pause"),
    [
        (3 * MINUTE, 40 * SECOND, 20 * SECOND),
        (3 * MINUTE, 0.5 * SECOND, 3 * SECOND),
        (10 * SECOND, SECOND, SECOND),
        (10 * MINUTE, 5 * MINUTE, 30 * SECOND),
        (DAY, MINUTE, 24 * MINUTE),
    ],
)
def test_verification_looks_often_enough_and_never_too_often(
    within: timedelta, healthy_for: timedelta, pause: timedelta
) -> None:
    assert pause_between_looks(Verification(within=within, healthy_for=healthy_for)) == pause
