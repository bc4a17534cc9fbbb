"""The ways to people beside the topic's e-mail: a queue for each channel, and who empties them."""

from collections.abc import Mapping

import aws_cdk as cdk
from aws_cdk import Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_lambda_event_sources as sources
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from autorecovery.config import ChannelSettings, Configuration
from infra.acknowledgements import accept_reading_all
from infra.functions import MAX_AGE_OF_AN_EVENT, Functions
from infra.incident_table import IncidentTable
from infra.log_sources import LogSources
from infra.secrets import grant_secrets, secrets_of
from infra.topics import NoticeTopic

AT_ONCE = 2
"""Notices of one channel that are delivered at the same time; chats take about one a second."""

HIDDEN = 6
"""Times the function's time limit for which a message that is worked on stays hidden, as AWS
advises."""

RECEIVED = 100
"""Times a message is received before the queue gives it up. The function counts its tries itself
and gives up much sooner; this is for messages that it never gets to."""


class NoticeChannels(Construct):
    """One queue per channel: each is filled by the topic, and waits and fails by itself."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        configuration: Configuration,
        topic: sns.ITopic,
        dead_letters: sqs.IQueue,
    ) -> None:
        super().__init__(scope, id)
        limit = configuration.functions.timeout.total_seconds()
        self.queues = {
            name: self._queue(name, cdk.Duration.seconds(HIDDEN * int(limit)), dead_letters)
            for name in configuration.notify.channels
        }
        for name, queue in self.queues.items():
            chosen = sns.SubscriptionFilter.string_filter(allowlist=[name])
            topic.add_subscription(
                subscriptions.SqsSubscription(
                    queue,
                    raw_message_delivery=True,
                    dead_letter_queue=dead_letters,
                    # The sender of a notice names whom it may concern.
                    filter_policy={"channels": chosen},
                )
            )

    @property
    def as_json(self) -> str:
        """Return the queues' URLs by the channels' names, as functions and people are told."""
        urls = {name: queue.queue_url for name, queue in self.queues.items()}
        return Stack.of(self).to_json_string(urls)

    @property
    def environment(self) -> dict[str, str]:
        """Return what a function has to know of the queues; nothing where there are none."""
        return {"NOTICE_QUEUES": self.as_json} if self.queues else {}

    def grant_put(self, function: lambda_.IFunction) -> None:
        """Let the function put a notice into a queue itself, where the topic does not take it."""
        if self.queues:
            arns = [queue.queue_arn for queue in self.queues.values()]
            function.add_to_role_policy(
                iam.PolicyStatement(actions=["sqs:SendMessage"], resources=arns)
            )

    def _queue(self, name: str, hidden: cdk.Duration, dead_letters: sqs.IQueue) -> sqs.Queue:
        return sqs.Queue(
            self, name,
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            retention_period=cdk.Duration.days(14),
            visibility_timeout=hidden,
            dead_letter_queue=sqs.DeadLetterQueue(queue=dead_letters, max_receive_count=RECEIVED),
        )  # fmt: skip


class NoticeSender(Construct):
    """The function `NoticeSender`: delivers what waits in the channels' queues, and digests."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        functions: Functions,
        channels: NoticeChannels,
        notices: NoticeTopic,
        configured: Mapping[str, ChannelSettings],
        table: IncidentTable,
        log_sources: LogSources,
        dead_letters: sqs.IQueue,
    ) -> None:
        super().__init__(scope, id)
        self.function = functions.add(
            "NoticeSender",
            "Tells people through the configured channels.",
            DEAD_LETTER_QUEUE_URL=dead_letters.queue_url,
            **channels.environment,
        )
        table.grant_tell(self.function)
        self._allow_putting_aside(dead_letters)
        notices.grant_publish(self.function)  # the last stand-in, where no channel is left
        channels.grant_put(self.function)
        for queue in channels.queues.values():
            self._empty(queue)
        for name, settings in configured.items():
            grant_secrets(self.function, secrets_of(settings.service))
            self._allow_mail(settings)
            if settings.ses and settings.ses.digest:
                self._schedule(name, settings, dead_letters)
        if any(settings.ses for settings in configured.values()):
            self._allow_reports(table, log_sources)

    def _empty(self, queue: sqs.Queue) -> None:
        source = sources.SqsEventSource(
            # One at a time: a message that takes long, or kills the function, delays no other.
            queue, batch_size=1, report_batch_item_failures=True, max_concurrency=AT_ONCE
        )  # fmt: skip
        self.function.add_event_source(source)

    def _allow_putting_aside(self, dead_letters: sqs.IQueue) -> None:
        self.function.add_to_role_policy(
            iam.PolicyStatement(actions=["sqs:SendMessage"], resources=[dead_letters.queue_arn])
        )

    def _allow_mail(self, settings: ChannelSettings) -> None:
        """Let the function mail as the configured sender: its address or its domain is verified."""
        if settings.ses is None:
            return
        sender = settings.ses.sender
        self.function.add_to_role_policy(
            iam.PolicyStatement(
                actions=["ses:SendEmail", "ses:SendRawEmail"],
                resources=[
                    Stack.of(self).format_arn(
                        service="ses", resource="identity", resource_name=identity
                    )
                    for identity in (sender, sender.partition("@")[2])
                ],
            )
        )

    def _allow_reports(self, table: IncidentTable, log_sources: LogSources) -> None:
        """Let the function read again what an incident was about, for the report of its end."""
        table.grant_look_back(self.function)
        log_sources.grant_read(self.function)
        self.function.add_to_role_policy(
            iam.PolicyStatement(actions=["cloudwatch:GetMetricData"], resources=["*"])
        )
        accept_reading_all(self.function, "GetMetricData")

    def _schedule(self, name: str, settings: ChannelSettings, dead_letters: sqs.IQueue) -> None:
        report = settings.ses
        if report is None:
            return
        hour, minute = report.digest_at.split(":")
        weekly = {"week_day": "MON"} if report.digest == "weekly" else {}
        events.Rule(
            self, f"Digest-{name}",
            description=f"Has the {report.digest} digest sent through {name}.",
            schedule=events.Schedule.cron(minute=str(int(minute)), hour=str(int(hour)), **weekly),
            targets=[
                targets.LambdaFunction(
                    self.function,
                    event=events.RuleTargetInput.from_object(
                        {"digest": report.digest, "channel": name}
                    ),
                    dead_letter_queue=dead_letters,
                    max_event_age=MAX_AGE_OF_AN_EVENT,
                )
            ],
        )  # fmt: skip
