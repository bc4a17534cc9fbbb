"""From botocore's errors to ours."""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError

from autorecovery.errors import ReadError, StoreError

_NO_USE_TRYING = frozenset(
    {
        "AccessDeniedException", "ResourceNotFoundException", "ValidationException",
        "UnrecognizedClientException", "ItemCollectionSizeLimitExceededException",
    }
)  # fmt: skip


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
