"""The secrets of this container, wherever they are kept."""

from functools import cache

from autorecovery.adapters.aws import clients
from autorecovery.adapters.aws.secrets import aws_readers
from autorecovery.adapters.secrets import Secrets, local_readers
from autorecovery.bootstrap.shared import utc_now
from autorecovery.settings import environment


@cache
def secrets() -> Secrets:
    """Return what fetches secrets, and keeps them while this container lives."""
    kept_by_aws = aws_readers(cache(clients.ssm), cache(clients.secretsmanager))
    return Secrets({**local_readers(environment()), **kept_by_aws}, utc_now)
