"""The route table on this machine: requests become the events that an HTTP API would send."""

import asyncio
import base64
import logging
import re
import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

LOOPBACK = ("127.0.0.1", "localhost", "::1")
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

_log = logging.getLogger(__name__)
_TOKEN_IN_PATH = re.compile(r"^(/+monitor_info/).+", re.DOTALL)

Resolve = Callable[[dict[str, Any], Any], Mapping[str, Any]]
"""Takes an event and a context; returns the answer as an HTTP API takes it."""


def redacted(path: str) -> str:
    """Return a path as a log may have it: without the token that agents put there."""
    shown = _TOKEN_IN_PATH.sub(r"\1…", path)
    return "".join(c if c.isprintable() else "?" for c in shown)[:200]


def _keep_tokens_out_of_logs() -> None:
    """Quieten those who write down whole paths; what is asked of us, we write down ourselves."""
    logging.getLogger("uvicorn.access").disabled = True
    logging.getLogger("aws_lambda_powertools").setLevel(logging.WARNING)


def application(resolve: Resolve, names: Collection[str], most_bytes: int) -> Starlette:
    """Return the server's application; it answers to these names and no others.

    A page in somebody's browser that made its own name point here is not answered.
    """
    # The route table knows one request at a time, as a Lambda does.
    _keep_tokens_out_of_logs()
    worker = ThreadPoolExecutor(1, thread_name_prefix="requests")

    async def answer(request: Request) -> Response:
        began = time.perf_counter()
        response = await _answer(request, partial(_resolved, resolve, worker), names, most_bytes)
        _log.info(
            "%s %s %s %.1f ms", request.method, redacted(request.url.path), response.status_code,
            (time.perf_counter() - began) * 1000,
        )  # fmt: skip
        return response

    return Starlette(routes=[Route("/{path:path}", answer, methods=list(METHODS))])


async def _answer(
    request: Request,
    resolved: Callable[[dict[str, Any]], Any],
    names: Collection[str],
    most_bytes: int,
) -> Response:
    if _name_called(request) not in names:
        return JSONResponse({"reason": "this is not a name of this server"}, 421)
    try:
        body = await _body(request, most_bytes)
    except ClientDisconnect:
        return Response(status_code=400)
    found = await resolved(_event(request, body))
    content = found.get("body") or ""
    return Response(
        base64.b64decode(content) if found.get("isBase64Encoded") else content,
        status_code=found["statusCode"],
        headers=dict(found.get("headers") or {}),
    )


def _name_called(request: Request) -> str:
    """Return by which name the server was called, without its port."""
    try:
        return (urlsplit(f"//{request.headers.get('host', '')}").hostname or "").lower()
    except ValueError:
        return ""


async def _resolved(resolve: Resolve, worker: ThreadPoolExecutor, event: dict[str, Any]) -> Any:
    return await asyncio.get_running_loop().run_in_executor(worker, resolve, event, None)


async def _body(request: Request, most_bytes: int) -> bytes:
    """Return the body, or so much of it that whoever reads it sees that it is too large."""
    parts, size = [], 0
    async for part in request.stream():
        parts.append(part)
        size += len(part)
        if size > most_bytes:
            break
    return b"".join(parts)[: most_bytes + 1]


def _event(request: Request, body: bytes) -> dict[str, Any]:
    """Return the request as an HTTP API tells it (payload format 2.0)."""
    try:
        text, is_base64 = body.decode("utf-8"), False
    except UnicodeDecodeError:
        text, is_base64 = base64.b64encode(body).decode(), True
    path = request.url.path
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": request.url.query,
        "headers": dict(request.headers),
        "queryStringParameters": dict(request.query_params),
        "requestContext": {
            "stage": "$default",
            "http": {
                "method": request.method,
                "path": path,
                "sourceIp": request.client.host if request.client else "",
            },
        },
        "body": text,
        "isBase64Encoded": is_base64,
    }
