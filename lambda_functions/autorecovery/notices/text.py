"""A notice as plain text: for e-mail through SNS, and for the console."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass

from autorecovery.config import Configuration
from autorecovery.models.notice import Fact, Notice
from autorecovery.notices import limits
from autorecovery.notices.fitting import fit
from autorecovery.notices.levels import SHAPES
from autorecovery.notices.telling import unsaid_facts, where_the_whole_is

SNS_SUBJECT = limits.SNS_SUBJECT
"""Characters: SNS wants a subject of fewer than 100, ASCII, one line, not empty."""

_ADDRESS = re.compile(r"https://[A-Za-z0-9./?=#:;,~!$&'()*+@%_-]+")


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
    lines = [f"{SHAPES[notice.level]} {_line(notice.headline)}"]
    if wording.message_prefix:
        lines.insert(0, _line(wording.message_prefix))
    lines += told(notice)
    lines += [f"{fact.name}: {fact.value}" for fact in _facts(unsaid_facts(notice))]
    lines += _paragraph("What was seen:", seen(notice))
    lines += _paragraph("What you can do:", what_to_do(notice))
    lines += _paragraph("Look further:", (f"{name}: {url}" for name, url in look_further(notice)))
    lines.append("")
    if whole := where_the_whole_is(notice):
        lines.append(_line(whole))
    lines.append(f"{notice.at:%Y-%m-%d %H:%M:%S} UTC")
    return "\n".join(lines)


def structured(notice: Notice) -> str:
    """Return the notice as JSON, for programs that subscribe."""
    content = {
        "schema_version": 1,
        "id": fit(notice.id, limits.TEXT_NAME),
        "incident": fit(notice.incident_id, limits.TEXT_NAME),
        "kind": notice.kind,
        "level": notice.level,
        "headline": _line(notice.headline),
        "lines": told(notice),
        "rule": fit(notice.rule_name, limits.TEXT_NAME),
        "target": fit(notice.target, limits.TEXT_NAME),
        "at": notice.at.isoformat(),
        "state": fit(notice.state, limits.TEXT_FACT_NAME),
        "producer": fit(notice.producer, limits.TEXT_FACT_NAME),
        "facts": [{"name": fact.name, "value": fact.value} for fact in _facts(notice.facts)],
        "evidence": seen(notice),
        "next_steps": what_to_do(notice),
        "links": [{"name": name, "url": url} for name, url in look_further(notice)],
    }
    return json.dumps(content, ensure_ascii=False)


def sns_message(notice: Notice, wording: Wording) -> str:
    """Return the JSON document that SNS takes with `MessageStructure=json`."""
    text, data = body(notice, wording), structured(notice)
    bodies = {"default": text, "email": text, "lambda": data, "sqs": data}
    return json.dumps(bodies, ensure_ascii=False)


def told(notice: Notice) -> list[str]:
    """Return the sentences, and how many more there are."""
    lines = [_line(line) for line in notice.lines[: limits.TEXT_LINES]]
    if len(notice.lines) > limits.TEXT_LINES:
        lines[-1] = f"… and {len(notice.lines) - limits.TEXT_LINES + 1} lines more"
    return lines


def seen(notice: Notice) -> list[str]:
    """Return the first log lines, each cut."""
    return [_line(line) for line in notice.evidence[: limits.TEXT_EVIDENCE]]


def what_to_do(notice: Notice) -> list[str]:
    """Return the next steps."""
    return [fit(step, limits.TEXT_STEP) for step in notice.next_steps[: limits.TEXT_STEPS]]


def look_further(notice: Notice) -> list[tuple[str, str]]:
    """Return names and addresses of links; what would have to be cut or escaped is left out."""
    return [
        (fit(link.name, limits.TEXT_FACT_NAME) or "Link", link.url)
        for link in notice.links[: limits.TEXT_LINKS]
        if len(link.url) <= limits.TEXT_LINK and _ADDRESS.fullmatch(link.url)
    ]


def _facts(facts: Iterable[Fact]) -> list[Fact]:
    return [
        Fact(fit(fact.name, limits.TEXT_FACT_NAME), fit(fact.value, limits.TEXT_FACT))
        for fact in list(facts)[: limits.TEXT_FACTS]
    ]


def _paragraph(title: str, lines: Iterable[str]) -> list[str]:
    indented = [f"  {line}" for line in lines]
    return ["", title, *indented] if indented else []


def _line(text: str) -> str:
    return fit(text, limits.TEXT_LINE)
