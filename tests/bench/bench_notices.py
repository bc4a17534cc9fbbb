"""Rendering one notice for one channel, against writing the same notice down as JSON.

The bound that people asked for is a millisecond a notice; what a busy machine does to that, it does
to the floor as well, so the ratio is what is judged, and the milliseconds are told.
"""

import json
import time
from collections.abc import Callable
from dataclasses import asdict

from autorecovery.models.notice import Notice
from autorecovery.notices import mail, slack, telegram
from autorecovery.notices.text import Wording, sns_message
from tests.bench.ratios import finish, median_ratio, report
from tests.notice_states import NOTICES

ROUNDS = 31
MILLISECONDS = 1.0
FLOOR_MICROSECONDS = 50
"""About what the floor takes on an idle machine; the bound is a millisecond in such units."""

BOUND = 1000 * MILLISECONDS / FLOOR_MICROSECONDS
WORDING = Wording(subject_prefix="[shop]")

CHANNELS: dict[str, Callable[[Notice], object]] = {
    "text": lambda notice: sns_message(notice, WORDING),
    "Slack, head and reply": lambda notice: (slack.head(notice, True), slack.reply(notice)),
    "Telegram": telegram.messages,
    "e-mail as HTML": lambda notice: mail.of_notice(notice, WORDING),
}


def seconds_for(render: Callable[[Notice], object]) -> Callable[[], float]:
    """Return a timer of rendering each state once, per notice."""
    notices = list(NOTICES.values())

    def run() -> float:
        started = time.perf_counter()
        for notice in notices:
            render(notice)
        return (time.perf_counter() - started) / len(notices)

    return run


def main() -> None:
    """Measure, print, and exit with 1 where a bound is missed."""
    holds = True
    floor = seconds_for(lambda notice: json.dumps(asdict(notice), default=str))
    for name, render in CHANNELS.items():
        render(next(iter(NOTICES.values())))  # templates are read once
        ratio, measured, least = median_ratio(seconds_for(render), floor, ROUNDS)
        within = "within" if measured * 1e3 <= MILLISECONDS else "MORE THAN"
        detail = (
            f"{measured * 1e3:.3f} ms a notice, {within} {MILLISECONDS:g} ms;"
            f" the floor {least * 1e3:.3f} ms"
        )
        holds &= report(f"a notice as {name}", ratio, BOUND, detail)
    finish(holds=holds)


if __name__ == "__main__":
    main()
