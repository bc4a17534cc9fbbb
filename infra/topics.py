"""The two topics: notices, which people read, and raw alarms, which need no function of ours."""

from collections.abc import Sequence

from aws_cdk import ArnFormat, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from aws_cdk import aws_sqs as sqs
from constructs import Construct

ABOUT_OURSELVES = "AutoRecovery itself: "
"""How the description of an alarm begins that watches us; only these alarms are mailed raw."""


class NoticeTopic(Construct):
    """Where the responder publishes what people are told."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        emails: Sequence[str],
        existing_arn: str | None,
        dead_letters: sqs.IQueue,
    ) -> None:
        super().__init__(scope, id)
        self.topic = self._existing(existing_arn) if existing_arn else self._own()
        for email in emails:
            self.topic.add_subscription(
                subscriptions.EmailSubscription(email, dead_letter_queue=dead_letters)
            )

    def grant_publish(self, function: lambda_.IFunction) -> None:
        """Let the function tell people."""
        function.add_to_role_policy(
            iam.PolicyStatement(actions=["sns:Publish"], resources=[self.topic.topic_arn])
        )

    def _existing(self, arn: str) -> sns.ITopic:
        return sns.Topic.from_topic_arn(self, "Topic", arn)

    def _own(self) -> sns.ITopic:
        # Our functions publish here, and no AWS service: the key that SNS manages is enough.
        key = kms.Alias.from_alias_name(self, "SnsKey", "alias/aws/sns")
        return sns.Topic(self, "Topic", master_key=key, enforce_ssl=True)


class AlarmTopic(Construct):
    """Where CloudWatch itself publishes, so that silence of our functions is not silence of all."""

    def __init__(
        self, scope: Construct, id: str, *, emails: Sequence[str], dead_letters: sqs.IQueue
    ) -> None:
        super().__init__(scope, id)
        # CloudWatch cannot use the key that SNS manages: its publications would fail silently.
        self.key = kms.Key(self, "Key", enable_key_rotation=True)
        self.topic = sns.Topic(self, "Topic", master_key=self.key, enforce_ssl=True)
        self._admit_alarms()
        for email in emails:
            self.topic.add_subscription(_about_ourselves(email, dead_letters))

    def _admit_alarms(self) -> None:
        stack = Stack.of(self)
        alarms = stack.format_arn(
            service="cloudwatch", resource="alarm:*", arn_format=ArnFormat.NO_RESOURCE_NAME
        )
        cloudwatch = iam.ServicePrincipal("cloudwatch.amazonaws.com")
        ours = {"StringEquals": {"aws:SourceAccount": stack.account}}
        self.topic.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[cloudwatch],
                actions=["sns:Publish"],
                resources=[self.topic.topic_arn],
                conditions={**ours, "ArnLike": {"aws:SourceArn": alarms}},
            )
        )
        self.key.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[cloudwatch],
                actions=["kms:Decrypt", "kms:GenerateDataKey*"],
                resources=["*"],  # in a key's policy: this key
                conditions=ours,
            )
        )


def _about_ourselves(email: str, dead_letters: sqs.IQueue) -> sns.ITopicSubscription:
    """Return a subscription that leaves out what the same person is told by a notice anyway."""
    begins = sns.SubscriptionFilter.string_filter(match_prefixes=[ABOUT_OURSELVES])
    return subscriptions.EmailSubscription(
        email,
        dead_letter_queue=dead_letters,
        filter_policy_with_message_body={"AlarmDescription": sns.FilterOrPolicy.filter(begins)},
    )
