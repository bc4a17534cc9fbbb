"""What the analyst without a model says, and what its evidence is made of."""

from dataclasses import replace
from datetime import timedelta
from math import nan
from typing import Any

import pytest

from autorecovery.analysis.dossier import LONGEST_PIECE, Draft, assemble
from autorecovery.analysis.lines import quote
from autorecovery.analysis.measured import course_of, limits_of, tell_course, tell_series
from autorecovery.analysis.redact import Redactor
from autorecovery.config import Configuration
from autorecovery.models.analysis import Analysis, Cause, Recovered
from autorecovery.models.incident import (
    Attempt,
    CommandState,
    CommandStatus,
    Entry,
    EntryKind,
    Incident,
    Judgement,
)
from autorecovery.models.reason import IncidentState, Level, Reason, Verdict
from autorecovery.models.signal import TYPED, MetricOrigin
from autorecovery.notices.clauses import what_is_wrong
from autorecovery.ports import Datapoint, LogLine
from tests.analysis_world import AnalysisWorld, Sources, explained, series
from tests.response_world import (
    INSTANCE,
    METRIC,
    RELIEVE,
    RESTART,
    START,
    cpu_line,
    incident,
    measured_by_alarm,
    rule,
    signal,
)

MINUTE = timedelta(minutes=1)
CALM = [31.0, 30, 33, 31, 32]


def text_of(analysis: Analysis, kind: str) -> str:
    return "\n".join(piece.text for piece in analysis.evidence if piece.kind == kind)


def kinds_of(cause: Cause, analysis: Analysis) -> list[str]:
    """Return what kinds of evidence a cause cites."""
    return [piece.kind for piece in analysis.evidence if piece.id in cause.evidence_ids]


def looked_into(world: AnalysisWorld) -> Analysis:
    world.investigate()
    return world.analyses()[-1]


# The metric


def course(*values: float, of: Incident | None = None) -> str:
    found = course_of(series(values, START), of or measured_by_alarm(rule(RESTART)))
    return tell_course(found, "CPUUtilization") if found else "nothing"


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ((*CALM, 45, 70, 97, 97), "rose from 32 % to 97 % within 2m; newest 97 % at 12:00:30"),
        ((*CALM, 97, 40), "rose from 31 % to 97 % within 1m; newest 40 % at 12:00:30"),
        ((97, 98), "was 98 % at 12:00:30; newest 98 % at 12:00:30"),
        ((*CALM,), "was 33 % at 11:58:30; newest 32 % at 12:00:30"),
        ((20, 20, 20), "was 20 % at 11:58:30; newest 20 % at 12:00:30"),
    ],
)
def test_a_metric_is_told_from_where_to_where_and_how_fast(
    values: tuple[float, ...], told: str
) -> None:
    assert course(*values) == f"CPUUtilization {told}"


def test_a_metric_that_falls_is_told_as_falling() -> None:
    below = rule(when={"metric": "orders", "direction": "below", "warning": 5, "critical": 1})
    of = measured_by_alarm(below)
    assert course(50, 51, 52, 0, of=of).startswith("CPUUtilization fell from 51 % to 0 %")
    assert limits_of(of).startswith("warning at or below 5, critical at or below 1")


@pytest.mark.parametrize("falls_below", [True, False])
def test_the_limit_of_a_foreign_alarm_counts_where_no_rule_does(falls_below: bool) -> None:
    foreign = incident(None, signal(METRIC, threshold=50.0, falls_below=falls_below))
    worst = 10 if falls_below else 90
    assert course(48 + 4 * falls_below, worst, of=foreign).startswith("CPUUtilization")
    direction = "below" if falls_below else "above"
    assert limits_of(foreign) == f"the alarm's limit: at or {direction} 50"


def test_without_a_limit_or_a_datapoint_there_is_no_course() -> None:
    assert course(1, 2, of=incident(None, signal(METRIC))) == "nothing"
    assert course() == "nothing"
    assert limits_of(incident(None, signal(METRIC))) == ""


def test_a_sustained_limit_says_so() -> None:
    of = rule(when={"metric": "cpu_usage_active", "critical": 95, "sustained": "3 within 5m"})
    assert limits_of(incident(of)).endswith("sustained 3 times within 5m")


def test_a_long_series_is_told_in_few_numbers_and_keeps_its_peak() -> None:
    values = [30.0] * 100
    values[57] = 99
    told = tell_series(series(values, START), measured_by_alarm(rule(RESTART)))
    assert told.startswith("100 datapoints, each the highest of 5 datapoints (UTC): ")
    assert told.count(",") == 20
    assert " 99" in told


def test_a_metric_is_evidence_and_what_is_no_number_is_counted() -> None:
    sources = Sources()
    world = AnalysisWorld(measured_by_alarm(rule(RESTART)), sources=sources)
    at = world.opened.breached_at
    sources.points = [*series([*CALM, 60, 97], at), Datapoint(at, nan)]
    analysis = looked_into(world)
    assert "rose from 31.5 % to 97 %" in analysis.summary
    assert "1 more were no finite numbers" in text_of(analysis, "metric")
    (cause,) = analysis.likely_causes
    assert "something happened then" in cause.text
    assert kinds_of(cause, analysis) == ["metric"]


def test_what_grows_slowly_is_told_as_growth() -> None:
    sources = Sources()
    world = AnalysisWorld(measured_by_alarm(rule(RESTART)), sources=sources)
    sources.points = series([30] * 10 + list(range(31, 97, 3)), world.opened.breached_at)
    (cause,) = looked_into(world).likely_causes
    assert "a leak or a growing load" in cause.text


def test_measurements_in_a_log_are_a_metric_too() -> None:
    sources = Sources()
    world = AnalysisWorld(sources=sources)
    at = world.opened.breached_at
    sources.written = [LogLine(at - i * MINUTE, cpu_line(97 - 9 * i)) for i in range(5, -1, -1)]
    foreign = cpu_line(1).replace(INSTANCE.name, "i-0ffffffffffffffff")
    sources.written.append(LogLine(at, foreign))
    assert "6 datapoints" in text_of(looked_into(world), "metric")


# The log


def test_lines_of_one_shape_are_one_quotation_and_trouble_comes_first() -> None:
    lines = [LogLine(START - i * timedelta(seconds=1), f"GET /{i} 200") for i in range(50)]
    lines += [LogLine(START - 2 * MINUTE, "worker 7 failed"), LogLine(START, "  ")]
    quotes = quote(lines, START, at_most=2)
    assert [(each.text, each.times) for each in quotes] == [
        ("worker 7 failed", 1),
        ("GET /0 200", 50),
    ]


def test_the_log_of_a_machine_is_looked_for_where_its_metric_is_not_of_a_log() -> None:
    sources = Sources()
    world = AnalysisWorld(measured_by_alarm(rule(RESTART)), sources=sources)
    world.configuration = Configuration.model_validate(
        {"sources": {"logs": [{"group": "/shop/metrics"}, {"group": "/shop/app"}]}}
    )
    at = world.opened.breached_at
    sources.written = [LogLine(at, "No space left on device"), LogLine(at - 20 * MINUTE, "old")]
    analysis = looked_into(world)
    assert "2 log lines around it: the disk is full" in analysis.summary
    assert "old" not in text_of(analysis, "log")
    assert analysis.next_steps[1].text.startswith("See what fills the disk")


def test_the_line_that_tripped_it_stands_in_for_a_log_that_is_gone() -> None:
    world = AnalysisWorld(
        replace(incident(rule()), evidence=("oom-killer ran",)), sources=Sources()
    )
    analysis = looked_into(world)
    assert text_of(analysis, "log") == "the line that tripped it: oom-killer ran"
    (cause,) = analysis.likely_causes
    assert cause.text == "The log tells that memory ran out."
    assert kinds_of(cause, analysis) == ["log"]


# What was done


def attempt(of: Incident, number: int = 1, **more: Any) -> Attempt:
    values: dict[str, Any] = {
        "token": f"{of.id}-r{number}", "incident_id": of.id, "rule_name": of.rule_name,
        "target": of.target, "script": "restart_service", "parameters": {"service": "nginx"},
        "intended_at": of.opened_at, "not_after": of.opened_at + MINUTE, "time_limit": MINUTE,
    }  # fmt: skip
    return Attempt(**{**values, **more})


def judged(verdict: Verdict, at: Any = START + MINUTE) -> Judgement:
    return Judgement(verdict, at, "3 datapoints, 20")


ENDED = CommandStatus(
    CommandState.FAILED, "exit status 137", "restarting …", 137, START + timedelta(seconds=9)
)


@pytest.mark.parametrize(
    ("status", "verdict", "recovered"),
    [
        (CommandStatus(CommandState.SUCCEEDED, exit_code=0), Verdict.VERIFIED, Recovered.YES),
        (ENDED, Verdict.NOT_RECOVERED, Recovered.NO),
        (CommandStatus(CommandState.SUCCEEDED), Verdict.INCONCLUSIVE, Recovered.UNCLEAR),
        (CommandStatus(CommandState.RUNNING), None, Recovered.UNCLEAR),
        (CommandStatus(CommandState.UNKNOWN), Verdict.VERIFIED, Recovered.UNCLEAR),
        (CommandStatus(CommandState.NOT_RUN), None, Recovered.NOT_RUN),
    ],
)
def test_whether_it_worked_is_what_fresh_data_said(
    status: CommandStatus, verdict: Verdict | None, recovered: Recovered
) -> None:
    world = AnalysisWorld(sources=Sources())
    ran = attempt(world.opened)
    world.world.attempts.intend(ran)
    judgement = judged(verdict) if verdict else None
    world.world.attempts.complete(replace(ran, status=status, judgement=judgement))
    assert looked_into(world).did_recovery_work is recovered


def test_what_came_back_was_not_cured() -> None:
    world = AnalysisWorld(sources=Sources())
    ran = attempt(world.opened, judgement=judged(Verdict.VERIFIED))
    world.world.attempts.intend(ran)
    world.world.attempts.complete(
        replace(ran, status=CommandStatus(CommandState.SUCCEEDED, exit_code=0))
    )
    entry = Entry("relapsed 1", START, EntryKind.VERIFIED, "sick again")
    world.world.incidents.record(world.opened.id, entry)
    assert looked_into(world).did_recovery_work is Recovered.NO


def test_a_script_that_was_killed_is_told_with_its_code_and_the_end_of_its_output() -> None:
    world = AnalysisWorld(sources=Sources())
    ran = attempt(world.opened)
    world.world.attempts.intend(ran)
    world.world.attempts.complete(
        replace(ran, status=ENDED, judgement=judged(Verdict.NOT_RECOVERED))
    )
    analysis = looked_into(world)
    told = text_of(analysis, "attempt")
    assert "script restart_service (service=nginx) begun" in told
    assert "exit code 137 (it was killed (signal 9)" in told
    assert "End of its output: restarting …" in told
    assert "not recovered on fresh data" in text_of(analysis, "verification")
    (cause,) = analysis.likely_causes
    assert "was itself killed" in cause.text
    assert kinds_of(cause, analysis) == ["attempt"]
    assert any("exit code 137" in each for each in analysis.not_known)


def test_what_may_have_run_is_not_known() -> None:
    world = AnalysisWorld(sources=Sources())
    ran = attempt(world.opened, parameters={})
    world.world.attempts.intend(ran)
    world.world.attempts.complete(replace(ran, status=CommandStatus(CommandState.UNKNOWN)))
    assert "Whether restart_service ran at all." in looked_into(world).not_known


def test_gates_that_held_are_evidence_with_what_a_person_can_do() -> None:
    world = AnalysisWorld(sources=Sources())
    gates = {"halt": "everything is halted; by ops: deploying", "opt-in": "open; "}
    for number, reason in enumerate((Reason.COOLING_DOWN, Reason.ALL_GATES_OPEN, Reason.HALTED)):
        text = f"hold restart_service: {reason}"
        world.world.incidents.record(
            world.opened.id,
            Entry(f"decided {number}", START, EntryKind.DECIDED, text, {"gates": gates}),
        )
    analysis = looked_into(world)
    assert "nothing was run (everything is halted)" in analysis.summary
    held = text_of(analysis, "gates")
    assert "Held: halt: everything is halted; by ops: deploying." in held
    assert "cooling down" not in held
    assert "autorecovery resume" in [step.command for step in analysis.next_steps]


def test_a_question_that_waits_is_the_first_thing_to_do() -> None:
    world = AnalysisWorld(sources=Sources())
    world.world.incidents.move(world.opened.id, IncidentState.ASKING)
    assert looked_into(world).next_steps[0].command == f"autorecovery approve {world.opened.id}"


def test_what_triage_foretold_is_why_nothing_was_run() -> None:
    opened = replace(incident(rule()), held_for=Reason.NOT_OPTED_IN)
    analysis = looked_into(AnalysisWorld(opened, sources=Sources()))
    assert "nothing was run (the target has not opted in)" in analysis.summary


# The past


def with_past(world: AnalysisWorld, days_ago: int, *verdicts: Verdict, script: str) -> None:
    at = world.opened.opened_at - timedelta(days=days_ago)
    seen = replace(world.opened.signal, id=f"past {days_ago}", at=at)
    past = incident(world.opened.rule, seen)
    log = world.world.incidents
    log.close(world.opened.id, Reason.CLOSED_BY_PERSON, at)
    log.open(past)
    for number, verdict in enumerate(verdicts):
        ran = attempt(past, number, script=script, intended_at=at)
        world.world.attempts.intend(ran)
        done = CommandStatus(CommandState.SUCCEEDED, exit_code=0, ended_at=at)
        world.world.attempts.complete(
            replace(ran, status=done, judgement=judged(verdict, at + MINUTE))
        )
    log.close(past.id, Reason.RECOVERED, at + 5 * MINUTE)


def test_what_helped_before_is_the_next_step_and_what_returns_is_named() -> None:
    opened = incident(rule(RESTART, RELIEVE))
    world = AnalysisWorld(opened, sources=Sources())
    for day in range(1, 4):
        with_past(world, day, Verdict.VERIFIED, script="relieve_memory")
    with_past(world, 4, Verdict.NOT_RECOVERED, script="relieve_memory")
    again = replace(opened.signal, id="again")
    world.opened = incident(opened.rule, again)
    world.world.incidents.open(world.opened)
    analysis = looked_into(world)
    (step, *_) = analysis.next_steps
    assert step.text == "relieve_memory was verified in 3 of 4 earlier attempts."
    assert step.command == f"autorecovery recover {world.opened.id}"
    history = text_of(analysis, "history")
    assert "relieve_memory helped, healthy on fresh data after the script ended after 5m" in history
    assert "relieve_memory did not help" in history
    assert "verified in 3 of 4 attempts" in text_of(analysis, "scorecard")
    (cause,) = analysis.likely_causes
    assert "the same trouble again: 5 earlier cases" in cause.text
    assert kinds_of(cause, analysis) == ["history"]


def test_a_cure_that_holds_only_for_a_while_is_told_as_such() -> None:
    opened = incident(rule(RESTART))
    world = AnalysisWorld(opened, sources=Sources())
    for day in range(1, 4):
        with_past(world, day, Verdict.VERIFIED, script="restart_service")
    world.opened = incident(opened.rule, replace(opened.signal, id="again"))
    world.world.incidents.open(world.opened)
    ran = attempt(world.opened)
    world.world.attempts.intend(ran)
    done = CommandStatus(CommandState.SUCCEEDED, exit_code=0, ended_at=START)
    world.world.attempts.complete(replace(ran, status=done, judgement=judged(Verdict.VERIFIED)))
    analysis = looked_into(world)
    assert any(step.text.startswith("The cure holds only") for step in analysis.next_steps)


def test_other_trouble_on_the_same_machine_may_be_the_same() -> None:
    world = AnalysisWorld(sources=Sources())
    other = incident(None, replace(world.opened.signal, id="other"), rule_name="disk")
    world.world.incidents.open(replace(other, id="inc-other", level=Level.WARNING))
    analysis = looked_into(world)
    assert text_of(analysis, "neighbours").endswith("on this target: disk (warning)")
    (cause,) = analysis.likely_causes
    assert "1 other incident on the same machine" in cause.text
    assert kinds_of(cause, analysis) == ["neighbours"]


def test_changes_of_state_are_evidence() -> None:
    world = AnalysisWorld(sources=Sources())
    said = Entry("ack", START, EntryKind.ACKNOWLEDGED, "acknowledged by ann")
    world.world.incidents.record(world.opened.id, said)
    assert text_of(looked_into(world), "changes").endswith("12:00:30 acknowledged by ann")


def test_what_nothing_is_known_of_is_said_to_be_unknown() -> None:
    typed = incident(None, signal(TYPED, value=None, name="Health", state="unwell"))
    analysis = looked_into(AnalysisWorld(typed, sources=Sources()))
    assert what_is_wrong(typed) in analysis.summary
    assert len(analysis.not_known) == 3
    assert analysis.likely_causes == ()


# The dossier


def test_every_cause_of_the_rules_cites_evidence_that_exists() -> None:
    analysis = explained("Out of memory", "connection refused", "deadlock found", "segfault at 0")
    known = {piece.id for piece in analysis.evidence}
    assert len(analysis.likely_causes) == 4
    for cause in analysis.likely_causes:
        assert cause.evidence_ids
        assert set(cause.evidence_ids) <= known


def test_a_dossier_keeps_the_first_and_says_what_it_left_out() -> None:
    drafts = [Draft("limits", "a" * 300), Draft("log", "b" * 300), Draft("gates", "c" * 80)]
    dossier = assemble("inc-1", drafts, ["its log could not be read: x"], 100, Redactor())
    assert [(p.id, p.kind) for p in dossier.pieces] == [("E1", "limits"), ("E2", "gates")]
    assert dossier.gaps == (
        "its log could not be read: x", "left out for want of room: 1 of log",
    )  # fmt: skip
    assert dossier.ids("gates", "log") == ("E2",)


def test_a_secret_is_taken_out_before_a_piece_is_cut() -> None:
    padding = "x " * (LONGEST_PIECE // 2 - 4)
    text = f"{padding}password=hunter2hunter2"
    (piece,) = assemble("inc-1", [Draft("log", text)], (), 8000, Redactor()).pieces
    assert "hunter" not in piece.text
    assert len(piece.text) <= LONGEST_PIECE


def test_a_megabyte_of_line_is_a_short_quotation() -> None:
    analysis = explained("ERROR " + "A1b/" * 250_000)
    assert max(len(piece.text) for piece in analysis.evidence) <= LONGEST_PIECE


def test_the_origin_of_a_metric_gives_its_name() -> None:
    origin = MetricOrigin("AWS/EC2", "NetworkIn", (("InstanceId", INSTANCE.name),))
    sources = Sources()
    world = AnalysisWorld(incident(None, signal(origin, threshold=5.0)), sources=sources)
    sources.points = series([1, 1, 9], world.opened.breached_at)
    assert looked_into(world).summary.startswith("NetworkIn rose from 1 to 9 within 1m")
