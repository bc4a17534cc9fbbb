"""A notice as plain text: for e-mail through SNS, and for the console."""

import json
from dataclasses import dataclass

from autorecovery.config import Configuration
from autorecovery.models.notice import Notice, NoticeKind
from autorecovery.notices.compose import SHAPES

SNS_SUBJECT = 99
"""Characters: SNS wants a subject of fewer than 100, ASCII, one line, not empty."""

# SNS takes 256 KiB for all bodies together. A character takes up to 4 bytes in each of four bodies;
# with these bounds a notice of nothing but the widest characters stays below.
_LINES = 16
_LINE = 500
_EVIDENCE = 5


@dataclass(frozen=True, slots=True)
class Wording:
    """How this installation's notices begin."""

    subject: str | None = None
    """Instead of the headline."""
    subject_prefix: str = ""
    message_prefix: str = ""

    @classmethod
    def of(cls, configuration: Configuration) -> "Wording":
        """Return how this configuration wants its notices to begin."""
        notify = configuration.notify
        return cls(notify.subject, notify.subject_prefix, notify.message_prefix)


def subject_line(notice: Notice, wording: Wording) -> str:
    """Return a subject that SNS accepts, whatever the notice is about."""
    text = f"{wording.subject_prefix} {(wording.subject or '').strip() or notice.headline}"
    words = "".join(c if " " <= c <= "~" else "?" if c.isprintable() else " " for c in text).split()
    line = " ".join(words) or f"Incident {notice.level}"
    return line if len(line) <= SNS_SUBJECT else f"{line[: SNS_SUBJECT - 3].rstrip()}..."


def body(notice: Notice, wording: Wording) -> str:
    """Return the message for people."""
    lines = [f"{SHAPES[notice.level]} {_one_line(notice.headline)}"]
    if wording.message_prefix:
        lines.insert(0, _one_line(wording.message_prefix))
    lines += _told(notice)
    if notice.evidence:
        lines += ["", "What was seen:", *(f"  {line}" for line in _seen(notice))]
    lines.append("")
    if notice.incident_id:
        incident = _one_line(notice.incident_id)
        whose = "One of them" if notice.kind is NoticeKind.STORM else "The whole story"
        lines.append(f"{whose}: autorecovery explain {incident}")
    lines.append(f"{notice.at:%Y-%m-%d %H:%M:%S} UTC")
    return "\n".join(lines)


def structured(notice: Notice) -> str:
    """Return the notice as JSON, for programs that subscribe."""
    content = {
        "schema_version": 1,
        "id": _one_line(notice.id),
        "incident": _one_line(notice.incident_id),
        "kind": notice.kind,
        "level": notice.level,
        "headline": _one_line(notice.headline),
        "lines": _told(notice),
        "rule": _one_line(notice.rule_name),
        "target": _one_line(notice.target),
        "at": notice.at.isoformat(),
        "evidence": _seen(notice),
    }
    return json.dumps(content, ensure_ascii=False)


def sns_message(notice: Notice, wording: Wording) -> str:
    """Return the JSON document that SNS takes with `MessageStructure=json`."""
    text, data = body(notice, wording), structured(notice)
    bodies = {"default": text, "email": text, "lambda": data, "sqs": data}
    return json.dumps(bodies, ensure_ascii=False)


def _told(notice: Notice) -> list[str]:
    lines = [_one_line(line) for line in notice.lines[:_LINES]]
    if len(notice.lines) > _LINES:
        lines[-1] = f"… and {len(notice.lines) - _LINES + 1} lines more"
    return lines


def _seen(notice: Notice) -> list[str]:
    return [_one_line(line) for line in notice.evidence[:_EVIDENCE]]


def _one_line(text: str) -> str:
    """Return the beginning of a text, without line breaks, control codes and half surrogates."""
    return "".join(c if c.isprintable() else " " for c in text[:_LINE])
