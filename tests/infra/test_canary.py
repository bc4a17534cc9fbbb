"""The watch on the watcher: what is sent, who may, what rings, and on which path."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from autorecovery.models.canary import CANARY
from autorecovery.models.incident import EntryKind
from autorecovery.triage.parsing import Watch, parse
from infra.dashboard import NAMESPACE
from infra.topics import ABOUT_OURSELVES
from tests.infra.conftest import Synthesize
from tests.infra.template import Synthesized, configured

START = datetime(2026, 1, 15, 3, tzinfo=UTC)
MACHINE = "i-0123456789abcdef0"
SCHEDULED = {"id": "1f2e", "time": START.isoformat(), "account": "111122223333", "region": "eu"}


def schedule(synthesized: Synthesized) -> dict[str, Any]:
    (found,) = (
        rule
        for rule in synthesized.properties("AWS::Events::Rule")
        if "rate(" in rule.get("ScheduleExpression", "")
    )
    return found


def sent(synthesized: Synthesized) -> dict[str, Any]:
    """Return the event as EventBridge makes it of the scheduled one."""
    transformer = schedule(synthesized)["Targets"][0]["InputTransformer"]
    text = transformer["InputTemplate"]
    for name, path in transformer["InputPathsMap"].items():
        text = text.replace(f"<{name}>", json.dumps(SCHEDULED[path.removeprefix("$.")]))
    event: dict[str, Any] = json.loads(text)
    return event


def silence(synthesized: Synthesized) -> dict[str, Any]:
    (found,) = (
        alarm
        for alarm in synthesized.properties("AWS::CloudWatch::Alarm")
        if alarm.get("MetricName") == str(EntryKind.BEAT)
    )
    return found


def test_the_schedule_sends_what_triage_reads_as_the_canary(synthesized: Synthesized) -> None:
    assert schedule(synthesized)["ScheduleExpression"] == "rate(30 minutes)"
    findings = parse(sent(synthesized), Watch.compile(()), START, tuple)
    (signal,) = findings.signals
    assert (signal.state, signal.target.name, signal.at) == (CANARY, MACHINE, START)
    assert signal.id.startswith("1f2e")  # fresh with every scheduled event, same in a redelivery


def test_the_event_comes_as_all_others_do_and_is_kept_where_it_cannot(
    synthesized: Synthesized,
) -> None:
    (target,) = schedule(synthesized)["Targets"]
    assert target["Arn"] == {"Fn::GetAtt": ["MetricProcessor", "Arn"]}
    assert target["DeadLetterConfig"]


def test_an_absent_beat_rings(synthesized: Synthesized) -> None:
    alarm = silence(synthesized)
    assert (alarm["TreatMissingData"], alarm["EvaluationPeriods"]) == ("breaching", 2)
    assert (alarm["ComparisonOperator"], alarm["Threshold"]) == ("LessThanThreshold", 1)
    assert (alarm["Namespace"], alarm["Period"], alarm["Statistic"]) == (NAMESPACE, 1800, "Sum")
    assert alarm["Dimensions"] == [{"Name": "service", "Value": "incident_responder"}]


def test_it_rings_at_people_on_a_path_without_functions_of_ours(synthesized: Synthesized) -> None:
    alarm = silence(synthesized)
    (action,) = alarm["AlarmActions"]
    subscriptions = [
        each
        for each in synthesized.properties("AWS::SNS::Subscription")
        if each["TopicArn"] == action
    ]
    assert {each["Protocol"] for each in subscriptions} == {"email"}
    assert alarm["AlarmDescription"].startswith(ABOUT_OURSELVES)  # what the mails are filtered by


def test_the_responder_may_publish_to_the_canarys_own_topic(
    another: Synthesize, tmp_path: Path
) -> None:
    topic = "arn:aws:sns:eu-west-1:111122223333:canary"
    made = another(configured(tmp_path, f"canary: {{ topic: '{topic}' }}"))
    publishing = [
        statement["Resource"]
        for statement in made.statements_of("IncidentResponder")
        if statement["Action"] == "sns:Publish"
    ]
    assert topic in json.dumps(publishing)
    assert len(publishing) == 1


def test_without_a_canary_there_is_neither_schedule_nor_alarm(
    another: Synthesize, tmp_path: Path
) -> None:
    made = another(configured(tmp_path, "service: shop"))
    rules = made.properties("AWS::Events::Rule")
    assert not [rule for rule in rules if "ScheduleExpression" in rule]
    assert str(EntryKind.BEAT) not in json.dumps(made.template)


def test_without_a_machine_the_event_names_none(another: Synthesize, tmp_path: Path) -> None:
    made = another(configured(tmp_path, "canary: { target: none }"))
    findings = parse(sent(made), Watch.compile(()), START, tuple)
    assert findings.signals[0].target.name == CANARY
