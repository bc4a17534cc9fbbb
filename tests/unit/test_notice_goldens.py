"""Every state in every channel reads as agreed.

After a change that is meant: `UPDATE_GOLDEN=1 pytest tests/unit/test_notice_goldens.py`, then read
tests/golden/notices/* aloud, and look at the pictures of `make pictures-notices`.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from autorecovery.models.notice import Notice
from autorecovery.notices import mail, slack, telegram
from autorecovery.notices.text import body, subject_line
from tests.notice_states import NOTICES, WORDING
from tests.report_states import BUSY, QUIET, REPORT

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "notices"
UPDATE = os.environ.get("UPDATE_GOLDEN") == "1"  # noqa: TID251 - the switch named above


def as_text(notice: Notice) -> str:
    return f"Subject: {subject_line(notice, WORDING)}\n\n{body(notice, WORDING)}\n"


def as_slack(notice: Notice) -> str:
    shown = {"head": slack.head(notice, buttons=True), "reply": slack.reply(notice)}
    parts = {name: {"text": m.text, "blocks": m.blocks} for name, m in shown.items()}
    return json.dumps(parts, ensure_ascii=False, indent=1) + "\n"


def as_telegram(notice: Notice) -> str:
    return "\n\n".join(telegram.messages(notice)) + "\n"


def as_mail(notice: Notice) -> str:
    return mail.of_notice(notice, WORDING).html + "\n"


CHANNELS: dict[str, Callable[[Notice], str]] = {
    "txt": as_text,
    "slack.json": as_slack,
    "telegram.html": as_telegram,
    "mail.html": as_mail,
}


def compare(name: str, text: str) -> None:
    path = GOLDEN / name
    if UPDATE:
        GOLDEN.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    assert path.read_text("utf-8") == text


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("name", NOTICES)
def test_a_notice_reads_as_agreed_in_every_channel(name: str, channel: str) -> None:
    compare(f"{name}.{channel}", CHANNELS[channel](NOTICES[name]))


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("report", mail.of_report(REPORT, WORDING)),
        ("digest", mail.of_digest(BUSY, WORDING)),
        ("digest_quiet", mail.of_digest(QUIET, WORDING)),
    ],
)
def test_a_report_and_a_digest_read_as_agreed(name: str, written: mail.Mail) -> None:
    compare(f"{name}.mail.html", f"{written.html}\n")
    compare(f"{name}.mail.txt", f"Subject: {written.subject}\n\n{written.text}\n")


def test_every_agreed_file_belongs_to_a_notice_or_a_report() -> None:
    large = {"report", "digest", "digest_quiet"}
    wanted = {f"{name}.{channel}" for name in NOTICES for channel in CHANNELS}
    wanted |= {f"{name}.mail.{part}" for name in large for part in ("html", "txt")}
    assert {path.name for path in GOLDEN.iterdir()} == wanted
