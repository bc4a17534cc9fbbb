"""What EventBridge delivers: changes of instances, warnings, others' alarms, ends of commands."""

from collections.abc import Sequence

from aws_cdk import Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.functions import MAX_AGE_OF_AN_EVENT


class EventRules(Construct):
    """The rules on the default event bus; what cannot be delivered goes to the dead letters."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        triage: lambda_.IFunction,
        command_listener: lambda_.IFunction,
        documents: Sequence[str],
        dead_letters: sqs.IQueue,
    ) -> None:
        super().__init__(scope, id)
        self._dead_letters = dead_letters
        self._route("InstanceState", triage, _INSTANCE_STATE)
        self._route("SpotInterruption", triage, _SPOT_INTERRUPTION)
        self._route("Health", triage, _HEALTH)
        self._route("ForeignAlarms", triage, _foreign_alarms(Stack.of(self).stack_name))
        self._route("CommandEnds", command_listener, _command_ends(documents))

    def _route(self, id: str, function: lambda_.IFunction, pattern: events.EventPattern) -> None:
        target = targets.LambdaFunction(
            function, dead_letter_queue=self._dead_letters, max_event_age=MAX_AGE_OF_AN_EVENT
        )
        events.Rule(self, id, event_pattern=pattern, targets=[target])


_INSTANCE_STATE = events.EventPattern(
    source=["aws.ec2"],
    detail_type=["EC2 Instance State-change Notification"],
    # `running` opens nothing, but wakes the response of an instance that was down.
    detail={"state": ["stopping", "stopped", "shutting-down", "terminated", "running"]},
)
_SPOT_INTERRUPTION = events.EventPattern(
    source=["aws.ec2"], detail_type=["EC2 Spot Instance Interruption Warning"]
)
_HEALTH = events.EventPattern(
    source=["aws.health"], detail_type=["AWS Health Event"], detail={"service": ["EC2"]}
)


def _foreign_alarms(stack_name: str) -> events.EventPattern:
    """Return all alarms but those of this stack, which invoke triage themselves or watch us."""
    return events.EventPattern(
        source=["aws.cloudwatch"],
        detail_type=["CloudWatch Alarm State Change", "CloudWatch Alarm Contributor State Change"],
        # Alarms without a name of their own are named after their stack.
        detail={"alarmName": [{"anything-but": {"prefix": f"{stack_name}-"}}]},
    )


def _command_ends(documents: Sequence[str]) -> events.EventPattern:
    return events.EventPattern(
        source=["aws.ssm"],
        detail_type=[
            "EC2 Command Status-change Notification",
            "EC2 Command Invocation Status-change Notification",
        ],
        detail={
            "document-name": list(documents),
            "status": [{"anything-but": ["Pending", "InProgress", "Delayed"]}],
        },
    )
