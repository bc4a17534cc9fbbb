"""Responses on this machine: the durable SDK's local runner, one execution per incident.

The runner's memory ends with its process, and it would run a second execution of the same name. So
the claim in SQLite is the guard: an incident found open is responded to again, from the top, over a
store that remembers what was told and what was sent. Neither is done twice.
"""

import json
import logging
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from aws_durable_execution_sdk_python import DurableContext, durable_execution
from aws_durable_execution_sdk_python_testing.exceptions import AwsApiException
from aws_durable_execution_sdk_python_testing.runner import DurableFunctionTestRunner

from autorecovery.adapters.aws.durable_workflow import DurableWorkflow
from autorecovery.ports import Workflow

LONGEST_LIFE = timedelta(days=365)

Respond = Callable[[str, Workflow], object]


class LocalResponses:
    """ResponseStarter over the durable SDK's local runner, in real time."""

    def __init__(self, respond: Respond) -> None:
        """`respond` lives the incident of this id."""
        self._started: dict[str, str] = {}
        self._lock = threading.Lock()

        @durable_execution
        def handler(event: dict[str, Any], context: DurableContext) -> None:
            respond(event["incident_id"], DurableWorkflow(context))

        self._runner = DurableFunctionTestRunner(handler=handler, skip_time=False)

    def start(self, incident_id: str) -> None:
        """See ResponseStarter.start."""
        with self._lock:
            if incident_id in self._started:
                return
            self._started[incident_id] = self._runner.run_async(
                input=json.dumps({"incident_id": incident_id}),
                execution_name=incident_id,
                execution_timeout=int(LONGEST_LIFE.total_seconds()),
            )

    def wake(self, token: str) -> None:
        """See ResponseStarter.wake."""
        try:
            self._runner.send_callback_success(token, b"wake")
        except AwsApiException:
            return  # the wait is over already: by time, or by another wake-up

    def wait_until_over(self, incident_id: str, at_most: timedelta) -> bool:
        """Return whether the response of this incident ended in time."""
        try:
            self._runner.wait_for_result(
                self._started[incident_id], timeout=max(1, int(at_most.total_seconds()))
            )
        except TimeoutError:
            return False
        return True

    def close(self) -> None:
        """Stop every response where it stands; the store remembers what was done."""
        self._runner.close()  # type: ignore[no-untyped-call]
        # The runner stops its event loop and leaves it open; there is no public way to close it.
        self._runner._scheduler._loop.close()


def quiet_the_runner() -> None:
    """Keep the runner's own log of suspensions and replays off the terminal."""
    logging.getLogger("aws_durable_execution_sdk_python").setLevel(logging.ERROR)
    logging.getLogger("aws_durable_execution_sdk_python_testing").setLevel(logging.ERROR)
