"""Where everything ends up that nobody could take: nothing asynchronous is lost without a trace."""

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs
from constructs import Construct


class DeadLetters(Construct):
    """The one dead-letter queue: failed invocations, undelivered notices, events not understood."""

    def __init__(self, scope: Construct, id: str) -> None:
        super().__init__(scope, id)
        self.queue = sqs.Queue(
            self, "Queue",
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            retention_period=cdk.Duration.days(14),
        )  # fmt: skip

    def grant_keep(self, function: lambda_.IFunction) -> None:
        """Let the function put aside what it does not understand."""
        function.add_to_role_policy(
            iam.PolicyStatement(actions=["sqs:SendMessage"], resources=[self.queue.queue_arn])
        )
