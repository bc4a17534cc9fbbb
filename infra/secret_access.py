"""Who may read which secrets: exactly those that the configuration names, by reference."""

from collections.abc import Iterable

from aws_cdk import ArnFormat, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_


def grant_secrets(function: lambda_.IFunction, references: Iterable[str]) -> None:
    """Let the function read these secrets; `env:` and `file:` need no permission.

    Those encrypted with a key of the user's own need that key's policy to allow it, too.
    """
    parameters, secrets = [], []
    for reference in sorted(set(references)):
        scheme, _, place = reference.partition(":")
        if scheme == "ssm":
            parameters.append(_parameter(function, place))
        elif scheme == "secretsmanager":
            secrets.append(_secret(function, place.partition("#")[0]))
    _allow(function, "ssm:GetParameter", parameters)
    _allow(function, "secretsmanager:GetSecretValue", sorted(set(secrets)))


def _allow(function: lambda_.IFunction, action: str, resources: list[str]) -> None:
    if resources:
        function.add_to_role_policy(iam.PolicyStatement(actions=[action], resources=resources))


def _parameter(function: lambda_.IFunction, name: str) -> str:
    # In an ARN the name stands without the slash that it begins with.
    return Stack.of(function).format_arn(
        service="ssm", resource="parameter", resource_name=name.removeprefix("/")
    )


def _secret(function: lambda_.IFunction, id: str) -> str:
    if id.startswith("arn:"):
        return id
    # Secrets Manager ends each ARN with a dash and six characters of its own.
    return Stack.of(function).format_arn(
        service="secretsmanager", resource="secret", resource_name=f"{id}-??????",
        arn_format=ArnFormat.COLON_RESOURCE_NAME,
    )  # fmt: skip
