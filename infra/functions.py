"""What the functions share: one asset, one size, one way to fail."""

from collections.abc import Mapping
from pathlib import Path
from typing import cast

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_lambda_destinations as destinations
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from autorecovery.config import LambdaSettings
from infra.acknowledgements import accept, accept_managed_policy

MAX_AGE_OF_AN_EVENT = cdk.Duration.hours(1)
"""After that a delivery goes to the dead letters: triage would hold back what is so old anyway."""


class Functions(Construct):
    """Makes functions that share the asset, the size, the variables and the dead-letter queue."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        asset: Path,
        size: LambdaSettings,
        environment: Mapping[str, str],
        dead_letters: sqs.IQueue,
    ) -> None:
        super().__init__(scope, id)
        self._code = lambda_.Code.from_asset(str(asset), exclude=["**/__pycache__"])
        self._size = size
        self._environment = environment
        self._dead_letters = dead_letters

    def add(self, name: str, description: str, **environment: str) -> lambda_.Function:
        """Return a function that is invoked asynchronously; what it fails to take is kept."""
        function = self._function(
            name,
            description,
            environment,
            on_failure=destinations.SqsDestination(self._dead_letters),
            max_event_age=MAX_AGE_OF_AN_EVENT,
            retry_attempts=2,
        )
        accept_managed_policy(function, "AWSLambdaBasicExecutionRole", _KEPT_BY_AWS)
        return function

    def add_consumer(self, name: str, description: str, **environment: str) -> lambda_.Function:
        """Return a function that a queue feeds; what it fails to take is the queue's to keep."""
        return self.add_answering(name, description, **environment)

    def add_answering(self, name: str, description: str, **environment: str) -> lambda_.Function:
        """Return a function whose answer is waited for: whoever calls hears of each failure."""
        function = self._function(name, description, environment)
        accept_managed_policy(function, "AWSLambdaBasicExecutionRole", _KEPT_BY_AWS)
        return function

    def add_durable(self, name: str, description: str, **environment: str) -> lambda_.Function:
        """Return a durable function; an execution that fails for good is kept as a dead letter."""
        function = self._function(
            name,
            description,
            environment,
            durable_config=lambda_.DurableConfig(
                execution_timeout=cdk.Duration.days(365), retention_period=cdk.Duration.days(30)
            ),
            # The queue, not a destination, is what AWS documents for ended executions.
            dead_letter_queue=self._dead_letters,
            # A running execution stays on its version, so a version outlives its deployment.
            current_version_options=lambda_.VersionOptions(removal_policy=cdk.RemovalPolicy.RETAIN),
        )
        accept_managed_policy(function, "AWSLambdaBasicDurableExecutionRolePolicy", _KEPT_BY_AWS)
        return function

    def _function(
        self, name: str, description: str, environment: Mapping[str, str], **options: object
    ) -> lambda_.Function:
        module = _snake(name)
        function = lambda_.Function(
            self, name,
            description=description,
            code=self._code,
            handler=f"{module}.lambda_handler",
            runtime=lambda_.Runtime.PYTHON_3_13,
            architecture=lambda_.Architecture.ARM_64,
            memory_size=self._size.memory_mb,
            timeout=cdk.Duration.seconds(int(self._size.timeout.total_seconds())),
            environment={
                **self._environment, "POWERTOOLS_SERVICE_NAME": module, **environment,
            },
            log_group=self._log_group(name),
            **options,  # type: ignore[arg-type]
        )  # fmt: skip
        resource = cast("lambda_.CfnFunction", function.node.default_child)
        resource.override_logical_id(name)
        accept(function, "L1", "The wheels in the asset are built and tested for this version.")
        self._attach_to_network(function, resource)
        return function

    def _log_group(self, name: str) -> logs.LogGroup:
        # Nothing of ours subscribes to these: a log line must not cause the next one.
        return logs.LogGroup(
            self, f"{name}Log",
            retention=logs.RetentionDays.ONE_MONTH,
            removal_policy=cdk.RemovalPolicy.DESTROY,
        )  # fmt: skip

    def _attach_to_network(self, function: lambda_.Function, resource: lambda_.CfnFunction) -> None:
        vpc = self._size.vpc
        if vpc is None or function.role is None:
            return
        # By id, as they are configured: looking the VPC up would need an account at synth.
        resource.vpc_config = lambda_.CfnFunction.VpcConfigProperty(
            subnet_ids=list(vpc.subnet_ids), security_group_ids=list(vpc.security_group_ids)
        )
        function.role.add_managed_policy(
            iam.ManagedPolicy.from_aws_managed_policy_name(
                "service-role/AWSLambdaVPCAccessExecutionRole"
            )
        )
        accept_managed_policy(function, "AWSLambdaVPCAccessExecutionRole", _KEPT_BY_AWS)


_KEPT_BY_AWS = "What a function of this kind needs to run, kept up to date by AWS."


def _snake(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")
