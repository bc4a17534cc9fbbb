"""The way in for Slack's buttons: only where somebody asked for it, and as narrow as it can be."""

import json
from pathlib import Path
from typing import Any

import pytest

from autorecovery.settings import Settings
from tests.infra.conftest import Synthesize
from tests.infra.template import Synthesized, configured

BUTTONS = """
rules:
  cpu: { when: { metric: CPUUtilization, critical: 95 } }
notify:
  email: [ops@example.com]
  channels:
    ops:
      slack:
        channel: C024BE91L
        token: ssm:/ar/token
        signing_secret: ssm:/ar/signing
    others:
      slack:
        channel: C024BE92M
        token: ssm:/ar/token
        signing_secret: secretsmanager:slack#signing
    third:
      slack:
        channel: C024BE93N
        token: ssm:/ar/token
        signing_secret: secretsmanager:arn:aws:secretsmanager:eu-west-1:111122223333:secret:s-AbCdEf
"""


@pytest.fixture(scope="module")
def made(another: Synthesize, tmp_path_factory: pytest.TempPathFactory) -> Synthesized:
    return another(configured(tmp_path_factory.mktemp("web"), BUTTONS))


def _actions(statement: dict[str, Any]) -> set[str]:
    actions = statement["Action"]
    return {actions} if isinstance(actions, str) else set(actions)


def _ends(statement: dict[str, Any]) -> list[str]:
    resources = statement["Resource"]
    return [
        each if isinstance(each, str) else each["Fn::Join"][1][-1]
        for each in (resources if isinstance(resources, list) else [resources])
    ]


def test_without_a_signing_secret_there_is_no_way_in(another: Synthesize, tmp_path: Path) -> None:
    synthesized = another(configured(tmp_path, "service: shop"))
    assert "WebApi" not in synthesized.of_type("AWS::Lambda::Function")
    assert not synthesized.of_type("AWS::ApiGatewayV2::Api")
    assert "SlackActionsUrl" not in synthesized.template["Outputs"]


def test_slack_is_told_one_address(made: Synthesized) -> None:
    value = made.template["Outputs"]["SlackActionsUrl"]["Value"]
    assert value["Fn::Join"][1][-1] == "/slack/actions"
    [route] = made.properties("AWS::ApiGatewayV2::Route")
    assert route["RouteKey"] == "POST /slack/actions"


def test_whoever_tries_doors_is_throttled(made: Synthesized) -> None:
    [stage] = made.properties("AWS::ApiGatewayV2::Stage")
    assert stage["DefaultRouteSettings"] == {"ThrottlingRateLimit": 10, "ThrottlingBurstLimit": 20}


def test_the_function_is_called_by_this_api_alone(made: Synthesized) -> None:
    function = {"Fn::GetAtt": ["WebApi", "Arn"]}
    [permission] = [
        p for p in made.properties("AWS::Lambda::Permission") if p["FunctionName"] == function
    ]
    assert permission["Principal"] == "apigateway.amazonaws.com"
    [api] = made.of_type("AWS::ApiGatewayV2::Api")
    assert api in json.dumps(permission["SourceArn"])
    assert permission["SourceArn"]["Fn::Join"][1][-1].endswith("/slack/actions")


def test_it_reads_the_signing_secrets_and_no_token(made: Synthesized) -> None:
    statements = made.statements_of("WebApi")
    [parameters] = [s for s in statements if "ssm:GetParameter" in _actions(s)]
    assert _ends(parameters) == [":parameter/ar/signing"]
    [secrets] = [s for s in statements if "secretsmanager:GetSecretValue" in _actions(s)]
    assert _ends(secrets) == [
        "arn:aws:secretsmanager:eu-west-1:111122223333:secret:s-AbCdEf",
        ":secret:slack-??????",
    ]


def test_it_runs_and_tells_nothing_itself(made: Synthesized) -> None:
    allowed = {a for s in made.statements_of("WebApi") for a in _actions(s)}
    assert allowed == {
        "dynamodb:GetItem", "dynamodb:Query", "dynamodb:PutItem", "dynamodb:UpdateItem",
        "dynamodb:DeleteItem", "dynamodb:ConditionCheckItem",
        "lambda:SendDurableExecutionCallbackSuccess",
        "ssm:GetParameter", "secretsmanager:GetSecretValue",
    }  # fmt: skip


def test_it_is_told_what_it_reads(made: Synthesized) -> None:
    variables = made.template["Resources"]["WebApi"]["Properties"]["Environment"]["Variables"]
    assert {name.upper() for name in Settings.model_fields} <= set(variables)


def test_its_handler_is_in_the_asset(made: Synthesized) -> None:
    import web_api

    assert made.template["Resources"]["WebApi"]["Properties"]["Handler"] == (
        f"{web_api.__name__}.{web_api.lambda_handler.__name__}"
    )


def test_it_is_watched_as_the_others_are(made: Synthesized) -> None:
    alarms = made.properties("AWS::CloudWatch::Alarm")
    watched = [a["MetricName"] for a in alarms if "WebApi" in json.dumps(a.get("Dimensions"))]
    assert {"Errors", "Throttles"} <= set(watched)
