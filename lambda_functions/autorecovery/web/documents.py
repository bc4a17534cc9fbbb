"""What hosts send, as it is on the wire: read at the door, and trusted inside."""

from datetime import datetime
from typing import Annotated, Any, Literal, TypeVar

import orjson
from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    FiniteFloat,
    ValidationError,
)

from autorecovery.config.ingest import HOST_NAME
from autorecovery.web.access import RefusedError

MOST_SAMPLES = 3600
"""Of one batch: an hour of seconds."""
MOST_METRICS = 300
"""Of one sample."""

MetricName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_.:/-]{0,99}$")]


class _Document(BaseModel):
    # Of the kinds that are said, nothing that only looks alike; what is new in it is passed over.
    model_config = ConfigDict(strict=True, extra="ignore", frozen=True, defer_build=True)


class SampleDocument(_Document):
    """What was measured at one moment."""

    at: AwareDatetime
    metrics: dict[MetricName, FiniteFloat] = Field(max_length=MOST_METRICS)
    mounts: dict[str, Any] = {}
    disks: dict[str, Any] = {}
    interfaces: dict[str, Any] = {}
    cores: list[Any] = []
    temperatures: dict[str, Any] = {}


class BatchDocument(_Document):
    """What a host sends at once. Without samples it is a sign of life."""

    schema_version: Literal[1]
    host: str = Field(pattern=HOST_NAME, examples=["web-1"])
    agent: str = Field("", max_length=100)
    key: str = Field(
        min_length=1, max_length=100, description="The same whenever the same batch is sent again."
    )
    interval_seconds: int = Field(ge=1, le=3600)
    late: bool = False
    sent_at: AwareDatetime | None = Field(
        None, description="By the host's clock: what it is off by is made good."
    )
    samples: list[SampleDocument] = Field(max_length=MOST_SAMPLES)
    containers: list[dict[str, Any]] = []
    conditions: list[dict[str, Any]] = Field([], max_length=1000)
    processes: list[dict[str, Any]] = Field([], max_length=1000)
    unread: dict[str, Any] = {}


def _no_truth_value(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("expected a number")
    return value


def _whole(value: object) -> object:
    """Let the agents' MB have decimals, as some send them."""
    _no_truth_value(value)
    return round(value) if isinstance(value, float) and abs(value) < 1e15 else value


def _written_moment(value: object) -> object:
    if isinstance(value, str):
        return datetime.fromisoformat(value.strip()).replace(tzinfo=None)
    raise ValueError("expected a time such as 2024-09-04 15:30:00")


Name = Annotated[str, Field(max_length=100)]
Kind = Annotated[str, Field(max_length=50)]
Percent = Annotated[FiniteFloat, BeforeValidator(_no_truth_value), Field(ge=0, le=999.99)]
ManyPercent = Annotated[FiniteFloat, BeforeValidator(_no_truth_value), Field(ge=0, le=99999.99)]
Megabytes = Annotated[FiniteFloat, BeforeValidator(_no_truth_value), Field(ge=0, le=99999999.99)]
Count = Annotated[int, BeforeValidator(_whole), Field(ge=0, le=2**31 - 1)]
Written = Annotated[datetime, BeforeValidator(_written_moment, json_schema_input_type=str)]


class _Monitored(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, defer_build=True)


class ContainerDocument(_Monitored):
    """One container, as the agents of `/monitor_info` tell it."""

    engine_type: Kind
    agent_id: Name
    node_name: Name
    container_name: Name
    status: Kind
    con_cpu_percent: ManyPercent
    con_memory_usage: Megabytes
    con_memory_percent: Percent
    con_get_datetime: Written


class MonitorDocument(_Monitored):
    """One server and its containers, as the agents of `/monitor_info` tell it."""

    engine_type: Kind
    agent_id: str = Field(pattern=HOST_NAME, examples=["agent_1"])
    ser_cpu_count: Count
    ser_cpu_percent: Percent
    ser_memory_total: Count
    ser_memory_used: Count
    ser_memory_percent: Percent
    ser_get_datetime: Written
    container_stats: list[ContainerDocument] = []


D = TypeVar("D", bound=BaseModel)


def read_document(kind: type[D], body: bytes, most_containers: int) -> D:
    """Return the document in a body; RefusedError says what is wrong with the first wrong thing."""
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise RefusedError(400, f"not JSON: {error}"[:200]) from None
    if not isinstance(content, dict):
        raise RefusedError(422, "expected a JSON object")
    for name in ("containers", "container_stats"):
        many = content.get(name)
        if isinstance(many, list) and len(many) > most_containers:
            raise RefusedError(
                422, f"{name}: {len(many)} are too many; expected at most {most_containers}"
            )
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        raise RefusedError(422, _first(error)) from None


def _first(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = ".".join(str(part)[:60] for part in first["loc"][:6])
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    message = f"{place}: {first['msg']}{more}" if place else first["msg"]
    # It is shown to people, and perhaps written into a log.
    return "".join(c if c.isprintable() else "?" for c in message)[:300]
