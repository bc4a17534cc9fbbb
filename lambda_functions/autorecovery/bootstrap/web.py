"""What is served over HTTP on AWS: over DynamoDB, the durable responses and the secrets."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver

from autorecovery.adapters.aws import clients
from autorecovery.adapters.aws.controls import DynamoDbControls
from autorecovery.adapters.aws.incident_log import DynamoDbIncidentLog
from autorecovery.adapters.aws.responses import DurableResponses
from autorecovery.adapters.channels.posting import Posting
from autorecovery.adapters.channels.slack_responses import SlackResponses
from autorecovery.bootstrap.secrets import secrets
from autorecovery.bootstrap.shared import configuration, utc_now
from autorecovery.errors import ConfigurationError
from autorecovery.observability import logger
from autorecovery.people import People
from autorecovery.settings import Settings, environment, is_dry_run
from autorecovery.web.routes import serve
from autorecovery.web.slack_door import SlackDoor
from autorecovery.web.slack_routes import slack_routes

TIMEOUT_SECONDS = 1
"""For what is said at a response_url: Slack waits for three, and the rest takes its time too."""

_log = cache(logger)


@cache
def web_api() -> APIGatewayHttpResolver:
    """Return what answers requests; refused in a dry run, in which nothing is decided."""
    if is_dry_run(environment()):
        raise ConfigurationError("AUTORECOVERY_DRY_RUN is set: no button is heard")
    return serve([slack_routes(_slack_door())], _report_failure)


def _slack_door() -> SlackDoor:
    bots = [each.slack for each in configuration().notify.channels.values() if each.slack]
    return SlackDoor(
        bots=[(bot, secrets().named(bot.signing_secret)) for bot in bots if bot.signing_secret],
        app=_people(),
        clock=utc_now,
        say=SlackResponses(Posting(TIMEOUT_SECONDS)),
        report=_report,
    )


def _people() -> People:
    settings = Settings.from_environment(environment())
    dynamodb = clients.dynamodb()
    return People(
        incidents=DynamoDbIncidentLog(dynamodb, settings.table_name),
        controls=DynamoDbControls(dynamodb, settings.table_name),
        responses=DurableResponses(clients.lambda_(), function=""),
        clock=utc_now,
    )


def _report(what: str, told: Mapping[str, Any]) -> None:
    _log("web_api", environment().get("LOG_LEVEL", "INFO")).info(what, extra=dict(told))


def _report_failure(error: Exception) -> None:
    log = _log("web_api", environment().get("LOG_LEVEL", "INFO"))
    log.error("a request failed", exc_info=error)
