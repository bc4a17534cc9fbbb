"""`halt`, `resume`, `maintenance` and `silence`: what people tell the system while it runs."""

import getpass
import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from pydantic import ValidationError

from autorecovery.models.controls import DeclaredWindow, Halt, WindowKind
from autorecovery.models.durations import read_duration, write_duration
from autorecovery.models.limits import MaintenanceWindow
from command_line.exit_codes import ExitCode
from command_line.failures import Failure
from command_line.output import print_json, print_lines, print_table
from command_line.stores import controls


def halt(stack: str | None, variables: Mapping[str, str], *, why: str, as_json: bool) -> None:
    """Set the kill switch: nothing is run until `resume`, and people are still told."""
    word = Halt(by=who(), why=why, at=datetime.now(UTC))
    controls(stack, variables).set_halt(word)
    _tell_halt(word, as_json=as_json)


def resume(stack: str | None, variables: Mapping[str, str], *, as_json: bool) -> None:
    """Let it act again; nothing that was held meanwhile is made up for."""
    store = controls(stack, variables)
    was = store.halt()
    store.set_halt(None)
    if as_json:
        print_json({"halted": False, "was_halted": was is not None})
    elif was is None:
        print_lines("nothing was halted")
    else:
        print_lines(f"resumed; it was halted by {was.by} at {was.at:%Y-%m-%d %H:%M} UTC: {was.why}")


def add_window(
    kind: WindowKind,
    stack: str | None,
    variables: Mapping[str, str],
    *,
    content: dict[str, object],
    as_json: bool,
    why: str = "",
) -> None:
    """Add a window; it holds within seconds."""
    now = datetime.now(UTC)
    given = {key: value for key, value in content.items() if value not in (None, ())}
    if "cron" not in given:
        given["from"] = now
        given["until"] = now + duration(given.pop("lasting", None), "--for")
    try:
        window = MaintenanceWindow.model_validate(given)
    except ValidationError as error:
        told = "; ".join(str(e["msg"]).removeprefix("Value error, ") for e in error.errors())
        raise Failure(ExitCode.USAGE, f"no such window is possible: {told}") from error
    controls(stack, variables).declare(DeclaredWindow(window, who(), now, kind, why))
    if as_json:
        print_json({"added": window.name})
    else:
        print_lines(f"{window.name}: {_EFFECT[kind]} {_when(window)}")


_EFFECT = {WindowKind.MAINTENANCE: "nothing is run", WindowKind.SILENCE: "nobody is told"}


def list_windows(
    kind: WindowKind, stack: str | None, variables: Mapping[str, str], *, as_json: bool
) -> None:
    """List the windows that people added; those of the configuration are in `config`."""
    now = datetime.now(UTC)
    found = controls(stack, variables).windows(kind)
    if as_json:
        windows = [
            {**each.window.model_dump(mode="json", by_alias=True), "by": each.by, "why": each.why}
            for each in found
        ]
        print_json({"windows": windows})
        return
    rows = [
        (
            each.window.name, _when(each.window), "open" if each.window.ends(now) else "",
            each.by, each.why,
        )
        for each in found
    ]  # fmt: skip
    print_table(rows, ("window", "when", "now", "added by", "why"))


def end_window(
    kind: WindowKind, name: str, stack: str | None, variables: Mapping[str, str], *, as_json: bool
) -> None:
    """Remove a window that people added."""
    if not controls(stack, variables).end_window(kind, name):
        raise Failure(ExitCode.PROBLEMS_FOUND, f"no window {name!r} was added here")
    if as_json:
        print_json({"ended": name})
    else:
        print_lines(f"{name}: ended")


def who() -> str:
    """Return who speaks, as the timeline shall name them."""
    return os.environ.get("AUTORECOVERY_USER") or getpass.getuser()


def duration(text: object, option: str) -> timedelta:
    """Return what an option says; exit code 2 where that is no duration."""
    try:
        return read_duration(text)
    except ValueError as error:
        raise Failure(ExitCode.USAGE, f"{option}: {error}") from error


def _when(window: MaintenanceWindow) -> str:
    if window.cron is not None:
        return f"from '{window.cron}' {window.timezone} on, each time for {_span(window.lasting)}"
    return f"until {window.until:%Y-%m-%d %H:%M} UTC"


def _span(lasting: timedelta | None) -> str:
    return write_duration(lasting) if lasting else ""


def _tell_halt(word: Halt, *, as_json: bool) -> None:
    if as_json:
        print_json({"halted": True, "by": word.by, "why": word.why})
        return
    print_lines(
        "halted: nothing is run until `autorecovery resume`; people are still told."
        " What is running already goes on."
    )
