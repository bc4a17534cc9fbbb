"""The route on which Slack tells us of a pressed button."""

import json

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from autorecovery.web.slack_door import SlackDoor

_WORDS = {200: "", 400: "bad request", 401: "not signed by Slack"}


def slack_routes(door: SlackDoor) -> APIGatewayHttpRouter:
    """Return the routes behind this door."""
    routes = APIGatewayHttpRouter()  # type: ignore[no-untyped-call]

    @routes.post("/slack/actions")
    def slack_actions() -> Response[str]:
        event = routes.current_event
        status = door.knock(
            event.headers, event.body or "", is_base64=bool(event.is_base64_encoded)
        )
        body = json.dumps({"message": _WORDS[status]}) if _WORDS[status] else ""
        return Response(status_code=status, content_type="application/json", body=body)

    return routes
