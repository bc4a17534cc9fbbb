"""`make up`: the hub and the core on this machine, until Ctrl-C.

AUTORECOVERY_CONFIG says which configuration, AUTORECOVERY_HOME where the state is, PORT (and, with
tokens, ADDRESS) where to listen, DATABASE_URL where the history is kept.
"""

import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from types import FrameType

import uvicorn

from autorecovery.config import Configuration, load
from autorecovery.errors import AutoRecoveryError, ConfigurationError
from autorecovery.models.notice import Notice
from autorecovery.scripts import shipped_scripts
from autorecovery.web.hub_routes import hub_routes
from autorecovery.web.routes import serve
from local_runtime.history.keeper import HistoryKeeper
from local_runtime.hub import (
    MEGABYTE,
    Delivery,
    HubAttendant,
    access_of,
    hub_of,
    names_of,
    open_history,
)
from local_runtime.local_responses import quiet_the_runner
from local_runtime.machine import assemble, home, utc_now
from local_runtime.web_server import Resolve, application

CODE = Path(__file__).resolve().parents[1]
DEFAULT_PORT = 8080
BAD_CONFIGURATION, NO_ENVIRONMENT = 3, 4

_log = logging.getLogger("autorecovery")


@dataclass(frozen=True, slots=True)
class Running:
    """What was started."""

    server: uvicorn.Server
    address: str


def main(variables: Mapping[str, str] = os.environ) -> int:
    """Serve until somebody ends it; return the exit code."""
    logging.basicConfig(
        level=variables.get("LOG_LEVEL", "INFO"), format="%(asctime)s %(levelname)s %(message)s"
    )
    quiet_the_runner()
    try:
        with running(variables) as up:
            signal.signal(signal.SIGTERM, _ask_to_stop(up.server))
            signal.signal(signal.SIGINT, _ask_to_stop(up.server))
            sys.stdout.write(f"listening on {up.address} — Ctrl-C ends it\n")
            sys.stdout.flush()
            up.server.run()
            return 0 if up.server.started else NO_ENVIRONMENT
    except ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        return BAD_CONFIGURATION
    except (AutoRecoveryError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return NO_ENVIRONMENT


@contextmanager
def running(variables: Mapping[str, str]) -> Iterator[Running]:
    """Yield the server, with everything behind it at work; all of it ends with the block."""
    scripts = shipped_scripts(CODE / "recovery_scripts")
    path = Path(variables.get("AUTORECOVERY_CONFIG") or "config.yaml")
    configuration = load(path, variables, scripts).configuration
    address, port = variables.get("ADDRESS") or "127.0.0.1", _port(variables)
    access = access_of(configuration.ingest, variables, address=address)
    with ExitStack() as stack:
        history = open_history(variables)
        stack.callback(history.engine.dispose)
        machine = assemble(
            configuration, scripts, home(variables), _show, variables, history=history
        )
        stack.callback(machine.close)
        deliver = Delivery(machine.triage)
        keeper = HistoryKeeper(history, configuration.ingest.history_mb * MEGABYTE)
        attendant = HubAttendant(history, keeper, deliver, utc_now)
        stack.callback(attendant.close)
        machine.take_up_open_incidents()
        hub = hub_of(configuration, machine, history, access, deliver)
        server = _server(configuration, serve([hub_routes(hub)], _report).resolve, address, port)
        yield Running(server, f"http://{address}:{port}")


def _server(
    configuration: Configuration, resolve: Resolve, address: str, port: int
) -> uvicorn.Server:
    settings = configuration.ingest
    app = application(resolve, names_of(settings, address), settings.max_body_kb * 1024)
    return uvicorn.Server(
        uvicorn.Config(
            app, host=address, port=port, log_config=None, access_log=False,
            server_header=False, lifespan="off", timeout_graceful_shutdown=5,
            proxy_headers=False, h11_max_incomplete_event_size=32_768,
        )
    )  # fmt: skip


def serve_in_thread(server: uvicorn.Server) -> Thread:
    """Serve beside what else this process does; `server.should_exit` ends it."""
    thread = Thread(target=server.run, name="web server", daemon=True)
    thread.start()
    return thread


def _port(variables: Mapping[str, str]) -> int:
    text = variables.get("PORT", "").strip()
    if not text:
        return DEFAULT_PORT
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 65536):
        raise ConfigurationError(f"PORT: expected a number from 1 to 65535; found {text!r:.20}")
    return int(text)


def _ask_to_stop(server: uvicorn.Server) -> Callable[[int, FrameType | None], None]:
    def stop(number: int, frame: FrameType | None) -> None:
        server.should_exit = True

    return stop


def _show(notice: Notice) -> None:
    sys.stdout.write("\n".join((notice.headline, *(f"  {line}" for line in notice.lines))) + "\n")
    sys.stdout.flush()


def _report(error: Exception) -> None:
    _log.error("a request failed", exc_info=error)


if __name__ == "__main__":
    sys.exit(main())
