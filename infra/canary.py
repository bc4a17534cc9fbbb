"""The watch on the watcher: a synthetic incident on a schedule, and an alarm on its absence."""

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from autorecovery.models.canary import CANARY, CANARY_EVENT, Canary
from autorecovery.models.incident import EntryKind
from infra.dashboard import NAMESPACE
from infra.functions import MAX_AGE_OF_AN_EVENT
from infra.topics import ABOUT_OURSELVES

MISSED = 2
"""Beats that may not come before the alarm rings: one is late now and then."""


class CanaryFlight(Construct):
    """Sends the canary into triage, as any event comes; rings where it does not come back.

    The alarm tells people by the alarm topic: CloudWatch, SNS and mail, and no function of ours.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        canary: Canary,
        triage: lambda_.IFunction,
        responder: lambda_.IFunction,
        dead_letters: sqs.IQueue,
        topic: sns.ITopic,
    ) -> None:
        super().__init__(scope, id)
        self._every = cdk.Duration.seconds(int(canary.every.total_seconds()))
        self._send(canary.target or CANARY, triage, dead_letters)
        self._watch(topic)
        if canary.topic:
            responder.add_to_role_policy(
                iam.PolicyStatement(actions=["sns:Publish"], resources=[canary.topic])
            )

    def _send(self, target: str, triage: lambda_.IFunction, dead_letters: sqs.IQueue) -> None:
        event = {
            "detail-type": CANARY_EVENT,
            "source": "autorecovery",
            # Of the scheduled event itself: each is another observation, delivered twice or not.
            "id": events.EventField.event_id,
            "time": events.EventField.time,
            "account": events.EventField.account,
            "region": events.EventField.from_path("$.region"),
            "detail": {"target": target},
        }
        events.Rule(
            self, "Schedule",
            description="Sends a synthetic incident the whole way round.",
            schedule=events.Schedule.rate(self._every),
            targets=[
                targets.LambdaFunction(
                    triage,
                    event=events.RuleTargetInput.from_object(event),
                    dead_letter_queue=dead_letters,
                    max_event_age=MAX_AGE_OF_AN_EVENT,
                )
            ],
        )  # fmt: skip

    def _watch(self, topic: sns.ITopic) -> None:
        beats = cloudwatch.Metric(
            namespace=NAMESPACE,
            metric_name=str(EntryKind.BEAT),
            dimensions_map={"service": "incident_responder"},
            statistic="Sum",
            period=self._every,
        )
        alarm = cloudwatch.Alarm(
            self, "Silence",
            alarm_description=(
                f"{ABOUT_OURSELVES}the canary has missed {MISSED} beats. Events, decisions,"
                " scripts or notices may not work: look after your servers by hand until they do."
            ),
            metric=beats,
            comparison_operator=cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
            threshold=1,
            evaluation_periods=MISSED,
            # Whoever is dead sends no zeros.
            treat_missing_data=cloudwatch.TreatMissingData.BREACHING,
        )  # fmt: skip
        alarm.add_alarm_action(actions.SnsAction(topic))
        alarm.add_ok_action(actions.SnsAction(topic))
