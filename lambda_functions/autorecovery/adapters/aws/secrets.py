"""Secrets kept by AWS: SecureStrings of the Parameter Store, and Secrets Manager."""

import json
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from autorecovery.adapters.aws.errors import code_of
from autorecovery.adapters.secrets import Read
from autorecovery.errors import SecretError

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_ssm import SSMClient

_MISSING = frozenset(
    {
        "ParameterNotFound", "ParameterVersionNotFound", "ResourceNotFoundException",
        "InvalidRequestException",
    }
)  # fmt: skip
"""`InvalidRequestException` is what a secret answers that is marked for deletion."""

_FORBIDDEN = frozenset({"AccessDeniedException", "AccessDenied", "DecryptionFailure"})

_WRONG = frozenset({"ValidationException", "InvalidParameterException", "InvalidKeyId"})


def aws_readers(
    ssm: Callable[[], "SSMClient"], secretsmanager: Callable[[], "SecretsManagerClient"]
) -> dict[str, Read]:
    """Return the readers of what AWS keeps; a client is made when the first secret needs it."""
    return {
        "ssm": partial(_from_parameter, ssm),
        "secretsmanager": partial(_from_secret, secretsmanager),
    }


def _from_parameter(client: Callable[[], "SSMClient"], name: str) -> str:
    try:
        answer = client().get_parameter(Name=name, WithDecryption=True)
    except (ClientError, BotoCoreError) as error:
        raise _told(
            f"ssm:{name}",
            f"aws ssm put-parameter --type SecureString --name {name} --value …",
            "ssm:GetParameter",
            error,
        ) from error
    return answer["Parameter"].get("Value", "")


def _from_secret(client: Callable[[], "SecretsManagerClient"], place: str) -> str:
    name, _, key = place.partition("#")
    reference = f"secretsmanager:{place}"
    try:
        answer = client().get_secret_value(SecretId=name)
    except (ClientError, BotoCoreError) as error:
        raise _told(
            reference,
            f"aws secretsmanager create-secret --name {name} --secret-string …",
            "secretsmanager:GetSecretValue",
            error,
        ) from error
    text = answer.get("SecretString", "")
    return _value_of(text, key, reference) if key else text


def _value_of(text: str, key: str, reference: str) -> str:
    try:
        content = json.loads(text)
    except ValueError:
        # Not `from`: that error carries the text.
        raise SecretError(
            f"{reference}: the secret is no JSON; leave out #{key}, or store {{{key!r}: …}}",
            retryable=False,
        ) from None
    value = content.get(key) if isinstance(content, dict) else None
    if not isinstance(value, str):
        raise SecretError(
            f"{reference}: the secret has no text under {key!r}; add it", retryable=False
        )
    return value


def _told(
    reference: str, how: str, permission: str, error: ClientError | BotoCoreError
) -> SecretError:
    """Return in our words why a secret cannot be had, and what to do about it."""
    if not isinstance(error, ClientError):
        return SecretError(f"{reference}: {error}", retryable=True)
    code = code_of(error)
    if code in _MISSING:
        return SecretError(f"{reference}: it does not exist; create it: {how}", retryable=False)
    if code in _FORBIDDEN:
        return SecretError(
            f"{reference}: it may not be read ({code}); allow {permission} on it, and kms:Decrypt"
            " where a key of yours encrypts it",
            retryable=False,
        )
    return SecretError(f"{reference}: {code}", retryable=code not in _WRONG)
