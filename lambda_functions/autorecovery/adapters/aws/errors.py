"""From botocore's errors to ours."""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ParamValidationError,
)

from autorecovery.errors import (
    CommandNotStartedError,
    CommandUncertainError,
    ReadError,
    StoreError,
)

_NO_USE_TRYING = frozenset(
    {
        "AccessDeniedException", "ResourceNotFoundException", "ValidationException",
        "UnrecognizedClientException", "ItemCollectionSizeLimitExceededException",
    }
)  # fmt: skip

_TURNED_AWAY = frozenset(
    {
        "Throttling", "ThrottlingException", "TooManyRequestsException", "RequestLimitExceeded",
        "ResourceContention",
    }
)  # fmt: skip
"""Not done for now, whatever the HTTP status: EC2 throttles with 503, Auto Scaling contends with
500."""

_INSIDE = frozenset(
    {
        "InternalServerError", "InternalFailure", "InternalError", "ServiceUnavailable",
        "Unavailable", "RequestTimeout",
    }
)  # fmt: skip
"""The service failed, perhaps after it had begun."""


def code_of(error: ClientError) -> str:
    """Return the error code that the service gave."""
    return str(error.response.get("Error", {}).get("Code", "Unknown"))


@contextmanager
def storing(what: str) -> Iterator[None]:
    """Translate what a store raises; conditional failures are answers, and pass through."""
    try:
        yield
    except ClientError as error:
        code = code_of(error)
        if code in ("ConditionalCheckFailedException", "TransactionCanceledException"):
            raise
        raise StoreError(f"{what}: {code}", retryable=code not in _NO_USE_TRYING) from error
    except BotoCoreError as error:
        raise StoreError(f"{what}: {error}", retryable=True) from error


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Translate what a failed read raises."""
    try:
        yield
    except ClientError as error:
        raise ReadError(f"{what}: {code_of(error)}") from error
    except BotoCoreError as error:
        raise ReadError(f"{what}: {error}") from error


@contextmanager
def sending(call: str) -> Iterator[None]:
    """Translate what one call that changes the world raises, by one question: may it have worked?

    CommandNotStartedError where it certainly did not, CommandUncertainError where nobody knows.
    """
    try:
        yield
    except ClientError as error:
        raise _refusal(call, error) from error
    except ParamValidationError as error:
        raise CommandNotStartedError(f"{call} not sent: {error}", retryable=False) from error
    except (ConnectTimeoutError, EndpointConnectionError, NoCredentialsError) as error:
        raise CommandNotStartedError(f"{call} not sent: {error}", retryable=True) from error
    except BotoCoreError as error:
        raise CommandUncertainError(f"{call} gave no answer: {error}") from error


def _refusal(call: str, error: ClientError) -> CommandNotStartedError | CommandUncertainError:
    """Return what an error answer means: a service may fail after it has begun."""
    code = code_of(error)
    if code in _TURNED_AWAY:
        return CommandNotStartedError(f"{call} refused: {code}", retryable=True)
    if code in _INSIDE or _http_status(error) >= 500:
        return CommandUncertainError(f"{call} answered {code}")
    told = " ".join(str(error.response.get("Error", {}).get("Message", "")).split())[:200]
    detail = f" ({told})" if told else ""
    return CommandNotStartedError(f"{call} refused: {code}{detail}", retryable=False)


def _http_status(error: ClientError) -> int:
    return error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
