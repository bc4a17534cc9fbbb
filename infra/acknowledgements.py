"""Findings of the checks that are meant to be so; all others fail the synth."""

from aws_cdk import Acknowledgment, Validations
from constructs import IConstruct

PACK = "AwsSolutions"


def accept(scope: IConstruct, finding: str, reason: str) -> None:
    """Accept one finding of a check below this construct, and only that one, for a reason."""
    Validations.of(scope).acknowledge(Acknowledgment(id=f"{PACK}::{PACK}-{finding}", reason=reason))


def accept_reading_all(scope: IConstruct, actions: str) -> None:
    """Accept the resource `*` of actions that know no narrower one, and only read."""
    accept(scope, "IAM5[Resource::*]", f"{actions}: they only read, and take no narrower resource.")


def accept_managed_policy(scope: IConstruct, name: str, reason: str) -> None:
    """Accept one policy that AWS maintains."""
    accept(scope, f"IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/{name}]", reason)
