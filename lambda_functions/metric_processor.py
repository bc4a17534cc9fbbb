"""Entry point of triage: any delivery in, claimed incidents and a count of everything out."""

from typing import Any

from autorecovery.bootstrap.triage import triage_for
from autorecovery.errors import StoreError
from autorecovery.triage.run import Triage, triage


def handle(event: object, app: Triage) -> dict[str, Any]:
    """Return what one delivery meant. Raises StoreError where it should be delivered again."""
    outcome = triage(event, app)
    app.report(outcome)
    if outcome.failures:
        raise StoreError("; ".join(outcome.failures), retryable=True)
    return outcome.as_dict()


def lambda_handler(event: object, context: object) -> dict[str, Any]:
    """Answer Lambda."""
    return handle(event, triage_for(event))
