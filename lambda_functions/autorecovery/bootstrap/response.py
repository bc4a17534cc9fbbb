"""The response on AWS: over DynamoDB, SSM, EC2, CloudWatch and SNS."""

from functools import cache

from autorecovery.adapters.aws import clients
from autorecovery.adapters.aws.actuator import AwsClients, Ec2Actuator
from autorecovery.adapters.aws.attempt_log import DynamoDbAttemptLog
from autorecovery.adapters.aws.commands import SsmCommandRunner
from autorecovery.adapters.aws.controls import DynamoDbControls
from autorecovery.adapters.aws.incident_log import DynamoDbIncidentLog
from autorecovery.adapters.aws.metrics import CloudWatchReader
from autorecovery.adapters.aws.notices import CanaryAside, SnsNoticeboard
from autorecovery.adapters.aws.responses import DurableResponses
from autorecovery.adapters.aws.rungs import ScriptsAndActions
from autorecovery.adapters.aws.targets import Ec2Directory
from autorecovery.bootstrap.shared import configuration, scripts, utc_now
from autorecovery.errors import ConfigurationError
from autorecovery.models.incident import Entry
from autorecovery.notices.text import Wording, sns_message, subject_line
from autorecovery.observability import logger, report_entry
from autorecovery.ports import Noticeboard
from autorecovery.response.stage import Response
from autorecovery.settings import ResponseSettings, environment, is_dry_run


class _ReportedIncidents(DynamoDbIncidentLog):
    """Logs and counts each line of a timeline as it is written: one place sees every step."""

    def record(self, incident_id: str, entry: Entry) -> None:
        """See IncidentLog.record."""
        super().record(incident_id, entry)
        log = _log("incident_responder", environment().get("LOG_LEVEL", "INFO"))
        report_entry(incident_id, entry, log)


_log = cache(logger)


@cache
def response() -> Response:
    """Return the application of `incident_responder`.

    Refused in a dry run, in which triage lives the responses itself: nobody who sets the variable
    expects scripts to run.
    """
    if is_dry_run(environment()):
        raise ConfigurationError("AUTORECOVERY_DRY_RUN is set: no response runs for real")
    settings = ResponseSettings.from_environment(environment())
    targets = configuration().targets
    dynamodb = clients.dynamodb()
    return Response(
        configuration=configuration(),
        incidents=_ReportedIncidents(dynamodb, settings.table_name),
        attempts=DynamoDbAttemptLog(dynamodb, settings.table_name),
        commands=ScriptsAndActions(
            SsmCommandRunner(
                clients.ssm(), clients.ssm_once(), scripts(), settings.recovery_documents
            ),
            _actuator(),
        ),
        targets=Ec2Directory(
            clients.ec2,
            clients.ssm(),
            targets.tag_key,
            targets.tag_value,
            configuration().limits.fleet.group_by,
        ),
        controls=DynamoDbControls(dynamodb, settings.table_name),
        budget=DynamoDbControls(dynamodb, settings.table_name),
        metrics=CloudWatchReader(clients.cloudwatch(), clients.logs(), utc_now),
        noticeboard=_noticeboard(settings.sns_topic_arn),
        responses=DurableResponses(clients.lambda_(), settings.responder),
        clock=utc_now,
    )


def _actuator() -> Ec2Actuator:
    """Return what acts on instances; its clients are made with the first such rung."""
    targets = configuration().targets
    return Ec2Actuator(
        AwsClients(cache(clients.ec2), cache(clients.autoscaling)),
        AwsClients(cache(clients.ec2_once), cache(clients.autoscaling_once)),
        (targets.tag_key, targets.tag_value),
        utc_now,
    )


def _noticeboard(people: str) -> Noticeboard:
    canary = configuration().canary
    aside = _topic(canary.topic) if canary and canary.topic else None
    return CanaryAside(_topic(people), aside)


def _topic(arn: str) -> SnsNoticeboard:
    words = Wording.of(configuration())
    return SnsNoticeboard(
        clients.sns(),
        arn,
        lambda notice: subject_line(notice, words),
        lambda notice: sns_message(notice, words),
    )
