"""Slack's buttons on one machine, where Slack cannot call in: we call Slack, by Socket Mode."""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from http.client import HTTPException
from typing import Any

from slack_sdk import WebClient
from slack_sdk.errors import SlackClientError
from slack_sdk.socket_mode import SocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse

from autorecovery.adapters.channels.posting import Posting
from autorecovery.adapters.channels.slack_api import SLACK, TIMEOUT_SECONDS, UNAUTHORISED
from autorecovery.adapters.channels.slack_responses import SlackResponses
from autorecovery.adapters.secrets import Secret, Secrets
from autorecovery.config import Configuration
from autorecovery.config.notify import SlackBot
from autorecovery.errors import SecretError
from autorecovery.people import People
from autorecovery.web.slack_door import SlackDoor

LOOK_SECONDS = 5
"""Between two looks whether the connection lives; the SDK renews it by itself meanwhile."""

PING_SECONDS = 5
"""After four of these without an answer the SDK holds a connection for dead."""

PATIENCE_LOOKS = 6
"""After so many looks without one, all is begun anew, with a token that may be another one."""

LONGEST_PAUSE_SECONDS = 60

_log = logging.getLogger(__name__)

# The SDK reports each hiccup of a connection that it mends itself.
_QUIET = logging.Logger("slack_sdk.socket_mode", logging.CRITICAL)


class SlackSocket:
    """A thread that hears the buttons of one Slack app, and comes back whatever happens to it."""

    def __init__(
        self,
        app_token: Secret,
        hear: Callable[[object], None],
        base_url: str = SLACK,
        look_seconds: float = LOOK_SECONDS,
        ping_seconds: float = PING_SECONDS,
    ) -> None:
        """`hear` acts on a payload that came over this app's own connection."""
        self._app_token = app_token
        self._hear = hear
        self._base_url = base_url
        self._look_seconds = look_seconds
        self._ping_seconds = ping_seconds
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="slack socket", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Hear nothing more."""
        self._ended.set()
        self._thread.join()

    def _listen(self) -> None:
        pause = self._look_seconds
        while not self._ended.is_set():
            try:
                client = self._connect()
            except (SecretError, SlackClientError, OSError, HTTPException, ValueError) as error:
                _log.warning("Slack's buttons are not heard: %s", _why(error))
                self._ended.wait(pause)
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
                continue
            pause = self._look_seconds
            self._watch(client)
            _close(client)

    def _connect(self) -> SocketModeClient:
        token = self._app_token.value()
        web = WebClient(
            base_url=self._base_url, timeout=TIMEOUT_SECONDS, logger=_QUIET, retry_handlers=[]
        )
        address = self._address(web, token)
        client = SocketModeClient(
            token, logger=_QUIET, web_client=web, concurrency=2, ping_interval=self._ping_seconds
        )
        client.socket_mode_request_listeners.append(self._take)  # type: ignore[arg-type]
        client.wss_uri = address
        try:
            client.connect()
        except BaseException:
            _close(client)
            raise
        return client

    def _address(self, web: WebClient, token: str) -> str:
        """Return where to connect to; the SDK's own way sleeps where it is asked to wait."""
        try:
            return str(web.apps_connections_open(app_token=token)["url"])
        except SlackClientError as error:
            if _code(error) in UNAUTHORISED:
                self._app_token.is_another()  # the next try takes what is there by now
            raise

    def _watch(self, client: SocketModeClient) -> None:
        """Return when this program ends, or the connection has been gone for too long."""
        gone = 0
        while gone < PATIENCE_LOOKS and not self._ended.wait(self._look_seconds):
            gone = 0 if client.is_connected() else gone + 1

    def _take(self, client: SocketModeClient, request: SocketModeRequest) -> None:
        try:
            # First: whoever pressed is shown a failure after three seconds.
            client.send_socket_mode_response(SocketModeResponse(envelope_id=request.envelope_id))
            if request.type == "interactive":
                self._hear(request.payload)
        except Exception:  # noqa: BLE001 - the boundary of one press: others are heard
            _log.exception("a press of a button failed")


def listen(
    configuration: Configuration, secrets: Secrets, app: People, base_url: str = SLACK
) -> tuple[SlackSocket, ...]:
    """Return a listener for each Slack app whose app token is configured."""
    bots = [each.slack for each in configuration.notify.channels.values() if each.slack]
    tokens = dict.fromkeys(bot.app_token for bot in bots if bot.app_token)
    return tuple(
        SlackSocket(
            secrets.named(token),
            _hearing([bot for bot in bots if bot.app_token == token], app),
            base_url,
        )
        for token in tokens
    )


def _hearing(bots: Sequence[SlackBot], app: People) -> Callable[[object], None]:
    door = SlackDoor((), app, app.clock, SlackResponses(Posting()), _report)
    return lambda payload: door.hear(payload, bots)


def _report(what: str, told: Mapping[str, Any]) -> None:
    _log.info("%s %s", what, dict(told))


def _close(client: SocketModeClient) -> None:
    client.close()
    # Its monitor may have been connecting just then: presses sent to what nobody reads are lost.
    client.disconnect()


def _code(error: SlackClientError) -> str:
    response = getattr(error, "response", None)
    data = getattr(response, "data", None)
    return str(data.get("error", "")) if isinstance(data, dict) else ""


def _why(error: Exception) -> str:
    return _code(error) if isinstance(error, SlackClientError) else f"{error}"[:200]
