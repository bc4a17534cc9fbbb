"""What most commands take."""

from pathlib import Path
from typing import Annotated

import typer

ConfigFile = Annotated[
    Path,
    typer.Option("--config", "-c", envvar="AUTORECOVERY_CONFIG", help="The configuration file."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON with a schema_version.")]
Stack = Annotated[
    str | None,
    typer.Option(
        envvar="AUTORECOVERY_STACK",
        help="Read a deployed stack of this name; without it, this machine's own state.",
    ),
]
DEFAULT_CONFIG = Path("config.yaml")
