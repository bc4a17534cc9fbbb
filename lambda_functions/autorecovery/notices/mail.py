"""Mails as HTML and text: a notice, a report of one incident, a digest. Never longer than is shown.

The templates escape whatever stands in them; nothing in a mail is loaded from anywhere.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader

from autorecovery.models.digest import Digest
from autorecovery.models.notice import Notice
from autorecovery.models.reason import Level
from autorecovery.models.report import Report
from autorecovery.notices import limits
from autorecovery.notices.digest_parts import digest_parts, digest_text, digest_title
from autorecovery.notices.fitting import fit, one_line
from autorecovery.notices.levels import SHAPES, ink
from autorecovery.notices.report_parts import report_parts, report_text
from autorecovery.notices.sizes import SIZES, Size
from autorecovery.notices.telling import step_parts, untold_lines, where_the_whole_is
from autorecovery.notices.text import Wording, body, look_further, what_to_do


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail, in both its forms."""

    subject: str
    text: str
    html: str


def of_notice(notice: Notice, wording: Wording) -> Mail:
    """Return a notice as a mail."""
    whole = where_the_whole_is(notice)
    page = {
        **_page(notice.level, wording, over=notice.is_end),
        # The banner has the level already.
        "title": fit(notice.headline.removeprefix(f"[{notice.level.upper()}] "), limits.TEXT_LINE),
        "state": fit(notice.state, limits.TEXT_FACT_NAME),
        "whole": _cut_step(whole) if whole else None,
        "when": f"{notice.at:%Y-%m-%d %H:%M:%S} UTC",
        "steps": [step_parts(step) for step in what_to_do(notice)],
        "links": look_further(notice),
    }
    html = _shortest("notice.html.j2", page, lambda size: _notice_parts(notice, size))
    return Mail(_subject(wording, notice.headline), body(notice, wording), html)


def of_report(report: Report, wording: Wording) -> Mail:
    """Return the report of one incident: story, chart, what was run, analysis, who was told."""
    incident = report.incident
    level = Level.INFO if report.is_over else incident.level
    title = f"[{level.upper()}] {report.headline}"
    command = f"autorecovery explain {fit(incident.id, limits.TEXT_NAME)}"
    page = {
        **_page(level, wording, over=report.is_over),
        "title": fit(report.headline, limits.TEXT_LINE),
        "state": "report",
        "whole": ("The whole story", command),
        "when": f"{report.at:%Y-%m-%d %H:%M:%S} UTC",
    }
    html = _shortest("report.html.j2", page, lambda size: report_parts(report, size))
    lines = [f"{SHAPES[level]} {fit(title, limits.TEXT_LINE)}", *report_text(report)]
    lines += ["", f"The whole story: {command}", page["when"]]
    return Mail(_subject(wording, title), _text(wording, lines), html)


def of_digest(digest: Digest, wording: Wording) -> Mail:
    """Return the digest of a day or a week."""
    title = digest_title(digest)
    page = {
        **_page(Level.INFO, wording, over=digest.is_quiet),
        "banner": "Digest",
        "title": title,
        "state": "",
        "whole": ("All incidents", "autorecovery incidents list"),
        "when": f"{digest.until:%Y-%m-%d %H:%M} UTC",
    }
    html = _shortest("digest.html.j2", page, lambda size: digest_parts(digest, size))
    return Mail(_subject(wording, title), _text(wording, [title, "", *digest_text(digest)]), html)


def _page(level: Level, wording: Wording, *, over: bool) -> dict[str, Any]:
    return {
        "colour": ink(level, over=over),
        "banner": f"{SHAPES[level]} {level.upper()}",
        "before": fit(wording.message_prefix, limits.TEXT_LINE),
    }


def _notice_parts(notice: Notice, size: Size) -> dict[str, Any]:
    told = untold_lines(notice, limits.MAIL_FACTS)
    lines = [fit(line, size.text) for line in told[: limits.TEXT_LINES]]
    if len(told) > limits.TEXT_LINES:
        lines.append(f"… and {len(told) - limits.TEXT_LINES} lines more")
    facts = [
        {
            "name": fit(fact.name, limits.TEXT_FACT_NAME),
            "value": fit(fact.value, min(size.text, limits.TEXT_FACT)),
        }
        for fact in notice.facts[: limits.MAIL_FACTS]
    ]
    evidence = [fit(line, size.text) for line in notice.evidence[: size.lines]]
    return {"lines": lines, "facts": facts, "evidence": evidence}


def _shortest(template: str, page: dict[str, Any], parts: Callable[[Size], dict[str, Any]]) -> str:
    """Return the page with as much in it as a mail may be long; the last size always fits."""
    for html in _renderings(template, page, parts):
        if len(html.encode("utf-8", "replace")) < limits.MAIL_BYTES:
            break
    return html


def _renderings(
    template: str, page: dict[str, Any], parts: Callable[[Size], dict[str, Any]]
) -> Iterator[str]:
    for size in SIZES:
        yield _templates().get_template(template).render(**page, **parts(size))


@cache
def _templates() -> Environment:
    return Environment(
        loader=PackageLoader("autorecovery.notices"),
        autoescape=True,
        trim_blocks=True,
        auto_reload=False,
    )


def _cut_step(step: str) -> tuple[str, str]:
    words, command = step_parts(step)
    return fit(words, limits.TEXT_STEP), fit(command, limits.TEXT_NAME)


def _subject(wording: Wording, title: str) -> str:
    words = f"{wording.subject_prefix} {(wording.subject or '').strip() or title}"
    return fit(one_line(words[: 2 * limits.MAIL_SUBJECT]), limits.MAIL_SUBJECT) or "Notice"


def _text(wording: Wording, lines: list[str]) -> str:
    before = [fit(wording.message_prefix, limits.TEXT_LINE)] if wording.message_prefix else []
    return "\n".join((*before, *lines))
