"""What is served over HTTP: one route table, the same on AWS and on one machine.

Each subject has its own routes; here they come together, behind whatever is in front: an HTTP API,
a function URL, or the server of the one-machine mode.
"""

import json
from collections.abc import Callable, Iterable

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

JSON = "application/json"


def serve(
    routes: Iterable[APIGatewayHttpRouter], report_failure: Callable[[Exception], None]
) -> APIGatewayHttpResolver:
    """Return what answers requests; an error is reported, and told to nobody outside."""
    api = APIGatewayHttpResolver()
    for each in routes:
        api.include_router(each)

    @api.not_found
    def not_found(error: Exception) -> Response[str]:
        return _answer(404, "not found")

    @api.exception_handler(Exception)  # type: ignore[untyped-decorator]  # Powertools leaves it so
    def failed(error: Exception) -> Response[str]:
        report_failure(error)
        return _answer(500, "it failed; our log says why")

    return api


def _answer(status: int, message: str) -> Response[str]:
    return Response(status_code=status, content_type=JSON, body=json.dumps({"message": message}))
