"""The recovery scripts as Systems Manager documents, and who may run them where."""

import json
from collections.abc import Mapping

import aws_cdk as cdk
from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from autorecovery.scripts import Script
from infra.acknowledgements import accept
from infra.configuration import RefusedError


class RecoveryDocuments(Construct):
    """One document per script, named by its content: a changed script is another document."""

    def __init__(self, scope: Construct, id: str, *, scripts: Mapping[str, Script]) -> None:
        super().__init__(scope, id)
        self._scripts = scripts
        self._documents = {name: self._document(script) for name, script in scripts.items()}

    @property
    def names(self) -> list[str]:
        """Return the names that the deployed documents get."""
        return [document.ref for document in self._documents.values()]

    @property
    def as_environment(self) -> str:
        """Return, as JSON, which document carries which script, and the hash of its content."""
        return Stack.of(self).to_json_string(
            {
                name: {"name": document.ref, "sha256": self._scripts[name].sha256}
                for name, document in self._documents.items()
            }
        )

    def grant_run(self, function: lambda_.IFunction, *, tag_key: str, tag_value: str) -> None:
        """Let the function run these documents, and only these, on instances that opted in."""
        function.add_to_role_policy(
            iam.PolicyStatement(
                actions=["ssm:SendCommand", "ssm:GetDocument", "ssm:DescribeDocument"],
                resources=self._arns,
            )
        )
        function.add_to_role_policy(
            iam.PolicyStatement(
                actions=["ssm:SendCommand"],
                resources=[self._any_instance],
                conditions={"StringEquals": {f"ssm:resourceTag/{tag_key}": tag_value}},
            )
        )
        accept(
            function,
            "IAM5[Resource::arn:<AWS::Partition>:ec2:<AWS::Region>:<AWS::AccountId>:instance/*]",
            "Instances come and go; which of them opted in is a tag, and the tag is a condition.",
        )
        # These two know no narrower resource; they only read.
        function.add_to_role_policy(
            iam.PolicyStatement(
                actions=[
                    "ssm:DescribeInstanceInformation",
                    "ssm:GetCommandInvocation",
                    "ssm:ListCommands",
                ],
                resources=["*"],
            )
        )

    @property
    def _arns(self) -> list[str]:
        stack = Stack.of(self)
        return [
            stack.format_arn(service="ssm", resource="document", resource_name=name)
            for name in self.names
        ]

    @property
    def _any_instance(self) -> str:
        return Stack.of(self).format_arn(service="ec2", resource="instance", resource_name="*")

    def _document(self, script: Script) -> ssm.CfnDocument:
        content = script.document()
        document = ssm.CfnDocument(
            self, f"{_camel(script.name)}{script.sha256[:10]}",
            content=content, document_type="Command", document_format="JSON",
        )  # fmt: skip
        _refuse_what_cloudformation_would_change(script)
        # Responses that are under way go on with the document they were deployed with.
        document.apply_removal_policy(cdk.RemovalPolicy.RETAIN)
        return document


def _camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


def _refuse_what_cloudformation_would_change(script: Script) -> None:
    # It replaces characters beyond ASCII by question marks, and the hash would no longer match.
    text = json.dumps(script.document(), ensure_ascii=False)
    if not text.isascii():
        odd = next(character for character in text if not character.isascii())
        raise RefusedError(f"recovery_scripts/{script.name}.sh: {odd!r} is not ASCII")
