"""Every state of an incident as people see it, for a person to look at.

    python -m tests.pictures        build/notices/index.html, and a picture of each page

Mails are the mails themselves. Slack and Telegram are previews of our own: they show what is said
and in which order, not how those programs draw it.
"""

import html
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from autorecovery.models.notice import Notice
from autorecovery.notices import mail, slack, telegram
from autorecovery.notices.text import body, subject_line
from tests.notice_states import NOTICES, WORDING
from tests.pictures.previews import page, slack_preview, telegram_preview, text_preview
from tests.report_states import BUSY, QUIET, REPORT

FOLDER = Path(__file__).resolve().parents[2] / "build" / "notices"
PHONE, DESK = 390, 680
AT_ONCE = 2
SECONDS = 60


@dataclass(frozen=True)
class Picture:
    """One page, photographed at one width."""

    page: str
    width: int
    height: int
    dark: bool = False

    @property
    def name(self) -> str:
        """Return the file's name, which tells width and darkness."""
        return f"{self.page}-{self.width}{'-dark' if self.dark else ''}.png"


def main() -> int:
    """Write all pages, photograph them, and return 1 where a picture is missing."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    pictures = [*_mails(), *_chats()]
    _write("index", _index(pictures))
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        print("NO PICTURES: no Chromium on the PATH; the pages are there", file=sys.stderr)
        return 0
    with ThreadPoolExecutor(AT_ONCE) as pool:
        missing = [p for p in pool.map(lambda each: _photograph(chromium, each), pictures) if p]
    print(f"{FOLDER / 'index.html'}: {len(pictures) - len(missing)} pictures")
    for name in missing:
        print(f"no picture: {name}", file=sys.stderr)
    return 1 if missing else 0


def _mails() -> Iterable[Picture]:
    """Write the mails, and yield how they are photographed."""
    large = {
        "mail-report": mail.of_report(REPORT, WORDING),
        "mail-digest": mail.of_digest(BUSY, WORDING),
        "mail-digest-quiet": mail.of_digest(QUIET, WORDING),
    }
    for name, written in large.items():
        _write(name, written.html)
        height = {"mail-report": 2200, "mail-digest": 1250}.get(name, 400)
        yield Picture(name, DESK, height)
        yield Picture(name, DESK, height, dark=True)
        yield Picture(name, PHONE, round(height * 1.3))
    for state, notice in NOTICES.items():
        _write(f"mail-{state}", mail.of_notice(notice, WORDING).html)
        yield Picture(f"mail-{state}", PHONE, 1150)


def _chats() -> Iterable[Picture]:
    for state, notice in NOTICES.items():
        _write(f"chat-{state}", _chat(state, notice))
        yield Picture(f"chat-{state}", PHONE, 2300)
    _write("chat-wide", _chat("handed_over_held", NOTICES["handed_over_held"]))
    yield Picture("chat-wide", DESK, 1500)


def _chat(state: str, notice: Notice) -> str:
    text = f"Subject: {subject_line(notice, WORDING)}\n\n{body(notice, WORDING)}"
    return page(
        state,
        ("Slack, the message", slack_preview(slack.head(notice, buttons=True))),
        ("Slack, in its thread", slack_preview(slack.reply(notice))),
        ("Telegram", telegram_preview(telegram.messages(notice))),
        ("E-mail by SNS", text_preview(text)),
    )


def _index(pictures: Iterable[Picture]) -> str:
    shown = "".join(
        f'<figure><a href="{each.page}.html"><img loading="lazy" width="{each.width // 2}"'
        f' src="{each.name}" alt=""></a><figcaption>{html.escape(each.name)}</figcaption></figure>'
        for each in pictures
    )
    style = "figure{display:inline-block;vertical-align:top;margin:8px;font:12px sans-serif}"
    return f"<!DOCTYPE html><meta charset=utf-8><title>Notices</title><style>{style}</style>{shown}"


def _write(name: str, text: str) -> None:
    (FOLDER / f"{name}.html").write_text(text, "utf-8")


def _photograph(chromium: str, picture: Picture) -> str:
    """Return nothing, or the name of a picture that could not be made."""
    target = FOLDER / picture.name
    target.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory() as profile:
        command = [
            chromium, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
            "--disable-background-networking", "--hide-scrollbars",
            f"--user-data-dir={profile}", f"--window-size={picture.width},{picture.height}",
            *(["--blink-settings=preferredColorScheme=0"] if picture.dark else []),
            f"--screenshot={target}", (FOLDER / f"{picture.page}.html").as_uri(),
        ]  # fmt: skip
        try:
            subprocess.run(command, capture_output=True, timeout=SECONDS, check=False)
        except subprocess.TimeoutExpired:
            return picture.name
    return "" if target.is_file() else picture.name


if __name__ == "__main__":
    sys.exit(main())
