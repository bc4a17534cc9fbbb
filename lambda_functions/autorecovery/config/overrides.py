"""Environment variables that change the configuration, as earlier such stacks had them."""

from collections.abc import Callable, Mapping
from pathlib import PurePath
from typing import Any

from autorecovery.config.problems import Problem, ProblemFound, dotted
from autorecovery.models.actions import WITHOUT_SCRIPT

Content = dict[str, Any]
Origins = dict[str, str]
"""Dotted path to `file`, or to the variable that set it."""

Override = Callable[[Content, str, str, Origins], Content]
"""Takes content, text and name of the variable, and origins to amend; returns new content."""

CPU_METRICS = frozenset({"CPUUtilization", "cpu_usage_active", "cpu_percent"})
"""The metrics that `ALARM_THRESHOLD_CPU` speaks of."""


def override(content: Content, environment: Mapping[str, str], origins: Origins) -> Content:
    """Return the content as the environment changes it. Raises ProblemFound."""
    for variable, change in OVERRIDES.items():
        if text := environment.get(variable, "").strip():
            content = change(content, text, variable, origins)
    return content


def _cpu_warning(content: Content, text: str, variable: str, origins: Origins) -> Content:
    try:
        limit = float(text)
    except ValueError:
        message = f"expected a number such as 80; found {text!r}"
        raise ProblemFound(Problem(variable, message)) from None
    for rule_name, when in _metric_conditions(content).items():
        if when["metric"] in CPU_METRICS:
            changes = _with_warning(when, limit)
            content = _replace(content, ("rules", rule_name, "when"), {**when, **changes})
            for key in changes:
                origins[f"rules.{rule_name}.when.{key}"] = variable
    return content


def _with_warning(when: Mapping[str, Any], limit: float) -> Content:
    """Return the new warning limit, and the other limits where it pushes them aside."""
    downward = when.get("direction") == "below"
    changes: Content = {"warning": limit}
    critical = _number(when.get("critical"))
    if critical is not None and (critical > limit if downward else critical < limit):
        changes["critical"] = limit
    for key in ("clear_below", "clear_above"):
        clear = _number(when.get(key))
        if clear is not None and (clear <= limit if downward else clear >= limit):
            changes[key] = None
    return changes


def _metric(content: Content, text: str, variable: str, origins: Origins) -> Content:
    rule_name = _the_metric_rule(content, variable)
    origins[f"rules.{rule_name}.when.metric"] = variable
    return _replace(content, ("rules", rule_name, "when", "metric"), text)


def _log_group(content: Content, text: str, variable: str, origins: Origins) -> Content:
    sources = content.get("sources")
    logs = sources.get("logs") if isinstance(sources, dict) else None
    if not isinstance(logs, list):
        logs = []
    if len(logs) > 1:
        message = f"there are {len(logs)} log sources; it can only name the group of a single one"
        raise ProblemFound(Problem(variable, message))
    first = logs[0] if logs and isinstance(logs[0], dict) else {}
    origins["sources.logs.0.group"] = variable
    return _replace(content, ("sources", "logs"), [{**first, "group": text}])


def _script(content: Content, text: str, variable: str, origins: Origins) -> Content:
    rule_name = _the_metric_rule(content, variable)
    script = PurePath(text).stem
    if script in WITHOUT_SCRIPT:
        message = f"{script} is no script; write it into the file"
        raise ProblemFound(Problem(variable, message))
    ladder = content["rules"][rule_name].get("recover")
    rungs = list(ladder) if isinstance(ladder, list) else []
    first = rungs[0] if rungs and isinstance(rungs[0], dict) else {}
    # Another script has other parameters: what was given to the first one goes with it.
    kept = first if first.get("run") == script else {k: v for k, v in first.items() if k != "with"}
    origins[f"rules.{rule_name}.recover.0.run"] = variable
    return _replace(content, ("rules", rule_name, "recover"), [{**kept, "run": script}, *rungs[1:]])


def _value(*path: str) -> Override:
    def change(content: Content, text: str, variable: str, origins: Origins) -> Content:
        origins[dotted(path)] = variable
        return _replace(content, path, text)

    return change


OVERRIDES: dict[str, Override] = {
    "METRIC_NAME": _metric,
    "ALARM_THRESHOLD_CPU": _cpu_warning,
    "LOG_GROUP_NAME": _log_group,
    "RECOVERY_SCRIPT_PATH": _script,
    "NOTIFICATION_SUBJECT": _value("notify", "subject"),
    "MESSAGE_PREFIX": _value("notify", "message_prefix"),
}
"""In the order they apply. `SNS_TOPIC_ARN` belongs to settings: a wrong one must not keep the rest
from working."""


def _metric_conditions(content: Content) -> dict[str, dict[str, Any]]:
    rules = content.get("rules")
    if not isinstance(rules, dict):
        return {}
    conditions = {name: rule.get("when") for name, rule in rules.items() if isinstance(rule, dict)}
    return {
        name: when
        for name, when in conditions.items()
        if isinstance(when, dict) and isinstance(when.get("metric"), str)
    }


def _the_metric_rule(content: Content, variable: str) -> str:
    metric_rules = list(_metric_conditions(content))
    if "default" in metric_rules:
        return "default"
    if len(metric_rules) == 1:
        return metric_rules[0]
    message = (
        f"it is not clear which of {len(metric_rules)} metric rules it means;"
        " name one of them 'default'"
    )
    raise ProblemFound(Problem(variable, message if metric_rules else "there is no metric rule"))


def _number(value: object) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _replace(content: Content, path: tuple[str, ...], value: Any) -> Content:
    key, *rest = path
    if not rest:
        return {**content, key: value}
    inner = content.get(key)
    return {**content, key: _replace(inner if isinstance(inner, dict) else {}, tuple(rest), value)}
