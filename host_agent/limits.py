"""Limits as a settings file and the environment say them."""

from collections.abc import Mapping
from typing import Any

from host_agent.entries import SettingsError, number, refuse_unknown, table
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

LIMIT_NAMES = (*METRICS, "mounts", "containers")

_LIMIT_KEYS = ("warning", "critical", "clear_below", "for_seconds")


def limits_of(said: Mapping[str, Any], variables: Mapping[str, str] | None = None) -> Limits:
    """Return the limits; a WARNING limit of the environment has the last word."""
    given = {name: _limit_table(said.get(name, {}), name) for name in METRICS}
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
    for mount, each in _objects(said, "mounts").items():
        by_object |= _own(mount, each, {"disk": "disk", "inodes": "inodes"}, given, "mounts")
    for container, each in _objects(said, "containers").items():
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
    refuse_unknown(table, dict.fromkeys(kinds, ()), f'limits.{where}."{name}".')
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
    refuse_unknown(table, dict.fromkeys(_LIMIT_KEYS, ()), f"limits.{where}.")
    return {key: number(value, f"limits.{where}.{key}") for key, value in table.items()}


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


def _objects(limits: Mapping[str, Any], name: str) -> Mapping[str, Mapping[str, Any]]:
    found = table(limits, name)
    for key, content in found.items():
        if not isinstance(content, Mapping):
            raise SettingsError(f'limits.{name}."{key}": expected a table')
    return found


def _percent(text: str, variable: str) -> float:
    try:
        value = float(text.strip().removesuffix("%"))
    except ValueError:
        value = -1.0
    if not 0 <= value <= 100:
        raise SettingsError(f"{variable}: expected a number from 0 to 100")
    return value
