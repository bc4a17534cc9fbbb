"""The proof: many schedules of trouble, and after each of them every promise is checked.

python -m tests.prove --schedules 20000 --seed 7
python -m tests.prove --only storm:7:1204
"""

import argparse
import sys
from collections import Counter

from tests.prove.explore import Outcome, explore, plan, play
from tests.prove.kinds import every_single_trouble, named
from tests.prove.report import describe_failure

SHOWN = 3
"""Failures that are shrunk and told in full, one per invariant."""


def main(arguments: list[str] | None = None) -> int:
    """Return 0 where nothing was violated."""
    parser = argparse.ArgumentParser(prog="python -m tests.prove", description=__doc__)
    parser.add_argument("--schedules", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", help="one schedule by its name, with its whole timeline")
    chosen = parser.parse_args(arguments)
    return _only(chosen.only) if chosen.only else _all(chosen.schedules, chosen.seed)


def _all(schedules: int, seed: int) -> int:
    numbers = plan(schedules)
    explored: Counter[str] = Counter()
    failed: list[Outcome] = []
    commands = troubles = 0
    for kind, outcome in explore(numbers, seed):
        explored[kind] += 1
        commands += outcome.commands
        troubles += len(outcome.disturbances)
        failed += [outcome] if outcome.violations else []
        _show_progress(explored.total(), schedules, len(failed))
    _tell_failures(failed)
    for kind, count in explored.items():
        of_all = f" of {len(every_single_trouble())}" if kind == "single" else ""
        say(f"{kind}: {count}{of_all} schedules")
    say(f"in all {commands} commands were taken by hosts, and {troubles} things went wrong")
    say(f"{explored.total()} schedules explored, {len(failed)} violations (seed {seed})")
    return 1 if failed else 0


def _only(name: str) -> int:
    schedule = named(name)
    violations = play(schedule).violations
    for violation in violations[:1]:
        for line in describe_failure(schedule, violation):
            say(line)
    say(f"1 schedules explored, {min(1, len(violations))} violations (schedule {name})")
    return 1 if violations else 0


def _tell_failures(failed: list[Outcome]) -> None:
    told: set[str] = set()
    for outcome in failed:
        violation = outcome.violations[0]
        if violation.invariant not in told and len(told) < SHOWN:
            told.add(violation.invariant)
            for line in describe_failure(named(outcome.name), violation):
                say(line)
    for invariant, count in Counter(o.violations[0].invariant for o in failed).items():
        say(f"violated in {count} schedules: {invariant}")


def _show_progress(done: int, schedules: int, failed: int) -> None:
    if sys.stderr.isatty():
        end = "\n" if done == schedules else ""
        sys.stderr.write(f"\r{done} of {schedules} schedules, {failed} failed{end}")


def say(line: str) -> None:
    """Print a line."""
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main())
