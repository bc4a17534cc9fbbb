"""What is asked of us over HTTP: a function behind an HTTP API, which throttles, unlike a URL."""

from aws_cdk import aws_apigatewayv2 as api
from aws_cdk import aws_apigatewayv2_integrations as integrations
from constructs import Construct

from autorecovery.config import Configuration
from infra.acknowledgements import accept
from infra.functions import Functions
from infra.incident_table import IncidentTable
from infra.responder import Responder
from infra.secrets import grant_secrets

ACTIONS = "/slack/actions"

PER_SECOND, AT_ONCE = 10, 20
"""Requests that are let through: more than people press, and few for whoever tries doors."""


def signing_secrets(configuration: Configuration) -> list[str]:
    """Return where the signing secrets of the Slack channels are; none, and nobody can call in."""
    bots = (channel.slack for channel in configuration.notify.channels.values())
    return [bot.signing_secret for bot in bots if bot and bot.signing_secret]


class WebApi(Construct):
    """The function `WebApi`, and the one address at which Slack reaches it."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        functions: Functions,
        responder: Responder,
        table: IncidentTable,
        configuration: Configuration,
    ) -> None:
        super().__init__(scope, id)
        self.function = functions.add_answering("WebApi", "Hears Slack's buttons.")
        table.grant_use(self.function)
        responder.grant_wake(self.function)
        grant_secrets(self.function, signing_secrets(configuration))
        self._api = api.HttpApi(
            self, "Api", create_default_stage=False, description="AutoRecovery: Slack's buttons"
        )
        [route] = self._api.add_routes(
            path=ACTIONS,
            methods=[api.HttpMethod.POST],
            integration=integrations.HttpLambdaIntegration("Function", self.function),
        )
        accept(
            route,
            "APIG4",
            "Slack signs its requests; the function verifies that, before it does anything.",
        )
        self._open()
        self.url = f"{self._api.api_endpoint}{ACTIONS}"

    def _open(self) -> None:
        stage = self._api.add_stage(
            "Stage",
            auto_deploy=True,
            throttle=api.ThrottleSettings(rate_limit=PER_SECOND, burst_limit=AT_ONCE),
        )
        accept(
            stage,
            "APIG1",
            "The function logs each request that reaches it; the others need no log.",
        )
