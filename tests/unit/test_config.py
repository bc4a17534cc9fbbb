"""The configuration: every mistake with its whole message, overrides, origins, shipping."""

import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from autorecovery.config import (
    InvalidConfigurationError,
    Resolved,
    dump,
    flatten,
    load,
    load_shipped,
    loads,
)
from autorecovery.models.actions import WITHOUT_SCRIPT
from autorecovery.models.reason import Level
from autorecovery.models.rule import (
    ALARM_MARKER,
    Frequency,
    LogCondition,
    MetricCondition,
    Rule,
    Sustained,
    alarm_marker,
)
from autorecovery.scripts import shipped_scripts

PROJECT = Path(__file__).resolve().parents[2]
CONFIGS = PROJECT / "tests" / "configs"
SCRIPTS = shipped_scripts(PROJECT / "recovery_scripts")

FIVE_MINUTES = timedelta(minutes=5)
CPU = "when: { metric: CPUUtilization, warning: 80, critical: 95 }"


def read(text: str, environment: Mapping[str, str] | None = None) -> Resolved:
    """Return what a text says, with every rung checked against the shipped scripts."""
    return loads(text, "config.yaml", environment or {}, SCRIPTS)


def complaint(text: str, environment: Mapping[str, str] | None = None) -> str:
    """Return everything that is wrong with a text."""
    with pytest.raises(InvalidConfigurationError) as caught:
        read(text, environment)
    return str(caught.value)


def metric_condition(rule: Rule) -> MetricCondition:
    """Return the condition of a rule about a metric."""
    assert isinstance(rule.when, MetricCondition)
    return rule.when


MESSAGES = {
    "absence_too_short": [
        "4:38: rules.cpu.when.for: 1m 30s cannot tell silence from a late datapoint;"
        " expected at least 2m",
    ],
    "action_with_parameters": [
        "6:33: rules.cpu.recover.0.with: reboot_instance takes no parameters; found force",
    ],
    "after_replacement": [
        "8:11: rules.cpu.recover.2.run: nothing can be run after replace_in_group: the machine is"
        " gone",
    ],
    "asks_twice": [
        "7:11: rules.cpu.recover.1.run: asks a second time, and nothing was run in between",
    ],
    "autonomy_unknown": [
        "5:5: rules.cpu.autonomy: expected 'observe', 'ask' or 'auto'; found 'autp'; did"
        " you mean 'auto'?",
    ],
    "canary_no_instance": [
        "2:3: canary.target: expected something like 'i-0a1b2c3d4e5f67890'; found 'web-1'",
    ],
    "canary_too_often": [
        "3:3: canary.every: expected whole minutes between 15m and 12h; found 5m",
    ],
    "canary_topic_of_people": [
        "4:3: canary.topic: this is the topic of people; the canary needs one of its own",
    ],
    "clear_above_upwards": [
        "4:5: rules.cpu.when: clear_above is for `direction: below`; say clear_below",
    ],
    "clearing_beyond_limit": [
        "4:5: rules.cpu.when: the clearing value (85) must not lie beyond the first limit (80)",
    ],
    "condition_missing": [
        "3:3: rules.cpu.when: is missing",
    ],
    "contains_itself": [
        "2:8: rules.cpu: contains itself",
    ],
    "count_of_nothing": [
        "4:38: rules.cpu.when.count: expected a count and a window such as '3 per 5m';"
        " found '0 per 5m'",
    ],
    "date_that_is_none": [
        "1:10: service: not YAML: month must be in 1..12",
    ],
    "duration_of_half_seconds": [
        "5:5: rules.cpu.cooldown: expected whole seconds; found '1.5s'",
    ],
    "duration_too_long": [
        "5:5: rules.cpu.cooldown: expected a duration of at most 365d; found '99999999999999d'",
    ],
    "duration_unreadable": [
        "5:5: rules.cpu.cooldown: expected a duration such as 90s, 15m, 1h 30m or 2d;"
        " found '10 minutes'",
    ],
    "email_no_address": [
        "3:11: notify.email.0: expected something like 'ops@example.com'; found 'ops'",
    ],
    "email_no_list": [
        "2:11: notify.email: expected a list, such as [a, b]; found 'ops@example.com'",
    ],
    "field_no_path": [
        "4:20: rules.cpu.when.log.field: expected something like '$.host.id'; found 'level'",
    ],
    "field_without_value": [
        "4:13: rules.cpu.when.log: a field needs the value it equals",
    ],
    "foreign_object": [
        "1:1: service: expected text; found a list",
    ],
    "functions_misspelled": ["2:1: lambdas: unknown key; did you mean 'lambda'?"],
    "ingest_body_too_small": [
        "2:3: ingest.max_body_kb: expected greater than or equal to 16; found 1",
    ],
    "ingest_host_name": [
        "3:5: ingest.hosts.web 1.[key]: expected ^[A-Za-z0-9][A-Za-z0-9._:-]{0,99}$; found 'web 1'",
    ],
    "ingest_no_network": [
        "2:3: ingest.allow_from: expected networks such as 10.0.0.0/8: 10.0.0.1/8 has host bits"
        " set; found a list",
    ],
    "ingest_timezone_unknown": [
        "2:3: ingest.timezone: expected a time zone such as Europe/Berlin; found 'Europe/Berlim'",
    ],
    "ingest_token_in_clear": [
        "3:14: ingest.hosts.web-1.token: a secret does not belong in this file; say where it is"
        " kept: env:NAME, ssm:/PATH, secretsmanager:ID#KEY or file:/PATH",
    ],
    "ingest_token_of_operator": [
        "4:14: ingest.hosts.web-1.token: the token of the operator: it proves nobody",
    ],
    "ingest_token_shared": [
        "4:14: ingest.hosts.web-2.token: the token of web-1: it proves nobody",
    ],
    "ingest_too_often": [
        "2:3: ingest.every: expected between 1s and 5m; found 0s",
    ],
    "ingest_unknown_key": [
        "2:3: ingest.host: unknown key; did you mean 'hosts'?",
    ],
    "key_no_text": [
        "2:3: a key must be plain text",
    ],
    "limit_missing": [
        "4:5: rules.cpu.when: give a limit: warning, critical or both",
    ],
    "limit_no_number": [
        "4:37: rules.cpu.when.warning: expected a number; found 'high'",
    ],
    "limit_not_finite": [
        "4:37: rules.cpu.when.warning: expected a finite number; found nan",
    ],
    "limit_truth_value": [
        "4:37: rules.cpu.when.warning: expected a number; found true",
    ],
    "limits_swapped": [
        "4:5: rules.cpu.when: critical (80) must lie beyond warning (95)",
    ],
    "log_source_group": [
        "4:7: sources.logs.0.group: expected something like '/shop/metrics'; found"
        " '/shop/my metrics'",
    ],
    "log_source_no_list": [
        "3:3: sources.logs: expected a list, such as [a, b]; found '/shop/metrics'",
    ],
    "log_source_path": [
        "5:17: sources.logs.0.fields.target: expected something like '$.host.id'; found"
        " 'instance_id'",
    ],
    "memory_too_small": [
        "2:11: lambda.memory_mb: expected greater than or equal to 128; found 64",
    ],
    "no_condition": [
        "4:5: rules.cpu.when: expected one condition, which starts with one of: metric,"
        " log, alarm, state, absence",
    ],
    "no_mapping": [
        "1:1: expected keys and values at the top, such as `service: shop`",
    ],
    "no_yaml": [
        "3:1: not YAML: expected the node content, but found '<stream end>'",
    ],
    "parameter_injected": [
        "7:9: rules.cpu.recover.0.with: restart_service: service is 'nginx; reboot',"
        " which does not match ^[A-Za-z0-9][A-Za-z0-9_.@:-]{0,127}$",
    ],
    "parameter_missing": [
        "6:9: rules.cpu.recover.0.with: restart_service needs a value for 'service'",
    ],
    "pattern_and_field": [
        "4:13: rules.cpu.when.log: give either a field with the value it equals, or a pattern",
    ],
    "pattern_broken": [
        "4:13: rules.cpu.when.log: not a regular expression: missing ), unterminated"
        " subpattern at position 0",
    ],
    "period_of_nothing": [
        "4:50: rules.cpu.when.period: expected at least 1s",
    ],
    "prefix_no_text": [
        "2:11: notify.subject_prefix: expected text; put quotes around 500",
    ],
    "recovery_never_reached": [
        "3:3: rules.cpu.recover_at: the rule never gets worse than warning, so nothing"
        " would ever be run; expected `recover_at: warning`",
    ],
    "recovery_without_warning_limit": [
        "5:5: rules.cpu.recover_at: the rule has no warning limit; expected critical",
    ],
    "escalation_unknown_channel": [
        "5:26: notify.escalation.0.to.0: no such channel: 'night-fone'; did you mean 'night-phone'?"
    ],
    "channel_two_services": [
        "3:5: notify.channels.ops: give exactly one of slack, webhook, telegram, ses, apprise"
    ],
    "channel_secret_in_clear": [
        "3:41: notify.channels.ops.slack.token: a secret does not belong in this file; say where"
        " it is kept: env:NAME, ssm:/PATH, secretsmanager:ID#KEY or file:/PATH"
    ],
    "group_without_pause": [
        "2:12: notify.group.interval: expected at least 10s",
    ],
    "group_repeats_too_soon": [
        "2:27: notify.group.repeat: shorter than the interval of 10m",
    ],
    "reminders_without_wait": [
        "2:28: notify.reminders.1: expected a wait such as 15m; found none at all",
    ],
    "rule_name_unusable": [
        "3:3: rules.cpu: $(reboot): a rule's name is 1 to 100 letters, digits, blanks and . _ -",
    ],
    "rule_named_inside": [
        "4:5: rules.cpu.name: unknown key; a rule is named by its key",
    ],
    "rule_no_mapping": [
        "3:3: rules.cpu: expected keys and values; found 'high'",
    ],
    "rule_unknown_key": [
        "5:5: rules.cpu.recovr: unknown key; did you mean 'recover'?",
    ],
    "rule_twice": [
        "5:3: rules.cpu: written twice; keep one",
    ],
    "rule_with_a_twin": [
        "6:5: rules.load.when: the same condition as rule 'cpu': both would act on one machine",
    ],
    "service_name": [
        "1:1: service: expected something like 'shop'; found 'my shop'",
    ],
    "several_mistakes": [
        "1:1: service: expected something like 'shop'; found 'my shop'",
        "4:37: rules.cpu.when.warnning: unknown key; did you mean 'warning'?",
        "5:5: rules.cpu.autonomy: expected 'observe', 'ask' or 'auto'; found 'always'",
    ],
    "state_unknown": [
        "4:13: rules.cpu.when.state: expected 'stopped', 'stopping', 'shutting-down',"
        " 'terminated', 'spot-interruption', 'health-event' or 'silent'; found 'stoped'; did"
        " you mean 'stopped'?",
    ],
    "sustained_too_many": [
        "4:50: rules.cpu.when.sustained: 200 are too many to remember; expected at most 100",
    ],
    "sustained_too_short": [
        "4:50: rules.cpu.when.sustained: 6 periods of 1m take 6m, more than the window of 5m",
    ],
    "sustained_unreadable": [
        "4:50: rules.cpu.when.sustained: expected a count and a window such as '3 within"
        " 5m'; found '3 in 5m'",
    ],
    "tab": [
        "3:1: not YAML: found character '\\t' that cannot start any token",
    ],
    "rule_named_canary": [
        "2:3: rules.canary: this name is kept for the rule of `canary`, which writes itself",
    ],
    "tag_missing": [
        "2:12: targets.tag: expected at least 1; found 0",
    ],
    "timeout_too_long": [
        "2:11: lambda.timeout: expected between 3s and 15m; found 20m",
    ],
    "topic_no_arn": [
        "2:11: notify.topic_arn: expected something like"
        " 'arn:aws:sns:eu-west-1:111122223333:ops'; found 'ops-topic'",
    ],
    "unknown_action": [
        "6:11: rules.cpu.recover.0.run: no such script: 'stop_start_instanc'; did you mean"
        " 'stop_start_instance'?",
    ],
    "unknown_key": [
        "2:1: target: unknown key; did you mean 'targets'?",
    ],
    "unknown_key_in_condition": [
        "4:37: rules.cpu.when.warnning: unknown key; did you mean 'warning'?",
    ],
    "unknown_parameter": [
        "6:33: rules.cpu.recover.0.with: restart_service has no parameter 'mode'; it"
        " knows service, manager, supervisor_config, settle, within",
    ],
    "unknown_script": [
        "6:11: rules.cpu.recover.0.run: no such script: 'restart_servce'; did you mean"
        " 'restart_service'?",
    ],
    "value_missing": ["1:1: service: expected text; found nothing"],
    "verification_cannot_be_met": [
        "8:9: rules.cpu.recover.0.verify: healthy_for cannot be longer than within",
    ],
    "verification_too_short": [
        "8:19: rules.cpu.recover.0.verify.within: 1m 30s cannot see two periods of 1m;"
        " give it more time, or the metric a shorter period",
    ],
    "window_of_nothing": [
        "4:38: rules.cpu.when.count: the window is empty; expected one such as 5m",
    ],
}
"""What each of the files is answered, after the file's name: line, column, path, expectation."""


@pytest.mark.parametrize("name", MESSAGES)
def test_a_mistake_is_told_with_place_expectation_and_suggestion(name: str) -> None:
    with pytest.raises(InvalidConfigurationError) as caught:
        load(CONFIGS / f"{name}.yaml", {}, SCRIPTS)
    expected = "\n".join(f"{name}.yaml:{message}" for message in MESSAGES[name])
    assert str(caught.value) == expected


LADDER = """
rules:
  cpu:
    when: { metric: CPUUtilization, warning: 80, critical: 95, period: 5m }
    recover:
      - { run: restart_service, with: { service: nginx }, verify: { within: 15m } }
      - { run: reboot_instance, verify: { within: 15m } }
      - { run: ask_human }
      - { run: stop_start_instance, with: {}, verify: { within: 15m } }
      - { run: scale_out, verify: { within: 15m } }
      - { run: replace_in_group, verify: { within: 15m } }
      - { run: ask_human }
"""


def test_a_ladder_may_have_every_action_and_ask_in_between_and_at_its_end() -> None:
    rungs = read(LADDER).configuration.rules["cpu"].recover
    assert {rung.run for rung in rungs} == {"restart_service", *WITHOUT_SCRIPT}


def test_every_mistake_kept_as_a_file_has_its_message() -> None:
    assert {path.stem for path in CONFIGS.glob("*.yaml")} == set(MESSAGES)


def test_a_file_that_cannot_be_read_is_told_like_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfigurationError, match="cannot be read"):
        load(tmp_path / "config.yaml", {})
    (tmp_path / "latin.yaml").write_bytes(b"service: caf\xe9\n")
    with pytest.raises(InvalidConfigurationError, match="cannot be read"):
        load(tmp_path / "latin.yaml", {})


LAUGHS = "a: &a [x, x, x, x, x, x, x, x]\n" + "\n".join(
    f"{here}: &{here} [{', '.join([f'*{there}'] * 8)}]"
    for there, here in zip("abcdefgh", "bcdefghi", strict=True)
)
"""A few lines of which aliases make a hundred million values."""


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("service: \x00", "config.yaml: not YAML"),
        ("[" * 900, "config.yaml: not a configuration: nested too deeply"),
        (LAUGHS, "config.yaml: more than 50000 values"),
        ("service: " + "9" * 5000, "config.yaml:1:10: service: not YAML"),
    ],
)
def test_what_is_hardly_yaml_is_refused_without_a_traceback(text: str, told: str) -> None:
    assert complaint(text).startswith(told)


def test_an_empty_file_is_a_valid_configuration() -> None:
    assert read("").configuration.service == "autorecovery"


def test_the_shipped_configuration_is_valid_and_asks_before_it_acts() -> None:
    rules = load(PROJECT / "config.yaml", {}, SCRIPTS).configuration.rules
    assert {rule.autonomy for rule in rules.values()} == {"ask"}
    assert metric_condition(rules["cpu-overload"]).warning == 80
    assert metric_condition(rules["cpu-overload"]).critical == 95


def test_merged_keys_may_be_overridden() -> None:
    text = f"""
rules:
  cpu: &base
    {CPU}
    autonomy: observe
  memory:
    <<: *base
    when: {{ metric: mem_used_percent, warning: 80 }}
"""
    rules = read(text).configuration.rules
    assert metric_condition(rules["memory"]).metric == "mem_used_percent"
    assert rules["memory"].autonomy == "observe"


def test_numbers_may_stand_where_scripts_and_log_rules_take_text() -> None:
    text = f"""
rules:
  cpu:
    {CPU}
    recover: [{{ run: restart_service, with: {{ service: nginx, settle: 3 }} }}]
  refused:
    when: {{ log: {{ field: $.status, equals: 500 }}, count: 3 per 1m }}
"""
    rules = read(text).configuration.rules
    assert rules["cpu"].recover[0].parameters["settle"] == "3"
    refused = rules["refused"].when
    assert isinstance(refused, LogCondition)
    assert refused.log.equals == "500"


def test_counts_in_a_window_may_also_be_spelled_out() -> None:
    text = """
rules:
  cpu:
    when: { metric: cpu, warning: 80, sustained: { count: 3, window: 5m } }
  errors:
    when: { log: { pattern: ERROR }, count: { count: 10, window: 5m } }
"""
    rules = read(text).configuration.rules
    assert metric_condition(rules["cpu"]).sustained == Sustained(count=3, window=FIVE_MINUTES)
    errors = rules["errors"].when
    assert isinstance(errors, LogCondition)
    assert errors.count == Frequency(count=10, window=FIVE_MINUTES)


def test_an_alarm_of_ours_names_its_rule_and_level_in_a_line_of_its_description() -> None:
    found = ALARM_MARKER.search(f"Words.\n{alarm_marker('disk full', Level.WARNING)}\nMore.")
    assert found is not None
    assert (found["rule"], found["level"]) == ("disk full", "warning")


def test_a_rule_that_looks_downward_clears_above() -> None:
    when = "when: { metric: free, warning: 20, critical: 5, direction: below, clear_above: 30 }"
    condition = metric_condition(
        read(f"rules: {{ free: {{ {when} }} }}").configuration.rules["free"]
    )
    assert (condition.level_of(20), condition.level_of(5)) == ("warning", "critical")
    assert [condition.is_healthy(value) for value in (25, 30, 31)] == [False, False, True]


@pytest.mark.parametrize(
    ("limit", "direction", "clearing"),
    [(80, "above", 70), (1, "above", 0.9), (80, "below", 90), (-50, "above", -60)],
)
def test_without_a_clearing_value_ten_points_are_asked_of_large_limits(
    limit: float, direction: str, clearing: float
) -> None:
    condition = MetricCondition.model_validate(
        {"metric": "any", "warning": limit, "direction": direction}
    )
    assert condition.clearing_value == pytest.approx(clearing)


def test_a_limit_is_looked_up_by_level() -> None:
    both = MetricCondition(metric="any", warning=80, critical=95)
    one = MetricCondition(metric="any", warning=80)
    assert [both.limit_for(level) for level in (Level.WARNING, Level.CRITICAL)] == [80, 95]
    assert one.limit_for(Level.CRITICAL) == 80


# Overrides by the environment


TWO_RULES = f"""
service: shop
rules:
  cpu:
    {CPU}
  load:
    when: {{ metric: cpu_usage_active, warning: 70, clear_below: 60 }}
  memory:
    when: {{ metric: mem_used_percent, warning: 85 }}
"""

ONE_RULE = f"""
service: shop
sources:
  logs:
    - group: /shop/metrics
      fields: {{ target: $.host }}
rules:
  cpu:
    {CPU}
    recover:
      - {{ run: restart_service, with: {{ service: nginx }}, verify: {{ within: 9m }} }}
  errors:
    when: {{ log: {{ pattern: ERROR }}, count: 10 per 5m }}
"""


def test_the_cpu_threshold_moves_every_cpu_rule_and_what_depends_on_it() -> None:
    resolved = read(TWO_RULES, {"ALARM_THRESHOLD_CPU": "97.5"})
    rules = {name: metric_condition(r) for name, r in resolved.configuration.rules.items()}
    assert (rules["cpu"].warning, rules["cpu"].critical) == (97.5, 97.5)
    assert rules["cpu"].clearing_value == 87.5
    assert (rules["load"].warning, rules["load"].clearing_value) == (97.5, 60)
    assert rules["memory"].warning == 85
    assert resolved.origins["rules.cpu.when.warning"] == "ALARM_THRESHOLD_CPU"
    assert resolved.origins["rules.cpu.when.critical"] == "ALARM_THRESHOLD_CPU"
    assert resolved.origins["rules.load.when.clear_below"] == "file"


def test_a_cpu_threshold_below_a_clearing_value_derives_it_anew() -> None:
    resolved = read(TWO_RULES, {"ALARM_THRESHOLD_CPU": "50"})
    load_rule = metric_condition(resolved.configuration.rules["load"])
    assert (load_rule.warning, load_rule.clearing_value) == (50, 40)
    assert resolved.origins["rules.load.when.clear_below"] == "ALARM_THRESHOLD_CPU"


def test_the_cpu_threshold_minds_the_direction_of_a_rule() -> None:
    idle = """
rules:
  idle:
    when: { metric: CPUUtilization, warning: 5, critical: 2, direction: below, clear_above: 9 }
"""
    condition = metric_condition(
        read(idle, {"ALARM_THRESHOLD_CPU": "10"}).configuration.rules["idle"]
    )
    assert (condition.warning, condition.critical, condition.clearing_value) == (10, 2, 11)
    lower = metric_condition(read(idle, {"ALARM_THRESHOLD_CPU": "1"}).configuration.rules["idle"])
    assert (lower.warning, lower.critical, lower.clearing_value) == (1, 1, 9)


def test_the_metric_name_changes_the_only_metric_rule() -> None:
    resolved = read(ONE_RULE, {"METRIC_NAME": "cpu_percent", "ALARM_THRESHOLD_CPU": "60"})
    condition = metric_condition(resolved.configuration.rules["cpu"])
    assert (condition.metric, condition.warning) == ("cpu_percent", 60)
    assert resolved.origins["rules.cpu.when.metric"] == "METRIC_NAME"


def test_of_several_metric_rules_the_one_named_default_is_meant() -> None:
    text = TWO_RULES.replace("memory:", "default:")
    rules = read(text, {"METRIC_NAME": "swap_used_percent"}).configuration.rules
    assert metric_condition(rules["default"]).metric == "swap_used_percent"
    assert metric_condition(rules["cpu"]).metric == "CPUUtilization"


def test_the_log_group_changes_the_only_source_and_keeps_its_fields() -> None:
    resolved = read(ONE_RULE, {"LOG_GROUP_NAME": "/other"})
    (source,) = resolved.configuration.sources.logs
    assert (source.group, source.fields.target) == ("/other", "$.host")
    assert resolved.origins["sources.logs.0.group"] == "LOG_GROUP_NAME"


@pytest.mark.parametrize("text", ["service: shop", "sources: { logs: [] }", "sources: { logs: }"])
def test_the_log_group_makes_the_first_source_where_there_is_none(text: str) -> None:
    (source,) = read(text, {"LOG_GROUP_NAME": "/other"}).configuration.sources.logs
    assert source.group == "/other"


@pytest.mark.parametrize(
    ("path", "parameters"),
    [
        ("/opt/recovery/restart_service.sh", {"service": "nginx"}),
        ("recovery_scripts/free_disk_space.sh", {}),
    ],
)
def test_the_script_path_changes_the_first_rung(path: str, parameters: dict[str, str]) -> None:
    resolved = read(ONE_RULE, {"RECOVERY_SCRIPT_PATH": path})
    rung = resolved.configuration.rules["cpu"].recover[0]
    assert (rung.run, rung.parameters) == (Path(path).stem, parameters)
    assert rung.verify.within == timedelta(minutes=9)
    assert resolved.origins["rules.cpu.recover.0.run"] == "RECOVERY_SCRIPT_PATH"


def test_the_script_path_gives_a_rule_its_first_ladder() -> None:
    text = f"rules: {{ cpu: {{ {CPU} }} }}"
    rules = read(text, {"RECOVERY_SCRIPT_PATH": "free_disk_space.sh"}).configuration.rules
    assert [rung.run for rung in rules["cpu"].recover] == ["free_disk_space"]


def test_subject_and_prefix_of_notices_come_from_the_environment() -> None:
    resolved = read(ONE_RULE, {"NOTIFICATION_SUBJECT": "Shop!", "MESSAGE_PREFIX": "[prod] "})
    notify = resolved.configuration.notify
    assert (notify.subject, notify.message_prefix) == ("Shop!", "[prod]")
    assert resolved.origins["notify.subject"] == "NOTIFICATION_SUBJECT"


def test_an_empty_variable_changes_nothing() -> None:
    plain = read(ONE_RULE)
    assert read(ONE_RULE, {"METRIC_NAME": " ", "ALARM_THRESHOLD_CPU": ""}) == plain


TWO_SOURCES = "sources: { logs: [{ group: /a }, { group: /b }] }"


@pytest.mark.parametrize(
    ("text", "environment", "told"),
    [
        (
            ONE_RULE,
            {"ALARM_THRESHOLD_CPU": "high"},
            "config.yaml: ALARM_THRESHOLD_CPU: expected a number such as 80; found 'high'",
        ),
        (
            ONE_RULE,
            {"ALARM_THRESHOLD_CPU": "nan"},
            "config.yaml:9:37: rules.cpu.when.warning: expected a finite number; found nan"
            " (set by ALARM_THRESHOLD_CPU)",
        ),
        (
            TWO_RULES,
            {"METRIC_NAME": "any"},
            "config.yaml: METRIC_NAME: it is not clear which of 3 metric rules it means;"
            " name one of them 'default'",
        ),
        ("", {"METRIC_NAME": "any"}, "config.yaml: METRIC_NAME: there is no metric rule"),
        (
            TWO_SOURCES,
            {"LOG_GROUP_NAME": "/c"},
            "config.yaml: LOG_GROUP_NAME: there are 2 log sources;"
            " it can only name the group of a single one",
        ),
        (
            ONE_RULE,
            {"LOG_GROUP_NAME": "my group"},
            "config.yaml:5:7: sources.logs.0.group: expected something like '/shop/metrics';"
            " found 'my group' (set by LOG_GROUP_NAME)",
        ),
        (
            ONE_RULE,
            {"RECOVERY_SCRIPT_PATH": "/opt/restart_servce.sh"},
            "config.yaml:11:11: rules.cpu.recover.0.run: no such script: 'restart_servce';"
            " did you mean 'restart_service'? (set by RECOVERY_SCRIPT_PATH)",
        ),
        (
            ONE_RULE,
            {"RECOVERY_SCRIPT_PATH": "/opt/reboot_instance.sh"},
            "config.yaml: RECOVERY_SCRIPT_PATH: reboot_instance is no script; write it into the"
            " file",
        ),
    ],
)
def test_a_variable_that_cannot_work_is_named(
    text: str, environment: dict[str, str], told: str
) -> None:
    assert complaint(text, environment) == told


@pytest.mark.parametrize(
    "text",
    [
        "sources: 5",
        "sources: { logs: many }",
        "rules: []",
        "rules: { cpu: 5 }",
        "rules: { cpu: { when: [] } }",
        "rules: { cpu: { when: { metric: [a] } } }",
        "rules: { cpu: { when: { metric: CPUUtilization, warning: [], critical: yes } } }",
        "rules: { default: { when: { metric: CPUUtilization, warning: 1 }, recover: now } }",
        "rules: { default: { when: { metric: CPUUtilization, warning: 1 }, recover: [now] } }",
        "notify: []",
    ],
)
@pytest.mark.parametrize(
    "variable",
    [
        "ALARM_THRESHOLD_CPU",
        "METRIC_NAME",
        "LOG_GROUP_NAME",
        "RECOVERY_SCRIPT_PATH",
        "MESSAGE_PREFIX",
    ],
)
def test_overrides_never_trip_over_a_file_that_is_wrong(text: str, variable: str) -> None:
    try:
        read(text, {variable: "50"})
    except InvalidConfigurationError as error:
        assert error.problems  # or the override has mended it


# Showing and shipping


def test_every_value_can_be_shown_with_its_origin() -> None:
    resolved = read(ONE_RULE, {"ALARM_THRESHOLD_CPU": "60"})
    values = flatten(resolved.configuration)
    shown = {
        path: (values[path], resolved.origins.get(path, "default"))
        for path in ("service", "rules.cpu.when.warning", "limits.cooldown", "notify.email")
    }
    assert shown == {
        "service": ("shop", "file"),
        "rules.cpu.when.warning": (60.0, "ALARM_THRESHOLD_CPU"),
        "limits.cooldown": ("15m", "default"),
        "notify.email": ([], "default"),
    }
    assert values["rules.cpu.recover.0.with.service"] == "nginx"
    assert "rules.cpu.name" not in values


def test_what_is_shipped_reads_back_equal(tmp_path: Path) -> None:
    for text in (ONE_RULE, TWO_RULES, (PROJECT / "config.yaml").read_text()):
        configuration = read(text).configuration
        shipped = tmp_path / "shipped.json"
        shipped.write_text(json.dumps(dump(configuration)))
        assert load_shipped(shipped, {}) == configuration


def test_the_environment_overrides_what_is_shipped(tmp_path: Path) -> None:
    shipped = tmp_path / "shipped.json"
    shipped.write_text(json.dumps(dump(read(ONE_RULE).configuration)))
    changed = load_shipped(shipped, {"METRIC_NAME": "cpu_percent"}, SCRIPTS)
    assert metric_condition(changed.rules["cpu"]).metric == "cpu_percent"
    with pytest.raises(InvalidConfigurationError, match="no such script"):
        load_shipped(shipped, {"RECOVERY_SCRIPT_PATH": "evil.sh"}, SCRIPTS)


@pytest.mark.parametrize("text", ["canary: {}", "canary: { target: none, topic: none }"])
def test_a_canary_without_a_machine_flies_all_the_same_and_is_shipped(
    text: str, tmp_path: Path
) -> None:
    configuration = read(text).configuration
    assert configuration.canary is not None
    assert (configuration.canary.target, configuration.canary.topic) == (None, None)
    path = tmp_path / "shipped.json"
    path.write_text(json.dumps(dump(configuration)))
    assert load_shipped(path, {}) == configuration


def test_a_canary_that_runs_needs_the_script_that_does_nothing() -> None:
    with pytest.raises(InvalidConfigurationError, match="runs the script 'noop', which is not"):
        loads("canary: { target: i-0a1b2c3d4e5f67890 }", "config.yaml", {}, {})


def test_metrics_are_looked_for_where_they_live() -> None:
    configuration = read(ONE_RULE).configuration
    assert configuration.namespace_of("CPUUtilization", None) == "AWS/EC2"
    assert configuration.namespace_of("CPUUtilization", "AWS/RDS") == "AWS/RDS"
    assert configuration.namespace_of("queue_depth", None) == "AutoRecovery/shop"


def test_the_opt_in_tag_is_one_key_and_one_value() -> None:
    targets = read("targets: { tag: { Healing: wanted } }").configuration.targets
    assert (targets.tag_key, targets.tag_value) == ("Healing", "wanted")
