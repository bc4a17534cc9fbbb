"""Entry point for the ends of SSM commands: wakes the response that waits, which then looks itself.

SSM events are best effort and may come twice: they carry no verdict here, only a nudge.
"""

from dataclasses import dataclass
from typing import Any

from autorecovery.bootstrap.command_ends import command_ends
from autorecovery.observability import logger
from autorecovery.ports import AttemptLog, IncidentLog, ResponseStarter
from autorecovery.settings import environment

_log = logger("command_listener", environment().get("LOG_LEVEL", "INFO"))


@dataclass(frozen=True)
class Listener:
    """What is needed to find and wake the response that waits for a command."""

    attempts: AttemptLog
    incidents: IncidentLog
    responses: ResponseStarter


def handle(event: Any, app: Listener) -> dict[str, Any]:
    """Return which incident was woken, if any."""
    detail = event.get("detail") if isinstance(event, dict) else None
    command_id = detail.get("command-id") if isinstance(detail, dict) else None
    attempt = app.attempts.of_command(command_id) if isinstance(command_id, str) else None
    token = app.incidents.wake_token(attempt.incident_id) if attempt else None
    if token:
        app.responses.wake(token)
    answer = {
        "command": command_id,
        "incident": attempt.incident_id if attempt else None,
        "woken": token is not None,
    }
    _log.info("command changed", extra=answer)
    return answer


def lambda_handler(event: Any, context: object) -> dict[str, Any]:
    """Answer Lambda."""
    return handle(event, Listener(*command_ends()))
