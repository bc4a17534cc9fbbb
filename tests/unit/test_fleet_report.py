"""An operator's report of the present state."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from autorecovery.analysis.fleet import report
from autorecovery.errors import StoreError
from autorecovery.models.analysis import RULE_BASED, Analysis, Recovered
from autorecovery.models.canary import CANARY
from autorecovery.models.incident import (
    Attempt,
    CommandState,
    CommandStatus,
    Entry,
    EntryKind,
    Incident,
    Judgement,
)
from autorecovery.models.reason import Level, Reason, Verdict
from autorecovery.models.signal import Target
from tests.analysis_world import MODEL, AnalysisWorld, AnsweringModel
from tests.response_world import RESTART, START, incident, rule, signal

HOUR = timedelta(hours=1)


class Yard:
    """Many incidents; the clock stands a little after START."""

    def __init__(self, **more: Any) -> None:
        self.world = AnalysisWorld(**more)
        self.log = self.world.world.incidents
        self.log.close(self.world.opened.id, Reason.ECHO, START)
        self.number = 0

    def add(
        self,
        name: str,
        hours_ago: float = 1,
        ended: Reason | None = None,
        *verdicts: Verdict | None,
        rule_name: str = "cpu",
        level: Level = Level.CRITICAL,
    ) -> Incident:
        self.number += 1
        at = START - hours_ago * HOUR
        seen = signal(target=Target.named(name), at=at, id=f"event {self.number}")
        of = rule(RESTART, name=rule_name) if rule_name != CANARY else rule(RESTART)
        made = replace(
            incident(of, seen, level=level), rule_name=rule_name, id=f"inc-{self.number}"
        )
        self.log.open(made)
        for number, verdict in enumerate(verdicts):
            self.ran(made, number, verdict)
        if ended:
            self.log.close(made.id, ended, at + HOUR / 2)
        return made

    def ran(self, of: Incident, number: int, verdict: Verdict | None) -> None:
        attempt = Attempt(
            f"{of.id}-r{number}", of.id, of.rule_name, of.target, "restart_service", {},
            of.opened_at, of.opened_at + HOUR, HOUR,
        )  # fmt: skip
        attempts = self.world.world.attempts
        attempts.intend(attempt)
        judgement = Judgement(verdict, of.opened_at, "proof") if verdict else None
        done = CommandStatus(CommandState.SUCCEEDED, ended_at=of.opened_at)
        attempts.complete(replace(attempt, status=done, judgement=judgement))

    def report(self, target: str | None = None) -> Analysis:
        return report(target, self.world.analyst)


def texts(analysis: Analysis, kind: str) -> list[str]:
    return [piece.text for piece in analysis.evidence if piece.kind == kind]


def test_a_fleet_that_is_well_is_said_to_be_well() -> None:
    analysis = Yard().report()
    assert analysis.by == RULE_BASED
    assert analysis.summary.startswith("0 incidents open, 0 of them critical; within a day 0")
    assert (analysis.likely_causes, analysis.next_steps) == ((), ())
    assert analysis.did_recovery_work is Recovered.NOT_RUN


def test_open_incidents_are_told_worst_first_with_what_holds_them() -> None:
    yard = Yard()
    yard.add("web-1", 5, level=Level.WARNING)
    worst = yard.add("web-2", 2)
    entry = Entry("decided 1", START, EntryKind.DECIDED, f"hold restart_service: {Reason.HALTED}")
    yard.log.record(worst.id, entry)
    analysis = yard.report()
    first, second = texts(analysis, "open")
    assert first.startswith(f"{worst.id}: web-2: ")
    assert first.endswith("held: everything is halted")
    assert "web-1" in second
    assert "2 incidents open, 1 of them critical; the worst: web-2" in analysis.summary
    commands = [step.command for step in analysis.next_steps]
    assert commands == [
        f"autorecovery explain {worst.id}", "autorecovery explain inc-1", "autorecovery resume",
    ]  # fmt: skip


def test_very_many_open_incidents_are_counted() -> None:
    yard = Yard()
    for number in range(14):
        yard.add(f"web-{number}", 1 + number)
    analysis = yard.report()
    assert texts(analysis, "open")[-1] == "and 4 more open incidents: 4 critical"
    (cause,) = analysis.likely_causes
    assert cause.text.startswith("14 open incidents of rule cpu: perhaps one cause")


def test_what_recovered_today_and_what_returns_is_told() -> None:
    yard = Yard()
    for number in range(3):
        yard.add("web-1", 3 + number, Reason.RECOVERED, Verdict.VERIFIED)
    yard.add("web-2", 3, Reason.HEALTHY_BY_ITSELF)
    yard.add("web-3", 100, Reason.RECOVERED)
    analysis = yard.report()
    assert "within a day 3 recovered by a script and 1 by themselves" in analysis.summary
    assert "most often host/web-1 with cpu, 3 times in 7 days" in analysis.summary
    assert texts(analysis, "offender") == ["host/web-1 broke rule cpu 3 times within 7 days"]
    (cause,) = analysis.likely_causes
    assert "recovery does not cure it" in cause.text
    (id,) = cause.evidence_ids
    assert next(p for p in analysis.evidence if p.id == id).kind == "offender"
    assert analysis.did_recovery_work is Recovered.YES


def test_a_script_that_stopped_helping_is_named() -> None:
    yard = Yard()
    yard.add("web-1", 50, Reason.RECOVERED, Verdict.VERIFIED)
    yard.add("web-2", 20, Reason.CLOSED_BY_PERSON, Verdict.NOT_RECOVERED)
    yard.add("web-3", 10, Reason.CLOSED_BY_PERSON, Verdict.NOT_RECOVERED)
    analysis = yard.report()
    assert texts(analysis, "scorecard") == [
        "restart_service under cpu in 30 days: verified in 1 of 3 attempts, 0 unclear;"
        " its last 2 attempts did not help"
    ]
    assert any("has stopped helping under cpu" in cause.text for cause in analysis.likely_causes)
    assert "autorecovery scorecards" in [step.command for step in analysis.next_steps]
    assert analysis.did_recovery_work is Recovered.NO


def test_what_is_unclear_is_not_known() -> None:
    yard = Yard()
    yard.add("web-1", 2, Reason.CLOSED_BY_PERSON, Verdict.INCONCLUSIVE, None)
    analysis = yard.report()
    assert analysis.did_recovery_work is Recovered.UNCLEAR
    assert "Whether a recovery helped: 2 attempts of 30 days." in analysis.not_known


@pytest.mark.parametrize("name", ["web-1", "host/web-1"])
def test_one_target_can_be_asked_about(name: str) -> None:
    yard = Yard()
    yard.add("web-1", 2, None, Verdict.NOT_RECOVERED)
    yard.add("web-2", 2, None, Verdict.VERIFIED)
    analysis = yard.report(name)
    assert analysis.subject == f"target {name}"
    assert len(texts(analysis, "open")) == 1
    assert "verified in 0 of 1 attempts" in texts(analysis, "scorecard")[0]


def test_canaries_and_echoes_are_left_out() -> None:
    yard = Yard()
    yard.add("canary", 2, rule_name=CANARY)
    yard.add("web-1", 2, Reason.ECHO)
    assert yard.report().evidence == ()


def test_a_model_reports_in_the_same_form_and_nothing_is_recorded_or_told() -> None:
    yard = Yard(model=AnsweringModel())
    yard.add("web-1", 2)
    analysis = yard.report()
    assert (analysis.by, analysis.cost_usd > 0) == (MODEL, True)
    assert yard.world.world.board.posted == []
    assert list(yard.log.timeline("inc-1")) == []


def test_a_store_that_fails_is_a_gap() -> None:
    yard = Yard()
    yard.add("web-1", 2)

    class Broken:
        def of_rule(self, rule_name: str, since: object) -> None:
            raise StoreError("gone", retryable=True)

    broken: Any = Broken()
    analysis = report(None, replace(yard.world.analyst, attempts=broken))
    assert "cpu could not be read: gone" in analysis.not_known
