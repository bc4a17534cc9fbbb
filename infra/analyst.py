"""The function that explains incidents: behind the notices, and with no hands."""

from collections.abc import Iterator

import aws_cdk as cdk
from aws_cdk import ArnFormat, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda_event_sources as event_sources
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from autorecovery.config import AnalysisSettings, Configuration
from infra.acknowledgements import accept, accept_reading_all
from infra.functions import Functions
from infra.incident_table import IncidentTable
from infra.log_sources import LogSources
from infra.topics import NoticeTopic

ASKED_BY = ("opened", "storm", "recovered", "handed over")
"""Kinds of notices after which an analysis may be due; `analysis/run.py` has the same."""

A_CROWD_FORMS = cdk.Duration.seconds(45)
"""A notice waits so long: then its incident's story says whether it came in a crowd."""

TRIES = 5

GEOGRAPHIES = ("us", "us-gov", "eu", "apac", "jp", "au", "ca", "sa", "global")
"""How the ids of inference profiles begin that reach over regions."""


class IncidentAnalyst(Construct):
    """The function `IncidentAnalyst`, its queue, and the one model that it may ask."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        functions: Functions,
        configuration: Configuration,
        log_sources: LogSources,
        table: IncidentTable,
        notices: NoticeTopic,
    ) -> None:
        super().__init__(scope, id)
        self.function = functions.add_consumer(
            "IncidentAnalyst", "Says what probably happened, and on what evidence."
        )
        self.dead_letters = self._dead_letters()
        queue = self._queue(configuration)
        notices.topic.add_subscription(
            subscriptions.SqsSubscription(
                queue,
                raw_message_delivery=True,
                dead_letter_queue=self.dead_letters,
                filter_policy={
                    "kind": sns.SubscriptionFilter.string_filter(allowlist=list(ASKED_BY))
                },
            )
        )
        # One at a time: an answer takes as long as the model takes, and a batch as long as its sum.
        self.function.add_event_source(
            event_sources.SqsEventSource(
                queue, batch_size=1, max_concurrency=2, report_batch_item_failures=True
            )
        )
        table.grant_use(self.function)
        notices.grant_publish(self.function)
        log_sources.grant_read(self.function)
        self.function.add_to_role_policy(
            iam.PolicyStatement(actions=["cloudwatch:GetMetricData"], resources=["*"])
        )
        accept_reading_all(self.function, "GetMetricData")
        self._allow_asking(configuration.analysis)

    def _dead_letters(self) -> sqs.Queue:
        # Its own: a lost analysis is a pity, and must not ring where a lost event does.
        return sqs.Queue(
            self, "DeadLetters",
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            retention_period=cdk.Duration.days(14),
        )  # fmt: skip

    def _queue(self, configuration: Configuration) -> sqs.Queue:
        longest = int(configuration.functions.timeout.total_seconds())
        return sqs.Queue(
            self, "Queue",
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            delivery_delay=A_CROWD_FORMS,
            # Longer than a claim is respected, so that a retry finds it given up or done.
            visibility_timeout=cdk.Duration.seconds(max(6 * longest, 180)),
            retention_period=cdk.Duration.days(1),
            dead_letter_queue=sqs.DeadLetterQueue(
                queue=self.dead_letters, max_receive_count=TRIES
            ),
        )  # fmt: skip

    def _allow_asking(self, settings: AnalysisSettings) -> None:
        """Let the function ask the configured model, and no other; without one, none."""
        if settings.model is None:
            return
        for statement in self._asking(settings.model, settings.region):
            self.function.add_to_role_policy(statement)

    def _asking(self, model: str, region: str | None) -> Iterator[iam.PolicyStatement]:
        geography, _, foundation = model.partition(".")
        if model.startswith("arn:"):
            profile, foundation = model, "*"
        elif geography in GEOGRAPHIES:
            profile = self._arn(region, f"inference-profile/{model}")
        else:
            yield _invoke(self._arn(region, f"foundation-model/{model}", account=""))
            return
        yield _invoke(profile)
        behind = self._arn("*", f"foundation-model/{foundation}", account="")
        # A profile chooses the region; through anything but this profile the model stays closed.
        through = {"StringEquals": {"bedrock:InferenceProfileArn": profile}}
        yield _invoke(behind, conditions=through)
        accept(
            self.function,
            f"IAM5[Resource::arn:<AWS::Partition>:bedrock:*::foundation-model/{foundation}]",
            "A profile asks the model in whichever of its regions has room; a condition names it.",
        )

    def _arn(self, region: str | None, name: str, account: str | None = None) -> str:
        return Stack.of(self).format_arn(
            service="bedrock",
            region=region,
            account=account,
            resource=name,
            arn_format=ArnFormat.NO_RESOURCE_NAME,
        )


def _invoke(arn: str, conditions: dict[str, dict[str, str]] | None = None) -> iam.PolicyStatement:
    return iam.PolicyStatement(
        actions=["bedrock:InvokeModel"], resources=[arn], conditions=conditions
    )
