"""What is served over HTTP, and nothing else: the same behind an HTTP API and a function URL."""

import json
from collections.abc import Callable

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response

from autorecovery.web.slack_door import SlackDoor

JSON = "application/json"

_WORDS = {200: "", 400: "bad request", 401: "not signed by Slack"}


def serve(door: SlackDoor, report_failure: Callable[[Exception], None]) -> APIGatewayHttpResolver:
    """Return what answers requests; an error is reported, and told to nobody outside."""
    api = APIGatewayHttpResolver()

    @api.post("/slack/actions")
    def slack_actions() -> Response[str]:
        event = api.current_event
        status = door.knock(
            event.headers, event.body or "", is_base64=bool(event.is_base64_encoded)
        )
        return _answer(status, _WORDS[status])

    @api.not_found
    def not_found(error: Exception) -> Response[str]:
        return _answer(404, "not found")

    @api.exception_handler(Exception)  # type: ignore[untyped-decorator]  # Powertools leaves it so
    def failed(error: Exception) -> Response[str]:
        report_failure(error)
        return _answer(500, "it failed; our log says why")

    return api


def _answer(status: int, message: str) -> Response[str]:
    body = json.dumps({"message": message}) if message else ""
    return Response(status_code=status, content_type=JSON, body=body)
