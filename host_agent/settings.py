"""What the agent is told: by `agent.toml`, by the environment, by an `.env` file."""

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from host_agent.levels import Limit, Limits

CONTAINER_METRICS = {"cpu": "container_cpu_host_pct", "memory": "container_mem_used_percent"}

METRICS = {
    "cpu": "cpu_usage_active",
    "memory": "mem_used_percent",
    "disk": "disk_used_percent",
    "inodes": "disk_inodes_used_percent",
    "swap": "swap_used_percent",
    "steal": "cpu_usage_steal",
    "iowait": "cpu_usage_iowait",
    "container_cpu": CONTAINER_METRICS["cpu"],
    "container_memory": CONTAINER_METRICS["memory"],
}
"""The names of limits, and the metrics that they limit."""

USUAL_WARNINGS = {"cpu": 80.0, "memory": 85.0, "disk": 90.0, "inodes": 90.0}

FROM_ENVIRONMENT = {"CPU_THRESHOLD": "cpu", "MEMORY_THRESHOLD": "memory", "DISK_THRESHOLD": "disk"}

LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


class SettingsError(ValueError):
    """The settings cannot be used; says where, and what was expected."""


@dataclass(frozen=True, slots=True)
class Settings:
    """All that the agent is told."""

    home: Path
    """Where `data/` and `logs/` are."""
    host: str
    agent: str = ""
    """The name of this agent; the host's unless said."""
    limits: Limits = field(default_factory=lambda: limits_of({}))
    log_level: str = "INFO"
    hub: str = ""
    """The hub's address, such as https://hub.example.com; empty: nothing is shipped."""
    token: str = field(default="", repr=False)
    ca_file: str = ""
    allow_plain_http: bool = False
    ship_every: int = 15
    """Seconds."""
    resolution: int = 1
    """Seconds between the samples that are shipped."""
    spool_mb: int = 64
    containers: bool = True
    sockets: tuple[str, ...] = ()
    """Instead of the usual places."""
    container_every: int = 5
    """Seconds."""
    restarts_per_hour: int = 3
    expected: Mapping[str, int] = field(default_factory=dict)
    virtual_interfaces: bool = False
    skip_mounts: tuple[str, ...] = ()
    also_mounts: tuple[str, ...] = ()
    metrics_port: int = 0
    """Of the OpenMetrics endpoint; 0: none."""
    metrics_address: str = "127.0.0.1"
    metrics_token: str = field(default="", repr=False)

    @property
    def spool(self) -> Path:
        """Where batches wait for the hub."""
        return self.home / "data" / "spool"

    @property
    def log_file(self) -> Path:
        """Where the agent's log is."""
        return self.home / "logs" / "automation.log"


def read_settings(variables: Mapping[str, str], path: Path | None = None) -> Settings:
    """Return the settings of a file, the environment having the last word.

    Without a path it is `$AUTORECOVERY_AGENT_CONFIG`, `agent.toml` in `$AUTORECOVERY_HOME`, or
    `/etc/autorecovery/agent.toml`; none of them need exist. An `.env` in the home or here stands
    in for variables that are not set.
    """
    home = Path(variables.get("AUTORECOVERY_HOME") or ".")
    variables = {**_env_file(home / ".env"), **variables}
    found = _find(variables, path, home)
    document = _read_toml(found) if found else {}
    try:
        return settings_of(document, variables, home)
    except SettingsError as error:
        raise SettingsError(f"{found or 'environment'}: {error}") from error


def settings_of(document: Mapping[str, Any], variables: Mapping[str, str], home: Path) -> Settings:
    """Return the settings that a document says; SettingsError where it makes no sense."""
    _refuse_unknown(document, _TABLES, "")
    agent, hub = _table(document, "agent"), _table(document, "hub")
    containers, metrics = _table(document, "containers"), _table(document, "metrics")
    host = _text(agent, "host") or socket.gethostname()
    limits = limits_of(_table(document, "limits"), variables)
    return Settings(
        home=Path(variables.get("AUTORECOVERY_HOME") or _text(agent, "home") or home),
        host=host,
        agent=_text(agent, "name") or host,
        limits=limits,
        log_level=_log_level(variables.get("LOG_LEVEL") or _text(agent, "log_level") or "INFO"),
        hub=(variables.get("AUTORECOVERY_HUB") or _text(hub, "url")).rstrip("/"),
        token=_token(variables, hub),
        ca_file=_text(hub, "ca_file"),
        allow_plain_http=_flag(hub, "allow_plain_http", default=False),
        ship_every=_whole(hub, "ship_every_seconds", 15, 1, 300),
        resolution=_whole(hub, "resolution_seconds", 1, 1, 300),
        spool_mb=_whole(hub, "spool_mb", 64, 1, 10_000),
        containers=_flag(containers, "enabled", default=True),
        sockets=_texts(containers, "sockets"),
        container_every=_whole(containers, "every_seconds", 5, 1, 300),
        restarts_per_hour=_whole(containers, "restarts_per_hour", 3, 0, 1000),
        expected=_expected(containers),
        virtual_interfaces=_flag(agent, "virtual_interfaces", default=False),
        skip_mounts=_texts(agent, "skip_mounts"),
        also_mounts=_texts(agent, "also_mounts"),
        metrics_port=_whole(metrics, "port", 0, 0, 65535),
        metrics_address=_text(metrics, "address") or "127.0.0.1",
        metrics_token=_text(metrics, "token"),
    )


_LIMIT_KEYS = ("warning", "critical", "clear_below", "for_seconds")
_TABLES = {
    "agent": (
        "host", "name", "home", "log_level", "virtual_interfaces", "skip_mounts", "also_mounts",
    ),
    "hub": (
        "url", "token", "token_file", "ca_file", "allow_plain_http", "ship_every_seconds",
        "resolution_seconds", "spool_mb",
    ),
    "containers": ("enabled", "sockets", "every_seconds", "restarts_per_hour", "expected"),
    "metrics": ("port", "address", "token"),
    "limits": (*METRICS, "mounts", "containers"),
}  # fmt: skip


def limits_of(table: Mapping[str, Any], variables: Mapping[str, str] | None = None) -> Limits:
    """Return the limits; a WARNING limit of the environment has the last word."""
    given = {name: _limit_table(table.get(name, {}), name) for name in METRICS}
    for variable, name in FROM_ENVIRONMENT.items():
        if variables and variables.get(variable, "").strip():
            # What the file says beside was meant for another limit, unless it still fits.
            given[name] = {
                **_still_fitting(given[name], _percent(variables[variable], variable)),
                "warning": _percent(variables[variable], variable),
            }
    by_metric = {
        METRICS[name]: _limit(each, name)
        for name, each in given.items()
        if each or name in USUAL_WARNINGS
    }
    by_object: dict[tuple[str, str], Limit] = {}
    for mount, each in _objects(table, "mounts").items():
        by_object |= _own(mount, each, {"disk": "disk", "inodes": "inodes"}, given, "mounts")
    for container, each in _objects(table, "containers").items():
        names = {"cpu": "container_cpu", "memory": "container_memory"}
        by_object |= _own(container, each, names, given, "containers")
    return Limits(by_metric, by_object)


def _own(
    name: str,
    table: Mapping[str, Any],
    kinds: Mapping[str, str],
    given: Mapping[str, Mapping[str, float]],
    where: str,
) -> dict[tuple[str, str], Limit]:
    """Return the limits of one object; what it does not say is as for all."""
    _refuse_unknown(table, dict.fromkeys(kinds, ()), f'limits.{where}."{name}".')
    found = {}
    for kind, general in kinds.items():
        if kind in table:
            place = f'{where}."{name}".{kind}'
            said = _limit_table(table[kind], place)
            base = _still_fitting(given[general], said.get("warning"))
            found[METRICS[general], name] = _limit({**base, **said}, place, general)
    return found


def _still_fitting(table: Mapping[str, float], warning: float | None) -> dict[str, float]:
    """Return what of a limit still makes sense with another warning limit."""
    if warning is None:
        return dict(table)
    kept = {"for_seconds": table.get("for_seconds"), "critical": table.get("critical")}
    if kept["critical"] is not None and kept["critical"] <= warning:
        del kept["critical"]
    return {key: value for key, value in kept.items() if value is not None}


def _limit_table(table: object, where: str) -> dict[str, float]:
    if isinstance(table, int | float) and not isinstance(table, bool):
        table = {"warning": table}  # `cpu = 70` says enough
    if not isinstance(table, Mapping):
        raise SettingsError(f"limits.{where}: expected a number or a table")
    _refuse_unknown(table, dict.fromkeys(_LIMIT_KEYS, ()), f"limits.{where}.")
    return {key: _number(value, f"limits.{where}.{key}") for key, value in table.items()}


def _limit(table: Mapping[str, float], where: str, general: str = "") -> Limit:
    warning = table.get("warning", USUAL_WARNINGS.get(general or where))
    if warning is None:
        raise SettingsError(f"limits.{where}.warning: expected a number")
    limit = Limit.derived(
        warning, table.get("critical"), table.get("clear_below"), table.get("for_seconds", 0.0)
    )
    if not limit.clear_below <= limit.warning <= limit.critical:
        raise SettingsError(
            f"limits.{where}: expected clear_below ({limit.clear_below:g}) ≤ warning"
            f" ({limit.warning:g}) ≤ critical ({limit.critical:g})"
        )
    return limit


def _find(variables: Mapping[str, str], path: Path | None, home: Path) -> Path | None:
    told = path or (Path(p) if (p := variables.get("AUTORECOVERY_AGENT_CONFIG")) else None)
    if told is not None:
        return told
    for place in (home / "agent.toml", Path("/etc/autorecovery/agent.toml")):
        if place.is_file():
            return place
    return None


def _read_toml(path: Path) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: {error}") from error


def _env_file(path: Path) -> dict[str, str]:
    """Return `NAME=value` lines; quotes around a value and `export` before a name are left out."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return {}
    found = {}
    for line in text.splitlines():
        name, equals, value = line.strip().removeprefix("export ").partition("=")
        if equals and not name.startswith("#"):
            found[name.strip()] = value.strip().strip("\"'")
    return found


def _token(variables: Mapping[str, str], hub: Mapping[str, Any]) -> str:
    if variables.get("AUTORECOVERY_TOKEN"):
        return variables["AUTORECOVERY_TOKEN"].strip()
    path = _text(hub, "token_file")
    if not path:
        return _text(hub, "token")
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise SettingsError(f"hub.token_file: {path}: {error.strerror}") from error


def _refuse_unknown(
    table: Mapping[str, Any], known: Mapping[str, tuple[str, ...]], where: str
) -> None:
    for key, content in table.items():
        if key not in known:
            raise SettingsError(f"{where}{key}: unknown{_suggestion(key, known)}")
        if not where and isinstance(content, Mapping):
            _refuse_unknown(content, dict.fromkeys(known[key], ()), f"{key}.")


def _suggestion(key: str, known: Mapping[str, Any]) -> str:
    import difflib

    close = difflib.get_close_matches(key, known, 1)
    return f"; did you mean {close[0]}?" if close else f"; known are {', '.join(known)}"


def _table(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = document.get(name, {})
    if not isinstance(found, Mapping):
        raise SettingsError(f"{name}: expected a table")
    return found


def _objects(table: Mapping[str, Any], name: str) -> Mapping[str, Mapping[str, Any]]:
    found = _table(table, name)
    for key, content in found.items():
        if not isinstance(content, Mapping):
            raise SettingsError(f'limits.{name}."{key}": expected a table')
    return found


def _text(table: Mapping[str, Any], key: str) -> str:
    value = table.get(key, "")
    if not isinstance(value, str):
        raise SettingsError(f"{key}: expected text")
    return value


def _texts(table: Mapping[str, Any], key: str) -> tuple[str, ...]:
    value = table.get(key, [])
    if not isinstance(value, list | tuple) or not all(isinstance(each, str) for each in value):
        raise SettingsError(f"{key}: expected a list of texts")
    return tuple(value)


def _flag(table: Mapping[str, Any], key: str, *, default: bool) -> bool:
    value = table.get(key, default)
    if not isinstance(value, bool):
        raise SettingsError(f"{key}: expected true or false")
    return value


def _whole(table: Mapping[str, Any], key: str, default: int, least: int, most: int) -> int:
    value = table.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise SettingsError(f"{key}: expected a whole number from {least} to {most}")
    return value


def _expected(table: Mapping[str, Any]) -> dict[str, int]:
    found = _table(table, "expected")
    return {name: _whole(found, name, 1, 0, 10_000) for name in found}


def _number(value: object, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e9:
        raise SettingsError(f"{where}: expected a number of 0 or more")
    return float(value)


def _percent(text: str, variable: str) -> float:
    try:
        value = float(text.strip().removesuffix("%"))
    except ValueError:
        value = -1.0
    if not 0 <= value <= 100:
        raise SettingsError(f"{variable}: expected a number from 0 to 100")
    return value


def _log_level(text: str) -> str:
    if text.strip().upper() not in LOG_LEVELS:
        raise SettingsError(f"LOG_LEVEL: expected one of {', '.join(LOG_LEVELS)}")
    return text.strip().upper()


def environment() -> Mapping[str, str]:
    """Return the process environment."""
    return os.environ
