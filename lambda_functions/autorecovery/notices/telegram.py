"""A notice as Telegram messages in HTML, split where a message is full."""

import html
from collections.abc import Iterable, Iterator

from autorecovery.models.notice import Notice
from autorecovery.notices import limits
from autorecovery.notices.fitting import fit_quietly, length
from autorecovery.notices.levels import coloured_shape
from autorecovery.notices.telling import step_parts, unsaid_facts, where_the_whole_is
from autorecovery.notices.text import look_further

ROOM = limits.TELEGRAM_MESSAGE - limits.TELEGRAM_PART


def messages(notice: Notice) -> list[str]:
    """Return the messages, in order; each is whole HTML, for a line is never split."""
    full = list(_filled((*_lines(notice), *_end(notice))))
    if len(full) > limits.TELEGRAM_MESSAGES:
        rest = "\n".join(("… the rest is cut off here.", *_end(notice)))
        full = [*full[: limits.TELEGRAM_MESSAGES - 1], rest]
    if len(full) == 1:
        return full
    about = _say(notice.incident_id or notice.producer, limits.TELEGRAM_PART - 40)
    return [f"{text}\n<i>{n} of {len(full)}, {about}</i>" for n, text in enumerate(full, start=1)]


def _filled(lines: Iterable[str]) -> Iterator[str]:
    """Yield messages of as many lines as there is room for."""
    kept: list[str] = []
    room = ROOM
    for line in lines:
        if kept and length(line) + 1 > room:
            yield "\n".join(kept).strip("\n")
            kept, room = [], ROOM
        kept.append(line)
        room -= length(line) + 1
    yield "\n".join(kept).strip("\n")


def _lines(notice: Notice) -> Iterator[str]:
    """Yield the lines; tags never reach from one into the next."""
    yield f"{coloured_shape(notice)} <b>{_line(notice.headline)}</b>"
    yield from (_line(line) for line in notice.lines[: limits.TEXT_LINES])
    if len(notice.lines) > limits.TEXT_LINES:
        yield f"… and {len(notice.lines) - limits.TEXT_LINES} lines more"
    for fact in unsaid_facts(notice)[: limits.TEXT_FACTS]:
        yield f"{_line(fact.name)}: {_line(fact.value)}"
    if notice.evidence:
        yield "\n<b>What was seen</b>"
        seen = notice.evidence[: limits.TEXT_EVIDENCE]
        yield from (f"<code>{_line(line) or ' '}</code>" for line in seen)
    if notice.next_steps:
        yield "\n<b>What you can do</b>"
        yield from (_step(step) for step in notice.next_steps[: limits.TEXT_STEPS])


def _step(step: str) -> str:
    words, command = step_parts(step)
    typed = f"<code>{_line(command)}</code>"
    if not words:
        return f"• {typed}"
    return f"• {_line(words)}:\n{typed}" if command else f"• {_line(words)}"


def _end(notice: Notice) -> Iterator[str]:
    if links := look_further(notice):
        shown = (f'<a href="{html.escape(url)}">{_line(name)}</a>' for name, url in links)
        yield f"\n{' · '.join(shown)}"
    if whole := where_the_whole_is(notice):
        words, command = step_parts(whole)
        yield f"\n{words}:\n<code>{_line(command)}</code>"
    yield f"<i>{notice.at:%Y-%m-%d %H:%M:%S} UTC</i>"


def _line(text: str) -> str:
    return _say(text, limits.TELEGRAM_LINE)


def _say(text: str, at_most: int) -> str:
    """Return the text, inert: no tag, no mention that calls anybody."""
    return fit_quietly(text, at_most, html.escape)
