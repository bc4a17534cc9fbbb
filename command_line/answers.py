"""`approve`, `deny`, `ack` and `close`: a person's word on one incident."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from autorecovery import people
from autorecovery.models.incident import Incident
from command_line.controls import who
from command_line.exit_codes import ExitCode
from command_line.failures import Failure
from command_line.output import print_json, print_lines
from command_line.stores import controls, find, incident_log, responses

if TYPE_CHECKING:
    from autorecovery.people import Answer, People

Word = Callable[[Incident, str, "People"], "Answer"]

approve: Word = partial(people.decide, approved=True)
deny: Word = partial(people.decide, approved=False)
acknowledge: Word = people.acknowledge
close: Word = people.close


def say(
    word: Word, wanted: str, stack: str | None, variables: Mapping[str, str], *, as_json: bool
) -> None:
    """Say a word on an incident; where it changes nothing, tell why, with exit code 5."""
    log = incident_log(stack, variables)
    app = people.People(
        log, controls(stack, variables), responses(stack), lambda: datetime.now(UTC)
    )
    answer = word(find(wanted, log), who(), app)
    if as_json:
        print_json({"changed": answer.changed, "text": answer.text})
    elif answer.changed:
        print_lines(answer.text)
    if not answer.changed:
        raise Failure(ExitCode.PROBLEMS_FOUND, answer.text)
