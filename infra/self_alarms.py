"""Who watches the watcher: alarms about ourselves, which take no path through our functions."""

from collections.abc import Iterator, Mapping

import aws_cdk as cdk
from aws_cdk import Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.topics import ABOUT_OURSELVES

PERIOD = cdk.Duration.minutes(5)

TOO_LONG = cdk.Duration.minutes(30)
"""For a notice to wait in its channel's queue."""


class SelfAlarms(Construct):
    """One alarm per way in which we could fail without telling anybody."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        functions: Mapping[str, lambda_.Function],
        responder: lambda_.Function,
        dead_letters: sqs.Queue,
        channels: Mapping[str, sqs.Queue],
        topic: sns.ITopic,
    ) -> None:
        super().__init__(scope, id)
        self._publish = actions.SnsAction(topic)
        for name, function in functions.items():
            for metric, meaning in _failures(function):
                self._add(f"{name}{metric.metric_name}", f"{name} {meaning}", metric)
        for metric_name, meaning in _ENDS.items():
            metric = lambda_metric(responder, metric_name)
            self._add(metric_name, f"IncidentResponder {meaning}", metric)
        self._add(
            "DeadLetters",
            "dead letters are waiting: `autorecovery dead-letters list --stack"
            f" {Stack.of(self).stack_name}` shows them; then replay or discard them.",
            dead_letters.metric_approximate_number_of_messages_visible(
                statistic="Maximum", period=PERIOD
            ),
        )

        for name, queue in channels.items():
            self._add(
                f"Waiting-{name}",
                f"notices for {name} have been waiting for {TOO_LONG.to_human_string()}:"
                f" `autorecovery notify list --stack {Stack.of(self).stack_name}` says why.",
                oldest(queue),
                threshold=TOO_LONG.to_seconds(),
            )

    def _add(
        self, id: str, description: str, metric: cloudwatch.IMetric, threshold: float = 1
    ) -> None:
        alarm = cloudwatch.Alarm(
            self, id,
            alarm_description=f"{ABOUT_OURSELVES}{description}",
            metric=metric,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            threshold=threshold,
            evaluation_periods=1,
            # These metrics exist only where something went wrong.
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )  # fmt: skip
        alarm.add_alarm_action(self._publish)
        alarm.add_ok_action(self._publish)


_ENDS = {
    "DurableExecutionFailed": "gave up on an incident: its response ended with an error.",
    "DurableExecutionTimedOut": "gave up on an incident: its response ran for too long.",
    "DeadLetterErrors": "lost a failed response: it could not be put into the dead-letter queue.",
}


def lambda_metric(function: lambda_.Function, name: str) -> cloudwatch.Metric:
    """Return the sum of what Lambda counts under this name for the function."""
    return function.metric(name, statistic="Sum", period=PERIOD)


def oldest(queue: sqs.Queue) -> cloudwatch.Metric:
    """Return how long the oldest message of a queue has been waiting."""
    return queue.metric_approximate_age_of_oldest_message(statistic="Maximum", period=PERIOD)


def _failures(function: lambda_.Function) -> Iterator[tuple[cloudwatch.Metric, str]]:
    yield lambda_metric(function, "Errors"), "failed; its log group says why."
    yield lambda_metric(function, "Throttles"), "was throttled: concurrency is used up."
    yield (
        lambda_metric(function, "DestinationDeliveryFailures"),
        "lost an event: it could not be put into the dead-letter queue.",
    )
