"""The alarms of the rules, and whom CloudWatch tells when they change."""

from typing import Any

import jsii
from aws_cdk import Annotations, ArnFormat, Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns
from constructs import Construct

from autorecovery.config import Configuration
from autorecovery.models.reason import Level
from infra.alarm_plan import (
    AT_LEAST,
    AT_MOST,
    BREACHING,
    MISSING,
    NOT_BREACHING,
    AlarmPlan,
    Series,
    plan_alarms,
)


@jsii.implements(cloudwatch.IAlarmAction)
class InvokeFunction:
    """An alarm action that leaves the permission alone: one is enough for all alarms.

    The action of the library makes one per alarm, whose ids clash (aws-cdk #29514).
    """

    def __init__(self, function: lambda_.IFunction) -> None:
        self._arn = function.function_arn

    def bind(self, scope: Construct, alarm: cloudwatch.IAlarm) -> cloudwatch.AlarmActionConfig:
        """Return what CloudWatch is to invoke."""
        return cloudwatch.AlarmActionConfig(alarm_action_arn=self._arn)


class RuleAlarms(Construct):
    """One alarm per rule and level: one for each named instance, else one over all of them."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        configuration: Configuration,
        triage: lambda_.IFunction,
        raw: sns.ITopic,
    ) -> None:
        super().__init__(scope, id)
        allow_alarms_to_invoke(self, triage)
        invoke: Any = InvokeFunction(triage)
        publish = actions.SnsAction(raw)
        self.alarms = []
        for plan in plan_alarms(configuration):
            alarm = self._alarm(plan)
            alarm.add_alarm_action(invoke)
            alarm.add_ok_action(invoke)
            if plan.level is Level.CRITICAL:
                alarm.add_alarm_action(publish)
            self.alarms.append(alarm)

    def _alarm(self, plan: AlarmPlan) -> cloudwatch.Alarm:
        if plan.warning:
            Annotations.of(self).add_warning_v2(f"autorecovery:absence-{plan.id}", plan.warning)
        return cloudwatch.Alarm(
            self, plan.id,
            alarm_description=plan.description,
            metric=_metric(plan.series),
            comparison_operator=_COMPARISONS[plan.comparison],
            threshold=plan.threshold,
            datapoints_to_alarm=plan.datapoints_to_alarm,
            evaluation_periods=plan.evaluation_periods,
            treat_missing_data=_MISSING_DATA[plan.missing_data],
        )  # fmt: skip


def allow_alarms_to_invoke(scope: Construct, function: lambda_.IFunction) -> None:
    """Let every alarm of this account and region, and nobody else, invoke the function."""
    stack = Stack.of(scope)
    lambda_.CfnPermission(
        scope, "AlarmsMayInvoke",
        action="lambda:InvokeFunction",
        function_name=function.function_arn,
        principal="lambda.alarms.cloudwatch.amazonaws.com",
        source_account=stack.account,
        source_arn=stack.format_arn(
            service="cloudwatch", resource="alarm:*", arn_format=ArnFormat.NO_RESOURCE_NAME
        ),
    )  # fmt: skip


def _metric(series: Series) -> cloudwatch.IMetric:
    period = Duration.seconds(series.period)
    if series.query:
        return cloudwatch.MathExpression(expression=series.query, period=period)
    return cloudwatch.Metric(
        namespace=series.namespace,
        metric_name=series.metric,
        statistic=series.statistic,
        period=period,
        dimensions_map=series.dimensions,
    )


_COMPARISON = cloudwatch.ComparisonOperator
_COMPARISONS = {
    AT_LEAST: _COMPARISON.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
    AT_MOST: _COMPARISON.LESS_THAN_OR_EQUAL_TO_THRESHOLD,
}
_MISSING_DATA = {
    MISSING: cloudwatch.TreatMissingData.MISSING,
    NOT_BREACHING: cloudwatch.TreatMissingData.NOT_BREACHING,
    BREACHING: cloudwatch.TreatMissingData.BREACHING,
}
