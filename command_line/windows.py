"""`maintenance` and `silence`: the same three commands over two kinds of windows."""

import os
from typing import Annotated

import typer

from command_line.options import Json, Stack


def windows(kind: str, about: str) -> typer.Typer:
    """Return the commands `add`, `list` and `end` for windows of this kind."""
    commands = typer.Typer(help=about, no_args_is_help=True)

    @commands.command("add")
    def add(
        name: Annotated[str, typer.Argument(help="What it is called.")],
        lasting: Annotated[str, typer.Option("--for", help="How long, such as 2h.")],
        why: Annotated[str, typer.Option(help="For those who wonder.")] = "",
        cron: Annotated[str | None, typer.Option(help="When it begins, again and again.")] = None,
        timezone: Annotated[
            str | None, typer.Option(help="Of --cron, such as Europe/Berlin.")
        ] = None,
        rule: Annotated[list[str] | None, typer.Option(help="Only this rule; repeatable.")] = None,
        target: Annotated[
            list[str] | None, typer.Option(help="Only this target; repeatable.")
        ] = None,
        stack: Stack = None,
        as_json: Json = False,
    ) -> None:
        """Add a window: from now on, or by --cron."""
        from autorecovery.models.controls import WindowKind
        from command_line import controls

        content: dict[str, object] = {
            "name": name, "lasting": lasting, "cron": cron, "timezone": timezone,
            "rules": tuple(rule or ()), "targets": tuple(target or ()),
        }  # fmt: skip
        controls.add_window(
            WindowKind(kind), stack, os.environ, content=content, as_json=as_json, why=why
        )

    @commands.command("list")
    def list_all(stack: Stack = None, as_json: Json = False) -> None:
        """List the windows that people added."""
        from autorecovery.models.controls import WindowKind
        from command_line import controls

        controls.list_windows(WindowKind(kind), stack, os.environ, as_json=as_json)

    @commands.command("end")
    def end(
        name: Annotated[str, typer.Argument(help="What it is called.")],
        stack: Stack = None,
        as_json: Json = False,
    ) -> None:
        """End a window that people added."""
        from autorecovery.models.controls import WindowKind
        from command_line import controls

        controls.end_window(WindowKind(kind), name, stack, os.environ, as_json=as_json)

    return commands
