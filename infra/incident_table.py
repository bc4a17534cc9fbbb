"""The memory of incidents: one table, kept whatever happens to the stack."""

import aws_cdk as cdk
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

RECENT = "recent"
"""The index of incidents by the time they were opened."""


class IncidentTable(Construct):
    """One DynamoDB table for claims, incidents, timelines and attempts."""

    def __init__(self, scope: Construct, id: str) -> None:
        super().__init__(scope, id)
        self.table = dynamodb.Table(
            self, "Table",
            partition_key=_text("pk"),
            sort_key=_text("sk"),
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            # Encrypted at rest with the key DynamoDB owns: nobody pays for it by the month.
            encryption=dynamodb.TableEncryption.DEFAULT,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            time_to_live_attribute="expires",
            removal_policy=cdk.RemovalPolicy.RETAIN,
        )  # fmt: skip
        self.table.add_global_secondary_index(
            index_name=RECENT,
            partition_key=_text("recent_pk"),
            sort_key=_text("recent_sk"),
            projection_type=dynamodb.ProjectionType.ALL,
        )

    def grant_read(self, function: lambda_.IFunction) -> None:
        """Let the function look up single items."""
        self._allow(function, ["dynamodb:GetItem"], [self.table.table_arn])

    def grant_use(self, function: lambda_.IFunction) -> None:
        """Let the function claim, record and read; transactions are made of the same actions."""
        self._allow(
            function,
            [
                "dynamodb:GetItem", "dynamodb:Query", "dynamodb:PutItem", "dynamodb:UpdateItem",
                "dynamodb:DeleteItem", "dynamodb:ConditionCheckItem",
            ],
            [self.table.table_arn],
        )  # fmt: skip
        self._allow(function, ["dynamodb:Query"], [f"{self.table.table_arn}/index/{RECENT}"])

    def grant_tell(self, function: lambda_.IFunction) -> None:
        """Let the function read a notice, and write down what became of it."""
        actions = ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"]
        self._allow(function, actions, [self.table.table_arn])

    def grant_look_back(self, function: lambda_.IFunction) -> None:
        """Let the function look at what happened."""
        index = f"{self.table.table_arn}/index/{RECENT}"
        self._allow(function, ["dynamodb:Query"], [self.table.table_arn, index])

    @staticmethod
    def _allow(function: lambda_.IFunction, actions: list[str], resources: list[str]) -> None:
        function.add_to_role_policy(iam.PolicyStatement(actions=actions, resources=resources))


def _text(name: str) -> dynamodb.Attribute:
    return dynamodb.Attribute(name=name, type=dynamodb.AttributeType.STRING)
