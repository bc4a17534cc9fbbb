"""Entry point of the response: one durable execution per incident, named by the incident's id."""

from typing import Any

from aws_durable_execution_sdk_python import DurableContext, durable_execution

from autorecovery.adapters.aws.durable_workflow import DurableWorkflow
from autorecovery.bootstrap.response import response
from autorecovery.observability import logger
from autorecovery.ports import Workflow
from autorecovery.response.run import run
from autorecovery.response.stage import Response
from autorecovery.settings import environment

_log = logger("incident_responder", environment().get("LOG_LEVEL", "INFO"))


def handle(event: dict[str, Any], flow: Workflow, app: Response) -> dict[str, Any]:
    """Return how the incident, or the group of incidents, named in the event ended."""
    ending = run(event["incident_id"], flow, app)
    answer = {
        "incident": ending.incident_id,
        "reason": str(ending.reason),
        "verdict": str(ending.verdict) if ending.verdict else None,
    }
    _log.info("incident closed", extra=answer)
    return answer


@durable_execution
def lambda_handler(event: dict[str, Any], context: DurableContext) -> dict[str, Any]:
    """Answer Lambda, replayed from the top after every wait."""
    return handle(event, DurableWorkflow(context), response())
