"""`notify`: try the channels, tell people something, and see what was told. Loads nothing yet."""

import os
from typing import Annotated

import typer

from command_line.options import DEFAULT_CONFIG, ConfigFile, Json, Stack

notify = typer.Typer(help="What people are told: try it, send, look back.", no_args_is_help=True)


@notify.command("test")
def try_channels(
    channel: Annotated[
        str | None, typer.Argument(help="A channel's name, or `sns`; none means all.")
    ] = None,
    config: ConfigFile = DEFAULT_CONFIG,
    stack: Stack = None,
    as_json: Json = False,
) -> None:
    """Send a message through one channel or all of them, now.

    Prints what each said; the exit code is 5 if one did not take it. With --stack the deployed
    function sends, with its own rights; the configuration file counts on this machine only.
    """
    from command_line import messages

    messages.try_channels(channel, config, stack, os.environ, as_json=as_json)


@notify.command()
def send(
    channel: Annotated[
        str, typer.Option(help="Who tells: your script's name, such as system_monitoring.")
    ],
    title: Annotated[str, typer.Option(help="One line.")],
    message: Annotated[str, typer.Option(help="The text, of any number of lines; - is stdin.")],
    level: Annotated[str, typer.Option(help="info, warning, error or critical.")] = "info",
    stack: Stack = None,
    as_json: Json = False,
) -> None:
    """Tell people something, for scripts of your own.

    It is written down, and then told by the topic and every channel that takes its level. On this
    machine the program that watches it tells it, now or when it runs again.
    """
    from command_line import messages

    messages.send(channel, level, title, message, stack, os.environ, as_json=as_json)


@notify.command("list")
def list_notices(
    channel: Annotated[str | None, typer.Option(help="Only those of this teller.")] = None,
    level: Annotated[str | None, typer.Option(help="Only those of this level.")] = None,
    since: Annotated[str | None, typer.Option(help="How far back, such as 7d.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 20,
    stack: Stack = None,
    as_json: Json = False,
) -> None:
    """List what was told, through which channels, and what became of it; the newest first."""
    from command_line import messages

    messages.list_notices(
        stack, os.environ, producer=channel, level=level, since=since, limit=limit, as_json=as_json
    )
