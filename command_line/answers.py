"""`approve`, `deny`, `ack`, `close` and `recover`: a person's word on one incident."""

import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from autorecovery import people
from autorecovery.models.incident import Incident
from autorecovery.models.signal import Target
from command_line.configuration import resolve
from command_line.controls import who
from command_line.exit_codes import ExitCode
from command_line.failures import Failure
from command_line.output import print_json, print_lines
from command_line.stores import find, people_of

if TYPE_CHECKING:
    from autorecovery.people import Answer, People

TARGET_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,254}")
"""What an instance, a host or a container is called."""

Word = Callable[[Incident, str, "People"], "Answer"]

approve: Word = partial(people.decide, approved=True)
deny: Word = partial(people.decide, approved=False)
acknowledge: Word = people.acknowledge
close: Word = people.close


def say(
    word: Word, wanted: str, stack: str | None, variables: Mapping[str, str], *, as_json: bool
) -> None:
    """Say a word on an incident; where it changes nothing, tell why, with exit code 5."""
    app = people_of(stack, variables)
    _tell(word(find(wanted, app.incidents), who(), app), as_json=as_json)


def recover(
    wanted: str,
    rule_name: str | None,
    stack: str | None,
    variables: Mapping[str, str],
    config: Path,
    *,
    as_json: bool,
) -> None:
    """Have an incident's ladder climbed, or, where a rule is named, that rule's on a target."""
    if rule_name is None:
        say(people.recover, wanted, stack, variables, as_json=as_json)
        return
    rules = resolve(config, variables).configuration.rules
    if rule_name not in rules:
        known = ", ".join(rules) or "none"
        raise Failure(ExitCode.USAGE, f"{config} has no rule {rule_name!r}; its rules: {known}")
    if not TARGET_NAME.fullmatch(wanted):
        raise Failure(ExitCode.USAGE, f"{wanted[:80]!r} names no machine")
    app = people_of(stack, variables, new=True)
    target = Target.named(wanted)
    _tell(people.open_by_hand(rules[rule_name], target, who(), app), as_json=as_json)


def _tell(answer: "Answer", *, as_json: bool) -> None:
    if as_json:
        print_json({"changed": answer.changed, "text": answer.text})
    elif answer.changed:
        print_lines(answer.text)
    if not answer.changed:
        raise Failure(ExitCode.PROBLEMS_FOUND, answer.text)
