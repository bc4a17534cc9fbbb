"""`python -m host_agent run|once`: the agent, without the libraries of the command line."""

import argparse
import json
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from host_agent.entries import SettingsError
from host_agent.settings import Settings, environment, read_settings

if TYPE_CHECKING:
    from http.server import ThreadingHTTPServer

    from host_agent.latest import Latest
    from host_agent.look import Look

CONFIG_INVALID, PROBLEMS_FOUND = 3, 5
INTERRUPTED = 130


def main(arguments: Sequence[str]) -> int:
    """Do what was asked, and return the exit code."""
    asked = _parser().parse_args(arguments)
    variables = environment()
    try:
        settings = read_settings(variables, asked.config)
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return CONFIG_INVALID
    return run(settings) if asked.action == "run" else once(settings, asked)


def run(settings: Settings) -> int:
    """Be the service until SIGTERM or SIGINT."""
    from host_agent.delivery import shipper_of
    from host_agent.logs import log_to
    from host_agent.post import HubError
    from host_agent.service import Agent

    log = log_to(settings.log_file, settings.log_level)
    try:
        agent = Agent(settings, environment(), log, shipper_of(settings, log))
        server = _open_metrics(settings, agent.latest)
    except (HubError, ValueError, OSError) as error:
        log("ERROR", str(error))
        return CONFIG_INVALID
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: agent.stop.set())
    log("INFO", f"watching {settings.host}; hub: {settings.hub or 'none'}")
    agent.run()
    if server:
        server.shutdown()
        server.server_close()
    log("INFO", "stopped")
    return 0


def _open_metrics(settings: Settings, latest: "Latest") -> "ThreadingHTTPServer | None":
    if not settings.metrics_port:
        return None
    from host_agent.openmetrics import serve

    return serve(latest, settings.metrics_address, settings.metrics_port, settings.metrics_token)


def once(settings: Settings, asked: argparse.Namespace) -> int:
    """Print one report, or one after the other."""
    from contextlib import closing

    from host_agent.levels import RANK
    from host_agent.look import BETWEEN_SECONDS, Onlooker
    from host_agent.report import worst_level

    interrupted = threading.Event()
    if asked.watch:
        # What a signal raises may be swallowed wherever that happens to be; an event is not.
        signal.signal(signal.SIGINT, lambda *_: interrupted.set())
    with closing(Onlooker(settings, environment())) as onlooker:
        onlooker.prepare(processes=asked.processes)
        pause, first = BETWEEN_SECONDS, True
        while first or asked.watch:
            if interrupted.wait(pause):
                return INTERRUPTED
            look = onlooker.look(processes=asked.processes)
            _print(look, asked, first=first)
            if asked.ship:
                _ship(look, settings)
            pause, first = float(asked.watch or 0), False
    limit = {"never": 3, "warning": 1, "critical": 2}[asked.fail_on]
    return PROBLEMS_FOUND if RANK[worst_level(look)] >= limit else 0


def _print(look: "Look", asked: argparse.Namespace, *, first: bool) -> None:
    from host_agent import report

    if asked.quiet:
        return
    if asked.json:
        indent = None if asked.watch else 2
        content = {"schema_version": 1, **report.document(look)}
        sys.stdout.write(json.dumps(content, indent=indent) + "\n")
    elif asked.csv:
        sys.stdout.write(report.csv_lines(look, headings=first))
    else:
        sys.stdout.write(("" if first else "\n") + report.text(look))
    sys.stdout.flush()


def _ship(look: "Look", settings: Settings) -> None:
    from host_agent.delivery import ship_look, shipper_of
    from host_agent.logs import log_to
    from host_agent.post import HubError

    log = log_to(settings.log_file, settings.log_level)
    try:
        shipper = shipper_of(settings, log)
    except HubError as error:
        log("ERROR", str(error))
        return
    if shipper is None:
        log("WARNING", "--ship: no hub is set (hub.url)")
    else:
        ship_look(look, settings, shipper)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="host_agent", description="Watches this host.")
    actions = parser.add_subparsers(dest="action", required=True)
    for name, words in (("run", "Be the service."), ("once", "Print one report.")):
        action = actions.add_parser(name, help=words, description=words)
        action.add_argument("--config", type=Path, help="the agent's file, agent.toml")
        if name == "once":
            _add_report_options(action)
    return parser


def _add_report_options(action: argparse.ArgumentParser) -> None:
    form = action.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="JSON with a schema_version")
    form.add_argument("--csv", action="store_true", help="one line for each value")
    form.add_argument("--quiet", action="store_true", help="print nothing")
    action.add_argument("--watch", type=float, metavar="SECONDS", help="again and again")
    action.add_argument("--processes", action="store_true", help="the largest ones too")
    action.add_argument("--ship", action="store_true", help="send it to the hub as well")
    action.add_argument(
        "--fail-on", choices=("never", "warning", "critical"), default="never",
        help="exit with 5 where this level is reached",
    )  # fmt: skip


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        sys.exit(0)  # the reader went away
