"""The watched log groups: every line reaches triage, and measurements also become metrics."""

from collections.abc import Iterator, Sequence

from aws_cdk import Annotations, ArnFormat, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from autorecovery.config import Configuration, LogSource
from autorecovery.models.rule import MetricCondition
from infra.acknowledgements import accept
from infra.configuration import UnsupportedRuleError

MAX_DIMENSIONS = 3  # of a metric filter


class LogSources(Construct):
    """The log groups of `sources.logs`. They belong to the user and must exist already."""

    def __init__(self, scope: Construct, id: str, *, configuration: Configuration) -> None:
        super().__init__(scope, id)
        self._sources = configuration.sources.logs
        measured = list(_measured_in_logs(configuration))
        if measured and not self._sources:
            names = ", ".join(sorted(condition.metric for _, condition in measured))
            Annotations.of(self).add_warning_v2(
                "autorecovery:metric-without-source",
                f"no log source feeds {names} (expected in {configuration.metrics_namespace})",
            )
        for index, source in enumerate(self._sources):
            self._make_metrics(index, source, measured, configuration.metrics_namespace)

    def deliver_to(self, function: lambda_.IFunction) -> None:
        """Subscribe the function to every line; only these groups may invoke it."""
        for index, source in enumerate(self._sources):
            allowed = lambda_.CfnPermission(
                self, f"Permission{index}",
                action="lambda:InvokeFunction",
                function_name=function.function_arn,
                principal="logs.amazonaws.com",
                source_account=Stack.of(self).account,
                source_arn=self._arn(source),
            )  # fmt: skip
            subscription = logs.CfnSubscriptionFilter(
                self, f"Subscription{index}",
                log_group_name=source.group,
                destination_arn=function.function_arn,
                filter_pattern="",
            )  # fmt: skip
            # CloudWatch Logs tries the destination when the subscription is made.
            subscription.add_resource_dependency(allowed)

    def grant_read(self, function: lambda_.IFunction) -> None:
        """Let the function look at the lines again, to verify a recovery."""
        if not self._sources:
            return
        function.add_to_role_policy(
            iam.PolicyStatement(
                actions=["logs:FilterLogEvents"],
                resources=[self._arn(source) for source in self._sources],
            )
        )
        for source in self._sources:
            accept(
                function,
                "IAM5[Resource::arn:<AWS::Partition>:logs:<AWS::Region>:<AWS::AccountId>"
                f":log-group:{source.group}:*]",
                "A log group is named by its streams, and those come and go.",
            )

    def _arn(self, source: LogSource) -> str:
        return Stack.of(self).format_arn(
            service="logs",
            resource="log-group",
            resource_name=f"{source.group}:*",
            arn_format=ArnFormat.COLON_RESOURCE_NAME,
        )

    def _make_metrics(
        self,
        index: int,
        source: LogSource,
        measured: Sequence[tuple[str, MetricCondition]],
        namespace: str,
    ) -> None:
        group = logs.LogGroup.from_log_group_name(self, f"Group{index}", source.group)
        made: set[tuple[str, tuple[str, ...]]] = set()
        for rule, condition in measured:
            dimensions = _dimensions(rule, condition, source)
            key = (condition.metric, tuple(dimensions))
            if key in made:
                continue
            made.add(key)
            logs.MetricFilter(
                self, f"Filter{index}-{rule}",
                log_group=group,
                filter_pattern=_pattern(condition.metric, source),
                metric_namespace=namespace,
                metric_name=condition.metric,
                metric_value=source.fields.value,
                dimensions=dimensions,
            )  # fmt: skip


def _measured_in_logs(configuration: Configuration) -> Iterator[tuple[str, MetricCondition]]:
    for rule in configuration.rules.values():
        condition = rule.when
        if isinstance(condition, MetricCondition):
            namespace = configuration.namespace_of(condition.metric, condition.namespace)
            if namespace == configuration.metrics_namespace:
                yield rule.name, condition


def _dimensions(rule: str, condition: MetricCondition, source: LogSource) -> dict[str, str]:
    """Return each dimension and the field that holds it; further ones are fields of their name."""
    further = {name: f"$.{name}" for name in sorted(condition.dimensions)}
    dimensions = {"InstanceId": source.fields.target, **further}
    if len(dimensions) > MAX_DIMENSIONS:
        raise UnsupportedRuleError(
            rule, f"a metric from logs takes at most {MAX_DIMENSIONS - 1} dimensions of its own"
        )
    return dimensions


def _pattern(metric: str, source: LogSource) -> logs.IFilterPattern:
    fields = source.fields
    escaped = metric.replace("\\", "\\\\").replace('"', '\\"')
    return logs.FilterPattern.literal(
        f'{{ ({fields.metric} = "{escaped}") && ({fields.value} = *) }}'
    )
