"""The routes of the hub: for hosts that send, and for people and programs that read."""

import base64
import binascii
import json
from collections.abc import Callable
from typing import Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from autorecovery.errors import StoreError
from autorecovery.web import envelope
from autorecovery.web.access import RefusedError, bearer
from autorecovery.web.asked import Query
from autorecovery.web.hub import Hub, take_batch, take_monitored
from autorecovery.web.monitoring import (
    current_metrics,
    host_trends,
    metrics_history,
    notifications,
)
from autorecovery.web.openapi import document

JSON = "application/json"
AGAIN_SECONDS = 10

Reader = Callable[[Query, Hub], dict[str, Any]]


def hub_routes(hub: Hub) -> APIGatewayHttpRouter:
    """Return the routes over this hub."""
    routes = APIGatewayHttpRouter()  # type: ignore[no-untyped-call]
    _add_routes_for_hosts(routes, hub)
    _add_routes_for_readers(routes, hub)
    return routes


def _add_routes_for_hosts(routes: APIGatewayHttpRouter, hub: Hub) -> None:
    @routes.post("/api/v1/ingest")
    def ingest() -> Response[str]:
        return _granted(lambda: _ingest(routes, hub))

    @routes.post("/monitor_info")
    def monitor_info() -> Response[str]:
        return _monitor(routes, hub, bearer(_header(routes, "authorization")))

    @routes.post("/monitor_info/<token>")
    def monitor_info_by_path(token: str) -> Response[str]:
        return _monitor(routes, hub, token)


def _add_routes_for_readers(routes: APIGatewayHttpRouter, hub: Hub) -> None:
    @routes.get("/health")
    def health() -> Response[str]:
        return _answer(200, {"status": "healthy", "timestamp": hub.clock().isoformat()})

    @routes.get("/monitoring/metrics/current")
    def current() -> Response[str]:
        return _read(current_metrics, routes, hub)

    @routes.get("/monitoring/metrics")
    def history() -> Response[str]:
        return _read(metrics_history, routes, hub)

    @routes.get("/monitoring/trends")
    def heading() -> Response[str]:
        return _read(host_trends, routes, hub)

    @routes.get("/monitoring/notifications")
    def told() -> Response[str]:
        return _read(notifications, routes, hub)

    @routes.get("/api/v1/openapi.json")
    def openapi() -> Response[str]:
        return _read(lambda query, hub: document(), routes, hub)


def _ingest(routes: APIGatewayHttpRouter, hub: Hub) -> Response[str]:
    taken = take_batch(_body(routes, hub), bearer(_header(routes, "authorization")), hub)
    return _answer(
        202,
        {
            "accepted": taken.samples,
            "repeated": taken.is_repeated,
            "late": taken.is_late,
            "next_in_seconds": int(hub.settings.every.total_seconds()),
        },
    )


def _monitor(routes: APIGatewayHttpRouter, hub: Hub, token: str) -> Response[str]:
    try:
        source = routes.current_event.request_context.http.source_ip
        take_monitored(_body(routes, hub), token, source, hub)
    except RefusedError as error:
        return _told(error.status, envelope.failure(error.status, str(error)))
    except StoreError:
        return _busy(envelope.failure(503, "it could not be kept just now; send it again"))
    return _told(200, envelope.SUCCESS)


def _read(read: Reader, routes: APIGatewayHttpRouter, hub: Hub) -> Response[str]:
    def granted() -> Response[str]:
        hub.access.check_reader(bearer(_header(routes, "authorization")))
        query = routes.current_event.query_string_parameters or {}
        return _answer(200, read(query, hub))

    return _granted(granted)


def _granted(answer: Callable[[], Response[str]]) -> Response[str]:
    try:
        return answer()
    except RefusedError as error:
        return _answer(error.status, {"reason": str(error)})
    except StoreError:
        return _busy(json.dumps({"reason": "the store does not answer just now; ask again"}))


def _body(routes: APIGatewayHttpRouter, hub: Hub) -> bytes:
    if _header(routes, "origin"):
        # No page in anybody's browser has measurements to send.
        raise RefusedError(403, "browsers are not heard here")
    event = routes.current_event
    text = event.body or ""
    if len(text) > hub.most_bytes * 4 // 3 + 4:
        raise _too_large(hub)
    try:
        body = base64.b64decode(text, validate=True) if event.is_base64_encoded else text.encode()
    except (binascii.Error, ValueError):
        raise RefusedError(400, "the body cannot be read") from None
    if len(body) > hub.most_bytes:
        raise _too_large(hub)
    return body


def _too_large(hub: Hub) -> RefusedError:
    return RefusedError(413, f"the body is larger than {hub.settings.max_body_kb} KB")


def _header(routes: APIGatewayHttpRouter, name: str) -> str:
    return str(routes.current_event.headers.get(name) or "")


def _busy(body: str) -> Response[str]:
    return _told(503, body, {"Retry-After": str(AGAIN_SECONDS)})


def _answer(status: int, content: dict[str, Any]) -> Response[str]:
    return _told(status, json.dumps(content))


def _told(status: int, body: str, headers: dict[str, Any] | None = None) -> Response[str]:
    secure = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    return Response(
        status_code=status, content_type=JSON, body=body, headers={**secure, **(headers or {})}
    )
