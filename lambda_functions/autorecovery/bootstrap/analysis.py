"""The analyst on AWS: over DynamoDB, CloudWatch and SNS, and Bedrock if a model is configured."""

from functools import cache

from autorecovery.adapters.aws import clients
from autorecovery.adapters.aws.attempt_log import DynamoDbAttemptLog
from autorecovery.adapters.aws.controls import DynamoDbControls
from autorecovery.adapters.aws.incident_log import DynamoDbIncidentLog
from autorecovery.adapters.aws.metrics import CloudWatchReader
from autorecovery.adapters.aws.spending import DynamoDbSpending
from autorecovery.analysis.stage import Analyst
from autorecovery.bootstrap.notices import recorded_topic
from autorecovery.bootstrap.shared import configuration, utc_now
from autorecovery.config import AnalysisSettings
from autorecovery.errors import ConfigurationError
from autorecovery.notices.restraint import Restraint
from autorecovery.ports import Model
from autorecovery.settings import NoticeSettings, environment, is_dry_run


@cache
def analyst() -> Analyst:
    """Return the application of `incident_analyst`; refused in a dry run, which tells nobody."""
    if is_dry_run(environment()):
        raise ConfigurationError("AUTORECOVERY_DRY_RUN is set: nothing is analysed for real")
    settings = NoticeSettings.from_environment(environment())
    dynamodb = clients.dynamodb()
    controls = DynamoDbControls(dynamodb, settings.table_name)
    return Analyst(
        configuration=configuration(),
        incidents=DynamoDbIncidentLog(dynamodb, settings.table_name),
        attempts=DynamoDbAttemptLog(dynamodb, settings.table_name),
        metrics=CloudWatchReader(clients.cloudwatch(), clients.logs(), utc_now),
        noticeboard=recorded_topic(settings),
        restraint=Restraint(configuration(), controls, controls, utc_now),
        spending=DynamoDbSpending(dynamodb, settings.table_name),
        clock=utc_now,
        model=model_of(configuration().analysis),
    )


def model_of(settings: AnalysisSettings) -> Model | None:
    """Return the configured model, if there is one."""
    if settings.model is None:
        return None
    # Here, because without a model nobody need load what asks one.
    from autorecovery.adapters.aws.bedrock import BedrockModel

    seconds = settings.timeout.total_seconds()
    return BedrockModel(
        cache(lambda: clients.bedrock_once(settings.region, seconds)), settings.model
    )
