"""What is needed on AWS to wake the response that waits for a command."""

from functools import cache

from autorecovery.adapters.aws import clients
from autorecovery.adapters.aws.attempt_log import DynamoDbAttemptLog
from autorecovery.adapters.aws.incident_log import DynamoDbIncidentLog
from autorecovery.adapters.aws.responses import DurableResponses
from autorecovery.ports import AttemptLog, IncidentLog, ResponseStarter
from autorecovery.settings import Settings, environment, is_dry_run


@cache
def command_ends() -> tuple[AttemptLog, IncidentLog, ResponseStarter]:
    """Return attempts, incidents and responses; in a dry run, empty ones."""
    if is_dry_run(environment()):
        from autorecovery.dry_run import empty_stores

        return empty_stores()
    settings = Settings.from_environment(environment())
    dynamodb = clients.dynamodb()
    return (
        DynamoDbAttemptLog(dynamodb, settings.table_name),
        DynamoDbIncidentLog(dynamodb, settings.table_name),
        DurableResponses(clients.lambda_(), function=""),
    )
