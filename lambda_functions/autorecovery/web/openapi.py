"""The OpenAPI document of the routes, made of the very documents that are read at the door."""

from functools import cache
from typing import Any

from pydantic.json_schema import models_json_schema

from autorecovery.models.reason import Level
from autorecovery.web.asked import MOST_ROWS
from autorecovery.web.documents import BatchDocument, MonitorDocument

Content = dict[str, Any]

_REASON: Content = {
    "type": "object",
    "properties": {"reason": {"type": "string"}},
    "required": ["reason"],
}
_ENVELOPE: Content = {
    "type": "object",
    "properties": {
        "data": {"type": "string"},
        "pageInfo": {"type": "object"},
        "resultCode": {"type": "string"},
        "resultMessage": {"type": "string"},
        "success": {"type": "boolean"},
    },
    "required": ["data", "pageInfo", "resultCode", "resultMessage", "success"],
}
_TAKEN: Content = {
    "type": "object",
    "properties": {
        "accepted": {"type": "integer"},
        "repeated": {"type": "boolean"},
        "late": {"type": "boolean"},
        "next_in_seconds": {"type": "integer"},
    },
    "required": ["accepted", "repeated", "late", "next_in_seconds"],
}
_REFUSALS = ("400", "401", "403", "413", "422", "503")


@cache
def document() -> Content:
    """Return the document; every route of the hub is in it."""
    _, schemas = models_json_schema(
        [(BatchDocument, "validation"), (MonitorDocument, "validation")],
        ref_template="#/components/schemas/{model}",
    )
    monitor = _sends("MonitorDocument", _ENVELOPE, _ENVELOPE, "200")
    return {
        "openapi": "3.1.0",
        "info": {"title": "autorecovery hub", "version": "1"},
        "components": {
            "schemas": schemas["$defs"],
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}],
        "paths": {
            "/health": {"get": {**_reads(_listed("status", "timestamp")), "security": []}},
            "/api/v1/ingest": {"post": _sends("BatchDocument", _TAKEN, _REASON, "202")},
            "/api/v1/openapi.json": {"get": _reads({"type": "object"})},
            "/monitor_info": {"post": monitor},
            "/monitor_info/{token}": {"post": _by_path(monitor)},
            "/monitoring/metrics/current": {
                "get": _reads(_listed("timestamp", "hosts"), host=_TEXT)
            },
            "/monitoring/metrics": {
                "get": _reads(
                    _listed("metrics"), limit=_numbers(MOST_ROWS), host=_TEXT, to=_MOMENT,
                    resolution={"type": "integer", "enum": [1, 10, 60, 3600]}, metric=_TEXT,
                    **{"from": _MOMENT},
                )
            },
            "/monitoring/trends": {
                "get": _reads(
                    _listed("span", "trends"), span={"type": "string", "enum": ["week", "month"]}
                )
            },
            "/monitoring/notifications": {
                "get": _reads(
                    _listed("notifications"), channel=_TEXT, limit=_numbers(1000),
                    level={"type": "string", "enum": [str(level) for level in Level]},
                )
            },
        },
    }  # fmt: skip


_TEXT: Content = {"type": "string"}
_TOKEN: Content = {"type": "string", "pattern": r"^[A-Za-z0-9_-]{16,100}$"}
_MOMENT: Content = {"type": "string", "format": "date-time"}


def _numbers(most: int) -> Content:
    return {"type": "integer", "minimum": 1, "maximum": most}


def _listed(*names: str) -> Content:
    return {"type": "object", "required": list(names)}


def _in(place: str, name: str, schema: Content) -> Content:
    return {"name": name, "in": place, "required": place == "path", "schema": schema}


def _reads(answer: Content, **query: Content) -> Content:
    return {
        "parameters": [_in("query", name, schema) for name, schema in query.items()],
        "responses": {
            "200": _told("what was asked for", answer),
            **{status: _told("refused", _REASON) for status in (*_REFUSALS, "404")},
        },
    }


def _sends(document: str, answer: Content, refusal: Content, status: str) -> Content:
    reference = {"$ref": f"#/components/schemas/{document}"}
    return {
        "requestBody": {"required": True, "content": {"application/json": {"schema": reference}}},
        "responses": {
            status: _told("taken", answer),
            **{each: _told("refused; nothing of it was kept", refusal) for each in _REFUSALS},
        },
    }


def _by_path(monitor: Content) -> Content:
    """Return the same with the token in the path; what cannot be one is no path at all."""
    responses = {**monitor["responses"], "404": _told("not found", {"type": "object"})}
    token = [_in("path", "token", _TOKEN)]
    return {**monitor, "security": [], "parameters": token, "responses": responses}


def _told(description: str, schema: Content) -> Content:
    return {"description": description, "content": {"application/json": {"schema": schema}}}
