"""`dead-letters`: what could not be processed, shown, replayed, or discarded."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from autorecovery.errors import ReadError
from autorecovery.models.letter import Letter
from autorecovery.ports import DeadLetterBox
from autorecovery.replay import Replayed, replay
from command_line.exit_codes import ExitCode
from command_line.failures import Failure
from command_line.output import print_json, print_lines, print_table
from command_line.stores import SEARCHED, addressees, dead_letters

SHORT = 8
"""Characters of an id that are shown, and suffice: those of SQS have 36."""

LEAST = 6
"""Characters of an id that are accepted for the whole; below, ids of this machine are numbers."""


def list_waiting(
    stack: str | None, variables: Mapping[str, str], *, limit: int, as_json: bool
) -> None:
    """List letters; of many, a sample."""
    box = dead_letters(stack, variables)
    about = _count(box)
    with box.hold(limit) as found:
        letters = list(found)
    about = max(about, len(letters))
    if as_json:
        print_json({"letters": [_summary(letter) for letter in letters], "about": about})
        return
    if not letters:
        print_lines(_nothing(about))
        return
    rows = [
        (_short(each), f"{each.at:%Y-%m-%d %H:%M:%S}", each.source[:50], each.why[:80])
        for each in letters
    ]
    print_table(rows, ("letter", "kept (UTC)", "from", "why"))
    if about > len(letters):
        print_lines(
            f"a sample: {len(letters)} of about {about}; --limit shows more. What somebody else"
            " looks at is hidden for up to 5 minutes."
        )


def show(wanted: str, stack: str | None, variables: Mapping[str, str], *, as_json: bool) -> None:
    """Print one letter with its whole event."""
    box = dead_letters(stack, variables)
    with box.hold(SEARCHED) as letters:
        letter = _find(wanted, letters)
    if as_json:
        print_json({"letter": {**_summary(letter), "event": letter.event}})
        return
    print_lines(
        f"letter {letter.id}, kept {letter.at:%Y-%m-%d %H:%M:%S} UTC",
        f"from: {letter.source}",
        f"why:  {letter.why}",
        _prospect(letter),
        "",
        *json.dumps(letter.event, indent=2).split("\n"),
    )


def replay_some(
    wanted: Sequence[str],
    stack: str | None,
    variables: Mapping[str, str],
    config: Path,
    *,
    everything: bool,
    limit: int,
    as_json: bool,
) -> None:
    """Replay these letters, or all; with exit code 5 where one stays."""
    if bool(wanted) is everything:
        raise Failure(ExitCode.USAGE, "say which letters to replay, or --all")
    box = dead_letters(stack, variables)
    to = addressees(stack, variables, config)
    replayed = []
    with box.hold(limit if everything else SEARCHED) as letters:
        for letter in letters if everything else [_find(each, letters) for each in wanted]:
            came = replay(letter, box, to)
            replayed.append(came)
            if not as_json:
                print_lines(f"{_short(letter)}: {came.text}")
    _conclude(replayed, _count(box), everything=everything, as_json=as_json)


def discard(
    wanted: Sequence[str], stack: str | None, variables: Mapping[str, str], *, as_json: bool
) -> None:
    """Delete these letters; all of them must exist, or none is deleted."""
    box = dead_letters(stack, variables)
    with box.hold(SEARCHED) as letters:
        found = [_find(each, letters) for each in wanted]
        for letter in found:
            box.remove(letter)
    if as_json:
        print_json({"discarded": [letter.id for letter in found]})
        return
    print_lines(*(f"{_short(letter)}: discarded" for letter in found))


def _conclude(replayed: Sequence[Replayed], about: int, *, everything: bool, as_json: bool) -> None:
    left = [each for each in replayed if not each.done]
    if as_json:
        told = [{"id": each.letter.id, "done": each.done, "text": each.text} for each in replayed]
        print_json({"replayed": told, "about": about})
    elif not replayed:
        print_lines(_nothing(about))
    elif everything and about > len(left):
        print_lines(f"about {about} letters are there now; say it again for more")
    if left:
        raise Failure(ExitCode.PROBLEMS_FOUND, f"not done: {len(left)} of {len(replayed)} letters")


def _find(wanted: str, letters: Sequence[Letter]) -> Letter:
    """Return the letter of this id, or of this unique beginning of an id."""
    matching = [letter for letter in letters if letter.id == wanted] or [
        letter for letter in letters if len(wanted) >= LEAST and letter.id.startswith(wanted)
    ]
    if len(matching) == 1:
        return matching[0]
    if matching:
        ids = ", ".join(letter.id for letter in matching[:5])
        raise Failure(ExitCode.USAGE, f"{wanted!r} is the beginning of several letters: {ids}")
    raise Failure(
        ExitCode.PROBLEMS_FOUND,
        f"no dead letter {wanted!r} among the {len(letters)} that could be looked at;"
        " `autorecovery dead-letters list` shows what there is",
    )


def _count(box: DeadLetterBox) -> int:
    try:
        return box.count()
    except ReadError:
        return 0  # it is a courtesy; whoever may not ask can still read


def _prospect(letter: Letter) -> str:
    if letter.obstacle:
        return f"it cannot be replayed: {letter.obstacle}"
    return f"`dead-letters replay {_short(letter)}` gives it to: {letter.destination}"


def _nothing(about: int) -> str:
    if about:
        return f"no dead letter to look at now; somebody else looks at about {about}"
    return "no dead letters"


def _short(letter: Letter) -> str:
    return letter.id[:SHORT]


def _summary(letter: Letter) -> dict[str, Any]:
    return {
        "id": letter.id,
        "at": letter.at.isoformat(),
        "from": letter.source,
        "why": letter.why,
        "destination": letter.destination,
        "obstacle": letter.obstacle or None,
    }
