"""`send`: what an event would do, without doing it."""

import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from autorecovery.dry_run import rehearse
from autorecovery.triage.run import triage
from command_line.configuration import resolve, scripts
from command_line.exit_codes import ExitCode
from command_line.failures import Failure
from command_line.output import print_json, print_lines


def send(event: Path, config: Path, variables: Mapping[str, str], *, as_json: bool) -> None:
    """Print what triage would make of an event, what would be told, and what would be run."""
    content = _read(event)
    configuration = resolve(config, variables).configuration
    told: list[str] = []
    app = rehearse(content, configuration, scripts(), lambda: datetime.now(UTC), told.append)
    outcome = triage(content, app)
    if as_json:
        rejections = [{"why": r.why, "excerpt": r.excerpt} for r in outcome.rejections]
        print_json({**outcome.as_dict(), "rejections": rejections, "would": told})
        return
    for text in told:
        print_lines(*text.split("\n"))
    for rejection in outcome.rejections:
        print_lines(f"rejected: {rejection.why}: {rejection.excerpt[:100]}")
    for incident in outcome.incidents:
        print_lines(
            f"{incident.action}: {incident.rule} on {incident.target}, {incident.level}:"
            f" {incident.reason}"
        )
    print_lines(
        f"the clock stood at {app.clock():%Y-%m-%d %H:%M:%S} UTC, the event's own time",
        f"{outcome.signals} signals, {outcome.rejected} rejected, {outcome.ignored} ignored,"
        f" {len(outcome.incidents)} incidents",
    )


def _read(event: Path) -> object:
    try:
        text = sys.stdin.read() if str(event) == "-" else event.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(ExitCode.ENVIRONMENT, f"{event} cannot be read: {error}") from error
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        message = f"{event}:{error.lineno}:{error.colno}: not JSON: {error.msg}"
        raise Failure(ExitCode.USAGE, message) from error
