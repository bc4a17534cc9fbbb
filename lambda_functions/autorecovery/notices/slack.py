"""A notice as Slack blocks: one message that changes with the incident, and its thread."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from autorecovery.models.notice import Fact, Link, Notice, NoticeKind
from autorecovery.notices import limits
from autorecovery.notices.fitting import ELLIPSIS, clean, fit, fit_quietly, length
from autorecovery.notices.levels import coloured_shape
from autorecovery.notices.telling import (
    step_parts,
    untold_lines,
    where_the_whole_is,
)
from autorecovery.notices.text import look_further

Block = dict[str, Any]

TOLD_ONCE = (
    NoticeKind.MESSAGE,
    NoticeKind.DIGEST,
    NoticeKind.DEMOTED,
    NoticeKind.REJECTED,
)
"""Kinds that are one message, with all there is to say in it."""

TOLD_AT_ONCE = (*TOLD_ONCE, NoticeKind.ANALYSED, NoticeKind.STORM)
"""Kinds whose sentences are the message, and no details of it. A button acts on one incident, so
that none of them has any: of a storm it would acknowledge one of many.
"""

_SPECIAL = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "`": "\u02cb"}
"""What Slack reads as its own; a backtick would end a block of code, so it gets a look-alike."""

_PRESSED = ("autorecovery approve ", "autorecovery deny ", "autorecovery ack ")
"""Commands that have a button: where there are buttons, they need not be typed."""

ID_DIGITS = 16


@dataclass(frozen=True, slots=True)
class SlackMessage:
    """What `chat.postMessage` takes: blocks, and the text that a phone shows before they load."""

    text: str
    blocks: list[Block]


def head(notice: Notice, buttons: bool) -> SlackMessage:
    """Return the one message of a conversation: how it stands now, and what can be done."""
    blocks = [_header(notice), *_fields(notice.facts)]
    if notice.kind in TOLD_AT_ONCE:
        blocks += _section(_untold(notice))
    pressed = _buttons(notice) if buttons else []
    blocks += [*_steps(notice, _PRESSED if pressed else ()), *pressed]
    blocks.append(_foot(notice, notice.state))
    return _message(notice, "head", blocks, _headline(notice))


def reply(notice: Notice) -> SlackMessage:
    """Return the details for the thread: all sentences, the log lines, where to look further."""
    sentences = [_bold(notice.headline), *map(_sentence, notice.lines)]
    blocks = [*_section(sentences), *_log(notice.evidence)]
    if not stands_for_all(notice):
        blocks += _steps(notice)
    blocks += [*_links(notice), _foot(notice)]
    return _message(notice, "reply", blocks, _headline(notice))


def plain(notice: Notice) -> SlackMessage:
    """Return head and details in one, without buttons: all that an incoming webhook can do.

    The text tells everything too, for services that take such webhooks and know no blocks.
    """
    blocks = [_header(notice), *_fields(notice.facts), *_section(_untold(notice))]
    blocks += [
        *_log(notice.evidence),
        *_steps(notice),
        *_links(notice),
        _foot(notice, notice.state),
    ]
    said = [_headline(notice), *map(_sentence, notice.lines), *map(_sentence, notice.next_steps)]
    return _message(notice, "plain", blocks, _joined(said, limits.SLACK_TEXT))


def stands_for_all(notice: Notice) -> bool:
    """Return whether a notice says how its conversation stands: an analysis is only a reply."""
    return notice.kind is not NoticeKind.ANALYSED


def has_details(notice: Notice) -> bool:
    """Return whether a reply says more than the message does, or keeps what it said earlier."""
    return notice.kind not in TOLD_ONCE


def answered(text: str) -> Block:
    """Return what takes the place of the buttons once they were pressed."""
    return _context(f":heavy_check_mark: {_say(text, limits.SLACK_SMALL)}")


def without_buttons(blocks: Sequence[Block], text: str) -> list[Block]:
    """Return a message's blocks with what was answered where its buttons were."""
    return [answered(text) if block.get("type") == "actions" else block for block in blocks]


# The parts of a message


def _header(notice: Notice) -> Block:
    # Plain text: nothing in it is read as markup, so nothing in it needs escaping.
    shown = f"{coloured_shape(notice)} {fit(notice.headline, limits.SLACK_HEADER - 4)}"
    return {"type": "header", "text": {"type": "plain_text", "text": shown, "emoji": False}}


def _fields(facts: Sequence[Fact]) -> list[Block]:
    shown = [_field(fact) for fact in facts[: limits.SLACK_FACTS]]
    return [{"type": "section", "fields": shown}] if shown else []


def _field(fact: Fact) -> Block:
    name = _say(fact.name, limits.SLACK_FACT_NAME) or ELLIPSIS
    return _mrkdwn(f"*{name}*\n{_say(fact.value, limits.SLACK_FACT) or ELLIPSIS}")


def _steps(notice: Notice, without: tuple[str, ...] = ()) -> list[Block]:
    # "".startswith(()) is False: without exceptions all are shown.
    found = (step for step in notice.next_steps if not step_parts(step)[1].startswith(without))
    shown = [f"• {_step(step)}" for step in found]
    return _section(["*What you can do*", *shown], limits.SLACK_STEPS) if shown else []


def _step(step: str) -> str:
    words, command = step_parts(step)
    typed = f"`{_say(command, limits.SLACK_SMALL)}`"
    if not words:
        return typed
    said = _say(words, limits.SLACK_SMALL)
    return f"{said}\n    {typed}" if command else said


def _untold(notice: Notice) -> list[str]:
    return [_sentence(line) for line in untold_lines(notice, limits.SLACK_FACTS)]


def _sentence(line: str) -> str:
    return _say(line, limits.SLACK_FACT * 2)


def _bold(line: str) -> str:
    return f"*{_say(line.replace('*', ' '), limits.SLACK_SMALL)}*"


def _log(lines: Sequence[str]) -> list[Block]:
    """Return the log lines as code, in which nothing is read as markup, a link or a name."""
    if not lines:
        return []
    each = limits.SLACK_LOG // min(len(lines), limits.TEXT_EVIDENCE) - 1
    shown = "\n".join(_say(line, each) or " " for line in lines[: limits.TEXT_EVIDENCE])
    return [_text_section("*What was seen*"), _text_section(f"```{shown}```")]


def _links(notice: Notice) -> list[Block]:
    shown = [_link(Link(name, url)) for name, url in look_further(notice)]
    return [_context(" · ".join(shown))] if shown else []


def _link(link: Link) -> str:
    return f"<{_escape(link.url)}|{_say(link.name, limits.SLACK_FACT_NAME)}>"


def _foot(notice: Notice, state: str = "") -> Block:
    parts = [f"*{_say(state, limits.SLACK_FACT_NAME)}*"] if state.strip() else []
    parts.append(f"{notice.at:%Y-%m-%d %H:%M:%S} UTC")
    if whole := where_the_whole_is(notice):
        words, command = step_parts(whole)
        parts.append(f"{words}: `{_say(command, limits.SLACK_SMALL)}`")
    return _context(" · ".join(parts))


# Buttons


def _buttons(notice: Notice) -> list[Block]:
    if notice.is_end or notice.kind in TOLD_AT_ONCE or not notice.incident_id:
        return []
    attempt = notice.question.attempt if notice.question else ""
    value = json.dumps({"incident": notice.incident_id, "attempt": attempt})
    if len(value) > limits.SLACK_VALUE or clean(value) != value:
        return []  # what was pressed could not be told
    elements = [_button("Acknowledge", "acknowledge", value)]
    elements.append(_button("Silence 1 h", "silence", value))
    if notice.question:
        approve = _button(
            "Approve", "approve", value, style="primary", confirm=_are_you_sure(notice)
        )
        elements = [approve, _button("Deny", "deny", value, style="danger"), *elements]
    return [{"type": "actions", "elements": elements}]


def _button(label: str, action: str, value: str, **more: Any) -> Block:
    text = {"type": "plain_text", "text": label}
    return {"type": "button", "text": text, "action_id": action, "value": value, **more}


def _are_you_sure(notice: Notice) -> Block:
    """Return the question that a thumb at night has to answer before anything is run."""
    would = next((fact.value for fact in notice.facts if fact.name == "Would run"), "")
    text = f"{would} on {notice.target}" if would else notice.headline
    return {
        "title": _plain("Run it?", limits.SLACK_CONFIRM_TITLE),
        "text": _plain(text, limits.SLACK_CONFIRM),
        "confirm": _plain("Run it", limits.SLACK_CONFIRM_TITLE),
        "deny": _plain("Not yet", limits.SLACK_CONFIRM_TITLE),
    }


# Words and blocks


def _say(text: str, at_most: int) -> str:
    """Return the text, inert: it pages nobody, links nowhere and ends no block of code."""
    return fit_quietly(text, at_most, _escape)


def _escape(text: str) -> str:
    for special, inert in _SPECIAL.items():
        text = text.replace(special, inert)
    return text


def _headline(notice: Notice) -> str:
    return f"{coloured_shape(notice)} {_say(notice.headline, limits.SLACK_SMALL)}"


def _joined(lines: Iterable[str], at_most: int) -> str:
    """Return as many whole lines as fit, and say so where some do not."""
    kept, room = [], at_most - len(ELLIPSIS) - 1
    for line in lines:
        room -= length(line) + 1
        if room < 0:
            kept.append(ELLIPSIS)
            break
        kept.append(line)
    return "\n".join(kept)


def _section(lines: Sequence[str], at_most: int = limits.SLACK_LINES) -> list[Block]:
    return [_text_section(_joined(lines, at_most))] if any(lines) else []


def _text_section(text: str) -> Block:
    return {"type": "section", "text": _mrkdwn(text)}


def _context(text: str) -> Block:
    return {"type": "context", "elements": [_mrkdwn(text)]}


def _mrkdwn(text: str) -> Block:
    # Verbatim: what looks like an address or a name is not made one.
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def _plain(text: str, at_most: int) -> Block:
    return {"type": "plain_text", "text": fit(text, at_most) or ELLIPSIS}


def _message(notice: Notice, part: str, blocks: list[Block], text: str) -> SlackMessage:
    # Slack asks for new block ids with every update; a notice's id is new with every notice.
    seed = f"{part}\n{notice.id}".encode("utf-8", "replace")
    name = hashlib.sha256(seed).hexdigest()[:ID_DIGITS]
    named = [{**block, "block_id": f"{name}-{n}"} for n, block in enumerate(blocks)]
    return SlackMessage(text, named)
