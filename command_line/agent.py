"""`autorecovery agent`: look at this host once, watch it, or have it watched from now on."""

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from command_line.exit_codes import ExitCode
from command_line.options import Json

agent = typer.Typer(help="What this host and its containers are doing.", no_args_is_help=True)

AgentFile = Annotated[
    Path | None,
    typer.Option("--config", "-c", envvar="AUTORECOVERY_AGENT_CONFIG", help="The agent's file."),
]


class FailOn(StrEnum):
    """From which level on a look ends with an exit code."""

    NEVER = "never"
    WARNING = "warning"
    CRITICAL = "critical"


@agent.command()
def once(
    config: AgentFile = None,
    as_json: Json = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="One line for each value.")] = False,
    watch: Annotated[
        float | None, typer.Option(min=0.5, metavar="SECONDS", help="Again and again.")
    ] = None,
    processes: Annotated[bool, typer.Option("--processes", help="The largest ones too.")] = False,
    ship: Annotated[bool, typer.Option("--ship", help="Send it to the hub as well.")] = False,
    fail_on: Annotated[
        FailOn, typer.Option(help="Exit with 5 where this level is reached.")
    ] = FailOn.NEVER,
) -> None:
    """Print every value against its limit, and a verdict.

    It takes a good second: rates need two samples. Durations do not count in a single look.
    """
    from host_agent.__main__ import main

    words = ["once", "--fail-on", fail_on]
    words += ["--config", str(config)] if config else []
    words += ["--watch", str(watch)] if watch else []
    wanted = {"--json": as_json, "--csv": as_csv, "--processes": processes, "--ship": ship}
    words += [option for option, is_wanted in wanted.items() if is_wanted]
    code = main(words)
    if code:
        raise typer.Exit(code)


@agent.command()
def run(config: AgentFile = None) -> None:
    """Watch this host until stopped: a sample every second, batches to the hub.

    A unit of systemd starts `python -m host_agent run`, which is the same in less memory.
    """
    from host_agent.__main__ import main

    code = main(["run", *(["--config", str(config)] if config else [])])
    if code:
        raise typer.Exit(code)


@agent.command()
def install(
    config: AgentFile = None,
    cron: Annotated[
        bool, typer.Option("--cron", help="A line for cron instead of a systemd unit.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would be written.")
    ] = False,
) -> None:
    """Have this host watched from now on.

    Writes a systemd unit that may do nothing but look, or a line for cron where there is no
    systemd, and says what to do next.
    """
    from host_agent.install import CONFIG, CRON, FIRST_CONFIG, UNIT, cron_line, systemd_unit
    from host_agent.sockets import socket_groups, usual_sockets

    path = (config or CONFIG).absolute()
    if cron:
        place, content, then = CRON, cron_line(path), "cron reads it by itself"
    else:
        groups = socket_groups(usual_sockets(os.environ))
        place, content = UNIT, systemd_unit(path, groups)
        then = "sudo systemctl daemon-reload && sudo systemctl enable --now autorecovery-agent"
    if dry_run:
        sys.stdout.write(content)
        return
    if not cron:
        _require_systemd()
    _write(place, content)
    if not path.exists():
        _write(path, FIRST_CONFIG)
    token = f"the hub's address goes into {path}, its token into /etc/autorecovery/agent.env"
    sys.stderr.write(f"wrote {place}\n{token} (AUTORECOVERY_TOKEN=…, mode 0600)\nnext: {then}\n")


def _require_systemd() -> None:
    """Refuse to write a unit that cannot start."""
    from command_line.failures import Failure
    from host_agent.install import unreachable

    if not Path("/run/systemd/system").is_dir():
        raise Failure(ExitCode.ENVIRONMENT, "systemd does not run here; try --cron")
    closed = unreachable(sys.executable)
    if closed is not None:
        raise Failure(
            ExitCode.ENVIRONMENT,
            f"the unit's user cannot enter {closed}, where this Python is; install the agent where"
            " others may read, such as /opt/autorecovery",
        )


def _write(place: Path, content: str) -> None:
    from command_line.failures import Failure

    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(content, encoding="utf-8")
        place.chmod(0o644)
    except OSError as error:
        raise Failure(
            ExitCode.ENVIRONMENT, f"{place}: {error.strerror}; run it with sudo, or see --dry-run"
        ) from error
