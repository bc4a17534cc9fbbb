"""Triage on AWS: over DynamoDB, the durable responder, EC2 and the dead-letter queue."""

import gc
import sys
from functools import cache

from autorecovery.adapters.aws import clients
from autorecovery.adapters.aws.dead_letters import SqsDeadLetters
from autorecovery.adapters.aws.incident_log import DynamoDbIncidentLog
from autorecovery.adapters.aws.responses import DurableResponses
from autorecovery.adapters.aws.targets import Ec2Census
from autorecovery.bootstrap.shared import configuration, scripts, utc_now
from autorecovery.observability import logger, report_triage
from autorecovery.settings import TriageSettings, environment, is_dry_run
from autorecovery.triage.outcome import Outcome
from autorecovery.triage.run import Triage


def triage_for(event: object) -> Triage:
    """Return the triage of this container; in a dry run, one made for this event alone."""
    if not is_dry_run(environment()):
        return triage()
    # A dry run brings the whole response along; a real cold start must not pay for it.
    from autorecovery.dry_run import rehearse

    return rehearse(event, configuration(), scripts(), utc_now, _write_line, _report)


@cache
def triage() -> Triage:
    """Return the application of `metric_processor`.

    What is made here stays for the life of the container: collecting garbage meanwhile finds none,
    and takes a tenth of a cold start.
    """
    gc.disable()
    try:
        return _build()
    finally:
        gc.freeze()
        gc.enable()


def _build() -> Triage:
    settings = TriageSettings.from_environment(environment())
    targets = configuration().targets
    return Triage(
        configuration=configuration(),
        incidents=DynamoDbIncidentLog(clients.dynamodb(), settings.table_name),
        responses=DurableResponses(clients.lambda_(), settings.incident_responder),
        targets=Ec2Census(
            clients.ec2,
            targets.tag_key,
            targets.tag_value,
            utc_now,
            group_by=configuration().limits.fleet.group_by,
        ),
        dead_letters=SqsDeadLetters(clients.sqs(), settings.dead_letter_queue_url),
        clock=utc_now,
        report=_report,
    )


_log = cache(logger)


def _report(outcome: Outcome) -> None:
    log = _log("metric_processor", environment().get("LOG_LEVEL", "INFO"))
    report_triage(outcome.as_dict(), outcome.rejections, outcome.failures, log)


def _write_line(text: str) -> None:
    sys.stdout.write(f"{text}\n")
