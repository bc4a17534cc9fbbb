"""What the agent is told: by `agent.toml`, by the environment, by an `.env` file."""

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from host_agent.entries import (
    SettingsError,
    flag,
    refuse_unknown,
    table,
    text,
    texts,
    whole,
)
from host_agent.levels import Limits
from host_agent.limits import LIMIT_NAMES, limits_of

LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


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
    refuse_unknown(document, _TABLES, "")
    agent, hub = table(document, "agent"), table(document, "hub")
    containers, metrics = table(document, "containers"), table(document, "metrics")
    host = text(agent, "host") or socket.gethostname()
    limits = limits_of(table(document, "limits"), variables)
    return Settings(
        home=Path(variables.get("AUTORECOVERY_HOME") or text(agent, "home") or home),
        host=host,
        agent=text(agent, "name") or host,
        limits=limits,
        log_level=_log_level(variables.get("LOG_LEVEL") or text(agent, "log_level") or "INFO"),
        hub=(variables.get("AUTORECOVERY_HUB") or text(hub, "url")).rstrip("/"),
        token=_token(variables, hub),
        ca_file=text(hub, "ca_file"),
        allow_plain_http=flag(hub, "allow_plain_http", default=False),
        ship_every=whole(hub, "ship_every_seconds", 15, 1, 300),
        resolution=whole(hub, "resolution_seconds", 1, 1, 300),
        spool_mb=whole(hub, "spool_mb", 64, 1, 10_000),
        containers=flag(containers, "enabled", default=True),
        sockets=texts(containers, "sockets"),
        container_every=whole(containers, "every_seconds", 5, 1, 300),
        restarts_per_hour=whole(containers, "restarts_per_hour", 3, 0, 1000),
        expected=_expected(containers),
        virtual_interfaces=flag(agent, "virtual_interfaces", default=False),
        skip_mounts=texts(agent, "skip_mounts"),
        also_mounts=texts(agent, "also_mounts"),
        metrics_port=whole(metrics, "port", 0, 0, 65535),
        metrics_address=text(metrics, "address") or "127.0.0.1",
        metrics_token=text(metrics, "token"),
    )


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
    "limits": LIMIT_NAMES,
}  # fmt: skip


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
    path = text(hub, "token_file")
    if not path:
        return text(hub, "token")
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise SettingsError(f"hub.token_file: {path}: {error.strerror}") from error


def _expected(containers: Mapping[str, Any]) -> dict[str, int]:
    found = table(containers, "expected")
    return {name: whole(found, name, 1, 0, 10_000) for name in found}


def _log_level(text: str) -> str:
    if text.strip().upper() not in LOG_LEVELS:
        raise SettingsError(f"LOG_LEVEL: expected one of {', '.join(LOG_LEVELS)}")
    return text.strip().upper()


def environment() -> Mapping[str, str]:
    """Return the process environment."""
    return os.environ
