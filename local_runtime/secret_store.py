"""The secrets of the one-machine mode: AWS is loaded only where a secret is kept there."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache

from autorecovery.adapters.secrets import Read, Secrets, local_readers


def secrets(variables: Mapping[str, str]) -> Secrets:
    """Return what fetches secrets, and keeps them for some minutes."""
    kept_by_aws: dict[str, Read] = {
        "ssm": lambda place: _aws()["ssm"](place),
        "secretsmanager": lambda place: _aws()["secretsmanager"](place),
    }
    return Secrets({**local_readers(variables), **kept_by_aws}, lambda: datetime.now(UTC))


@cache
def _aws() -> dict[str, Read]:
    from autorecovery.adapters.aws import clients
    from autorecovery.adapters.aws.secrets import aws_readers

    return aws_readers(cache(clients.ssm), cache(clients.secretsmanager))
