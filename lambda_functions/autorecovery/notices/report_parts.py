"""What a report of one incident consists of, for its template and as text."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

from autorecovery.models.analysis import Analysis, Step
from autorecovery.models.delivery import Outcome, Record
from autorecovery.models.incident import Attempt
from autorecovery.models.notice import Fact
from autorecovery.models.report import Report
from autorecovery.notices import chart, clauses, facts, findings
from autorecovery.notices.fitting import fit
from autorecovery.notices.levels import CELLS
from autorecovery.notices.links import links
from autorecovery.notices.sizes import SIZES, Size

T = TypeVar("T")

CLOCK = "%H:%M:%S"

NAME, LABEL = 80, 20
"""Characters of a name beside the chart, and of a limit's name in it."""

CAUSES = 5
CITED = 10

IN_TEXT = SIZES[1]


def report_parts(report: Report, size: Size) -> dict[str, Any]:
    """Return what the template of a report asks for, in this size."""
    incident = report.incident
    story, story_left = _newest(report.story, size.story, "entries")
    seen, seen_left = _first(incident.evidence, size.lines, "lines")
    told, told_left = _newest(report.notices, size.rows, "notices")
    return {
        "facts": [
            {"name": fact.name, "value": fit(fact.value, size.text)} for fact in _facts(report)
        ],
        "chart": _drawn(report),
        "attempts": [_attempt(attempt, size) for attempt in report.attempts[: size.rows]],
        "analysis": _analysis(report.analysis, size) if report.analysis else None,
        "story": [(f"{entry.at:{CLOCK}}", fit(entry.text, size.text)) for entry in story],
        "story_left": story_left,
        "evidence": [fit(line, size.text) for line in seen],
        "evidence_left": seen_left,
        "notices": [_told(record, size) for record in told],
        "notices_left": told_left,
        "links": [(link.name, link.url) for link in links(incident)],
    }


def _facts(report: Report) -> list[Fact]:
    incident = report.incident
    opened = Fact("Opened", f"{incident.opened_at:%Y-%m-%d %H:%M:%S} UTC")
    about = facts.was_seen if report.is_over else facts.seen
    return [*about(incident), opened, Fact("Level", incident.level)]


def _newest(found: Sequence[T], at_most: int, what: str) -> tuple[Sequence[T], str]:
    """Return the last so many, and how many earlier ones are left out."""
    left = len(found) - at_most
    return found[-at_most:], f"{left} earlier {what} are left out here." if left > 0 else ""


def _first(found: Sequence[T], at_most: int, what: str) -> tuple[Sequence[T], str]:
    left = len(found) - at_most
    return found[:at_most], f"{left} more {what} are left out here." if left > 0 else ""


def _attempt(attempt: Attempt, size: Size) -> tuple[str, str, str]:
    judged = attempt.judgement
    said = f"{judged.verdict}: {judged.proof}" if judged else "not verified"
    at = f"{attempt.intended_at:{CLOCK}}"
    return at, fit(clauses.done(attempt), size.text), fit(said, size.text)


def _told(record: Record, size: Size) -> tuple[str, str, str]:
    notice = record.notice
    return f"{notice.at:{CLOCK}}", fit(notice.headline, size.text), fit(_through(record), size.text)


def _through(record: Record) -> str:
    if record.suppressed:
        return f"nobody: {record.suppressed}"
    through = (
        each.via if each.outcome is Outcome.DELIVERED else f"{each.via} ({each.outcome})"
        for each in record.deliveries
    )
    return ", ".join(through) or "nobody yet"


def _analysis(analysis: Analysis, size: Size) -> dict[str, Any]:
    lines = [findings.not_known_in_words(analysis)] if analysis.not_known else []
    lines.append(f"{findings.who_says_so(analysis)}.")
    return {
        "summary": fit(analysis.summary, size.text * 2),
        "causes": [
            (fit(each.text, size.text), each.confidence, fit(", ".join(each.evidence_ids), 60))
            for each in analysis.likely_causes[:CAUSES]
        ],
        "worked": findings.recovery_in_words(analysis),
        "lines": [fit(line, size.text) for line in lines],
        "evidence": [fit(text, size.text) for text in findings.cited(analysis)[:CITED]],
        "steps": [
            tuple(fit(part, size.text) for part in _step(step))
            for step in analysis.next_steps[:CAUSES]
        ],
    }


def _step(step: Step) -> tuple[str, str]:
    return findings.step_in_words(replace(step, command="")), step.command


def _chart(report: Report, columns: int) -> chart.Chart | None:
    return chart.draw(
        fit(report.what, NAME),
        report.samples,
        [replace(limit, name=fit(limit.name, LABEL)) for limit in report.limits],
        [replace(moment, name=fit(moment.name, NAME)) for moment in report.moments],
        falls_below=report.falls_below,
        columns=columns,
    )


def _drawn(report: Report) -> dict[str, Any] | None:
    """Return the chart as the template writes it down."""
    drawn = _chart(report, chart.COLUMNS)
    if drawn is None:
        return None
    return {
        "what": drawn.what,
        "words": chart.in_words(drawn),
        "columns": len(drawn.columns),
        "rows": [_row(row, len(drawn.columns)) for row in chart.rows(drawn)],
        "marks": chart.mark_runs(drawn),
        "since": f"{drawn.since:%H:%M} UTC",
        "until": f"{drawn.until:%H:%M} UTC",
        "legend": " · ".join(chart.legend(drawn)),
    }


def _row(row: chart.Row, columns: int) -> dict[str, Any]:
    if row.limit:
        line = {"span": columns, "colour": CELLS.get(f"{row.limit.name} line", CELLS["info line"])}
        return {"height": 2, "label": row.label, "runs": [line]}
    runs = [{"span": run.span, "colour": CELLS.get(run.look, CELLS["healthy"])} for run in row.runs]
    return {"height": 7, "label": row.label, "runs": runs}


# As text


def report_text(report: Report) -> list[str]:
    """Return the report's paragraphs as text."""
    lines = [f"{fact.name}: {fit(fact.value, IN_TEXT.text)}" for fact in _facts(report)]
    if drawn := _chart(report, chart.TEXT_COLUMNS):
        lines += ["", *chart.as_text(drawn)]
    size = IN_TEXT
    parts = report_parts(report, size)
    if parts["attempts"]:
        lines += ["", "What was run:"]
        lines += [f"  {at}  {what}; {said}" for at, what, said in parts["attempts"]]
    if report.analysis:
        lines += ["", "What probably happened:", *_analysis_text(report.analysis, size)]
    lines += ["", "What happened:", *(f"  {at}  {what}" for at, what in parts["story"])]
    if parts["evidence"]:
        lines += ["", "What was seen:", *(f"  {line}" for line in parts["evidence"])]
    if parts["notices"]:
        lines += ["", "Who was told:"]
        lines += [f"  {at}  {what} (through {via})" for at, what, via in parts["notices"]]
    left = (parts["story_left"], parts["evidence_left"], parts["notices_left"])
    return [*lines, *("", *filter(None, left))] if any(left) else lines


def _analysis_text(analysis: Analysis, size: Size) -> list[str]:
    said = findings.in_words(analysis)
    steps = [findings.step_in_words(step) for step in analysis.next_steps[:CAUSES]]
    todo = ["", "What to do next:", *steps] if steps else []
    return [f"  {fit(line, size.text)}" if line[-1:] != ":" else line for line in (*said, *todo)]
