"""Entry point for what is asked of us over HTTP: Slack's word that somebody pressed a button."""

from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver

from autorecovery.bootstrap.web import web_api


def handle(event: dict[str, Any], app: APIGatewayHttpResolver, context: Any = None) -> Any:
    """Return the answer to one request, as API Gateway and function URLs take it."""
    return app.resolve(event, context)


def lambda_handler(event: dict[str, Any], context: object) -> Any:
    """Answer Lambda."""
    return handle(event, web_api(), context)
