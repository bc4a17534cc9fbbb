"""`scorecards` and `promote`: how well scripts serve their rules, and who may run by itself."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

from autorecovery import people
from autorecovery.models.canary import CANARY
from autorecovery.models.controls import Demotion
from autorecovery.models.durations import write_duration
from autorecovery.models.scorecard import Scorecard
from autorecovery.models.scorecard import scorecards as cards_of
from command_line.controls import who
from command_line.exit_codes import ExitCode
from command_line.failures import Failure
from command_line.output import print_json, print_lines, print_table
from command_line.stores import SEARCHED, attempt_log, controls, incident_log, people_of

HEADS = (
    "script", "rule", "verified", "95 %", "p50", "p90", "again in 24h", "unclear",
    "healed untouched", "runs",
)  # fmt: skip

Row = tuple[Scorecard, Demotion | None]


def show(
    stack: str | None, variables: Mapping[str, str], *, within: timedelta, as_json: bool
) -> None:
    """Print one line for each script that was run under each rule, of so long a time."""
    rows = list(_cards(stack, variables, within))
    if as_json:
        print_json({"scorecards": [_as_json(card, demotion) for card, demotion in rows]})
        return
    if not rows:
        print_lines(f"nothing was run within the last {write_duration(within)}")
        return
    print_table([_row(card, demotion) for card, demotion in rows], HEADS)


def promote(
    script: str, rule: str, stack: str | None, variables: Mapping[str, str], *, as_json: bool
) -> None:
    """Let a demoted script be run by itself again; exit code 5 where it is not demoted."""
    answer = people.promote(script, rule, who(), people_of(stack, variables))
    if not answer.changed:
        raise Failure(ExitCode.PROBLEMS_FOUND, answer.text)
    if as_json:
        print_json({"changed": answer.changed, "text": answer.text})
    else:
        print_lines(answer.text)


def _cards(stack: str | None, variables: Mapping[str, str], within: timedelta) -> Iterator[Row]:
    incidents, attempts = incident_log(stack, variables), attempt_log(stack, variables)
    words, now = controls(stack, variables), datetime.now(UTC)
    since = now - within
    rules = {incident.rule_name for incident in incidents.recent(SEARCHED)} - {CANARY}
    for rule in sorted(rules):
        cases = incidents.cases(rule, since, SEARCHED)
        for card in cards_of(rule, attempts.of_rule(rule, since), cases, now):
            yield card, words.demotion(card.script, rule)


def _row(card: Scorecard, demotion: Demotion | None) -> tuple[str, ...]:
    return (
        card.script,
        card.rule_name[:40],
        f"{card.verified} of {card.attempts}",
        f"{100 * card.low:.0f}-{100 * card.high:.0f} %" if card.attempts else "-",
        write_duration(card.recovery_p50) if card.recovery_p50 is not None else "-",
        write_duration(card.recovery_p90) if card.recovery_p90 is not None else "-",
        str(card.relapsed),
        str(card.unclear),
        f"{card.self_healed} of {card.held}",
        "asks: demoted" if demotion else "as its rule says",
    )


def _as_json(card: Scorecard, demotion: Demotion | None) -> dict[str, Any]:
    seconds = {
        name: span.total_seconds() if span is not None else None
        for name, span in (("p50", card.recovery_p50), ("p90", card.recovery_p90))
    }
    content = asdict(card)
    del content["recovery_p50"], content["recovery_p90"]
    return {
        **content,
        "rate": card.rate,
        "self_heal_rate": card.self_heal_rate,
        "recovery_seconds": seconds,
        "demoted_at": demotion.at.isoformat() if demotion else None,
    }
