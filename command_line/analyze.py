"""`analyze`: an operator's report of the present state; and how an analysis looks on a terminal."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from autorecovery.analysis.fleet import report
from autorecovery.analysis.stage import Reporter
from autorecovery.config import Configuration
from autorecovery.models.analysis import Analysis, Recovered
from command_line.configuration import resolve
from command_line.output import print_json, print_lines
from command_line.stores import attempt_log, incident_log, spending
from local_runtime.analyst import model_of


def show(
    target: str | None,
    stack: str | None,
    variables: Mapping[str, str],
    config: Path,
    *,
    as_json: bool,
) -> None:
    """Print the report, of the whole fleet or of one target."""
    analysis = report(target, _reporter(stack, variables, config))
    if as_json:
        print_json({"analysis": as_json_value(analysis)})
    else:
        print_lines(f"As of {analysis.at:%Y-%m-%d %H:%M:%S} UTC, {analysis.subject}", "")
        print_lines(*lines_of(analysis))


def _reporter(stack: str | None, variables: Mapping[str, str], config: Path) -> Reporter:
    """Return who reports; the configuration counts where there is one, and says who may be asked.

    What a model costs here is counted with what it costs there.
    """
    known = resolve(config, variables).configuration if config.exists() else Configuration()
    return Reporter(
        configuration=known,
        incidents=incident_log(stack, variables),
        attempts=attempt_log(stack, variables),
        spending=spending(stack, variables),
        clock=lambda: datetime.now(UTC),
        model=model_of(known.analysis),
    )


def as_json_value(analysis: Analysis) -> dict[str, Any]:
    """Return the analysis as JSON has it."""
    return {**asdict(analysis), "at": analysis.at.isoformat()}


def lines_of(analysis: Analysis) -> Iterator[str]:
    """Yield the analysis as lines for people: every claim, and then what it rests on."""
    yield analysis.summary
    if analysis.did_recovery_work is not Recovered.NOT_RUN:
        yield f"Did the recovery work: {analysis.did_recovery_work}."
    if analysis.likely_causes:
        yield from ("", "Likely causes:")
    for cause in analysis.likely_causes:
        yield f"  - {cause.text} ({cause.confidence}; {', '.join(cause.evidence_ids)})"
    yield from _steps(analysis)
    if analysis.not_known:
        yield from ("", "Not known:", *(f"  - {each}" for each in analysis.not_known))
    if analysis.evidence:
        yield from ("", "Evidence:", *(f"  {p.id} {p.kind}: {p.text}" for p in analysis.evidence))
    yield from ("", _by_whom(analysis))


def _steps(analysis: Analysis) -> Iterator[str]:
    if analysis.next_steps:
        yield from ("", "Next steps (nothing of this is run by itself):")
    for step in analysis.next_steps:
        yield f"  - {step.text} (risk: {step.risk})"
        if step.command:
            yield f"      {step.command}"


def _by_whom(analysis: Analysis) -> str:
    """Return who said it, why not somebody else, and what that cost."""
    why = f" ({analysis.why_not_model})" if analysis.why_not_model else ""
    tokens = f"{analysis.input_tokens} tokens read, {analysis.output_tokens} written"
    cost = f"; {tokens}, {analysis.cost_usd:.4f} USD" if analysis.cost_usd else ""
    dropped = f"; {analysis.dropped} claims without evidence left out" if analysis.dropped else ""
    return f"By {analysis.by}{why}{cost}{dropped}."
