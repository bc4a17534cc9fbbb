"""The proof in a shorter form, and the proof that it can fail."""

import re
from dataclasses import replace

import pytest

from tests.prove.__main__ import main
from tests.prove.explore import explore, plan, play
from tests.prove.invariants import INVARIANTS
from tests.prove.kinds import KINDS, named, storm
from tests.prove.mutants import MUTANTS, Mutant, broken
from tests.prove.schedule import Schedule
from tests.prove.shrink import shrink

SHORT = 200
MOST = 120
"""Schedules in which every mutant must have been caught."""


def test_nothing_is_violated_in_a_shorter_form(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--schedules", str(SHORT), "--seed", "1"]) == 0, capsys.readouterr().out
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == f"{SHORT} schedules explored, 0 violations (seed 1)"
    counts = {
        kind: count for kind, count in re.findall(r"^([a-z-]+): (\d+)", "\n".join(lines), re.M)
    }
    assert set(counts) == set(KINDS)
    assert sum(map(int, counts.values())) == SHORT


@pytest.mark.parametrize("name", ["single:100", "storm:1:9", "power-cut:1:9", "dynamodb:1:0"])
def test_the_same_schedule_gives_the_same_trace(name: str) -> None:
    one, other = play(named(name), traced=True), play(named(name), traced=True)
    assert one == other
    assert one.trace


def test_what_the_dice_did_can_be_done_from_the_list() -> None:
    schedule = storm(6, 1)
    thrown = play(schedule)
    listed = replace(schedule, chance=0.0, disturbances=thrown.disturbances)
    assert thrown.disturbances
    assert play(listed).trace == thrown.trace


def test_the_results_do_not_depend_on_who_plays() -> None:
    numbers = {"storm": list(range(12))}
    together = [outcome for _, outcome in explore(numbers, 5)]
    assert together == [play(storm(number, 5)) for number in range(12)]


def test_another_seed_gives_other_schedules() -> None:
    assert play(storm(0, 1)).trace != play(storm(0, 2)).trace


def test_so_many_schedules_are_planned_as_were_asked_for() -> None:
    for asked in (10, 300, 20_000):
        assert sum(map(len, plan(asked).values())) == asked


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_is_caught(mutant: Mutant) -> None:
    assert mutant.caught_after(MOST) is not None


def test_every_invariant_but_the_last_catches_a_mutant() -> None:
    assert {mutant.caught_by for mutant in MUTANTS} == set(INVARIANTS) - {"no surprise"}


def test_an_exception_that_nobody_foresaw_is_a_violation() -> None:
    def stumble(*anything: object) -> None:
        raise LookupError("oops")

    mutant = MUTANTS[0]
    with broken(mutant.place, mutant.attribute, stumble):
        outcome = play(named("single:0"))
    assert "no surprise" in [each.invariant for each in outcome.violations]


def test_a_failure_is_shrunk_to_what_it_needs() -> None:
    mutant = next(each for each in MUTANTS if each.attribute == "step_at_most_once")
    with broken(mutant.place, mutant.attribute, mutant.by):
        failing = next(
            schedule
            for schedule in (storm(number, 1) for number in range(200))
            if _violates(schedule, mutant.caught_by)
        )
        small = shrink(failing, mutant.caught_by)
    assert len(small.disturbances) == 1
    assert len(small.scenario.happenings) == 1


def test_a_failure_is_told_as_a_timeline(capsys: pytest.CaptureFixture[str]) -> None:
    mutant = next(each for each in MUTANTS if each.name == "exit 0 is success")
    with broken(mutant.place, mutant.attribute, mutant.by):
        failing = next(n for n in range(1, 999) if play(named(f"single:{n}")).violations)
        assert main(["--only", f"single:{failing}"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("VIOLATED: recovered is true.")
    assert any("ssm: SSM takes restart_service" in line for line in lines)
    assert lines[-2] == f"again: python -m tests.prove --only 'single:{failing}'"
    assert lines[-1] == f"1 schedules explored, 1 violations (schedule single:{failing})"


def _violates(schedule: Schedule, invariant: str) -> bool:
    return any(each.invariant == invariant for each in play(schedule).violations)
