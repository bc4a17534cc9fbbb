"""Options that many commands share."""

from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print JSON with a schema_version.")]
Stack = Annotated[
    str | None,
    typer.Option(
        envvar="AUTORECOVERY_STACK",
        help="Read a deployed stack of this name; without it, this machine's own state.",
    ),
]
