"""Who may read which secret: exactly those that the configuration names, where they are kept."""

from collections.abc import Iterable

from aws_cdk import ArnFormat, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from pydantic import BaseModel

PARAMETER, SECRET = "ssm:", "secretsmanager:"


def secrets_of(settings: BaseModel) -> list[str]:
    """Return the references to secrets among these settings."""
    values = (getattr(settings, name) for name in type(settings).model_fields)
    return [v for v in values if isinstance(v, str) and v.startswith((PARAMETER, SECRET))]


def grant_secrets(function: lambda_.IFunction, references: Iterable[str]) -> None:
    """Let the function read these secrets, and no others."""
    for reference in references:
        function.add_to_role_policy(
            iam.PolicyStatement(
                actions=[
                    "ssm:GetParameter"
                    if reference.startswith(PARAMETER)
                    else "secretsmanager:GetSecretValue"
                ],
                resources=[_arn(reference, Stack.of(function))],
            )
        )


def _arn(reference: str, stack: Stack) -> str:
    if reference.startswith(PARAMETER):
        name = reference.removeprefix(PARAMETER).lstrip("/")
        return stack.format_arn(service="ssm", resource="parameter", resource_name=name)
    name = reference.removeprefix(SECRET).partition("#")[0]
    if name.startswith("arn:"):
        return name
    return stack.format_arn(
        service="secretsmanager",
        resource="secret",
        # AWS puts six characters of its own behind a secret's name.
        resource_name=f"{name}-??????",
        arn_format=ArnFormat.COLON_RESOURCE_NAME,
    )
