"""The durable function that lives an incident: started by its alias, woken by callbacks."""

from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.acknowledgements import accept, accept_reading_all
from infra.configuration import Deployment
from infra.functions import Functions
from infra.incident_table import IncidentTable
from infra.instance_actions import grant_actions
from infra.log_sources import LogSources
from infra.recovery_documents import RecoveryDocuments
from infra.topics import NoticeTopic

ALIAS = "live"


class Responder(Construct):
    """The function `IncidentResponder`, its alias, and what it may do to the fleet."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        functions: Functions,
        deployment: Deployment,
        documents: RecoveryDocuments,
        log_sources: LogSources,
        table: IncidentTable,
        notices: NoticeTopic,
    ) -> None:
        super().__init__(scope, id)
        self.function = functions.add_durable(
            "IncidentResponder",
            "Lives one incident: tells people, recovers, verifies, hands over.",
            RECOVERY_DOCUMENTS=documents.as_environment,
            ALIAS=ALIAS,
        )
        self._allow_reading()
        table.grant_use(self.function)
        notices.grant_publish(self.function)
        log_sources.grant_read(self.function)
        tag = deployment.configuration.targets
        documents.grant_run(self.function, tag_key=tag.tag_key, tag_value=tag.tag_value)
        grant_actions(self.function, deployment.configuration)
        self.alias = lambda_.Alias(
            self, "Alias", alias_name=ALIAS, version=self.function.current_version
        )
        self._allow_telling_of_groups()

    def grant_start(self, function: lambda_.IFunction) -> None:
        """Let the function start responses, which durable functions do only when qualified."""
        function.add_to_role_policy(
            iam.PolicyStatement(
                actions=["lambda:InvokeFunction"], resources=[self.alias.function_arn]
            )
        )

    def grant_wake(self, function: lambda_.IFunction) -> None:
        """Let the function answer a waiting response, whichever version it lives in."""
        function.add_to_role_policy(
            iam.PolicyStatement(
                actions=["lambda:SendDurableExecutionCallbackSuccess"],
                # Executions are below versions: neither the function's ARN nor the alias matches.
                resources=[f"{self.function.function_arn}:*"],
            )
        )
        accept(
            function,
            "IAM5[Resource::<IncidentResponder.Arn>:*]",
            "A running execution belongs to the version it was started with, whichever that was.",
        )

    def _allow_telling_of_groups(self) -> None:
        """Let a response start and wake the execution that tells of a group of incidents.

        In a policy of its own: the function waits for its default policy, which cannot name it.
        """
        assert self.function.role is not None, "made with the function"
        policy = iam.Policy(
            self, "Groups",
            statements=[
                iam.PolicyStatement(
                    actions=["lambda:InvokeFunction"], resources=[self.alias.function_arn]
                ),
                iam.PolicyStatement(
                    actions=["lambda:SendDurableExecutionCallbackSuccess"],
                    resources=[f"{self.function.function_arn}:*"],
                ),
            ],
        )  # fmt: skip
        self.function.role.attach_inline_policy(policy)
        accept(
            policy,
            "IAM5[Resource::<IncidentResponder.Arn>:*]",
            "A running execution belongs to the version it was started with, whichever that was.",
        )

    def _allow_reading(self) -> None:
        self.function.add_to_role_policy(
            iam.PolicyStatement(
                actions=["ec2:DescribeInstances", "cloudwatch:GetMetricData"], resources=["*"]
            )
        )
        accept_reading_all(
            self.function, "DescribeInstances, GetMetricData, and what Run Command tells"
        )
