"""The two functions that are called by AWS: one for signals, one for the ends of commands."""

from aws_cdk import aws_iam as iam
from constructs import Construct

from infra.acknowledgements import accept_reading_all
from infra.dead_letters import DeadLetters
from infra.functions import Functions
from infra.incident_table import IncidentTable
from infra.responder import Responder


class MetricProcessor(Construct):
    """The function `MetricProcessor`: turns deliveries into incidents, starts their responses."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        functions: Functions,
        responder: Responder,
        table: IncidentTable,
        dead_letters: DeadLetters,
    ) -> None:
        super().__init__(scope, id)
        self.function = functions.add(
            "MetricProcessor",
            "Turns deliveries into signals, breaches and incidents.",
            INCIDENT_RESPONDER=responder.alias.function_arn,
            DEAD_LETTER_QUEUE_URL=dead_letters.queue.queue_url,
        )
        table.grant_use(self.function)
        dead_letters.grant_keep(self.function)
        responder.grant_start(self.function)
        responder.grant_wake(self.function)
        # Which machines have opted in.
        self.function.add_to_role_policy(
            iam.PolicyStatement(actions=["ec2:DescribeInstances"], resources=["*"])
        )
        accept_reading_all(self.function, "DescribeInstances")


class CommandListener(Construct):
    """The function `CommandListener`: wakes the response whose command has ended."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        functions: Functions,
        responder: Responder,
        table: IncidentTable,
    ) -> None:
        super().__init__(scope, id)
        self.function = functions.add(
            "CommandListener", "Wakes the response whose command has ended."
        )
        table.grant_read(self.function)
        responder.grant_wake(self.function)
