"""One page: what happened to the fleet, and whether we ourselves are well."""

from collections.abc import Mapping

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.self_alarms import lambda_metric, oldest

NAMESPACE = "AutoRecovery"
WIDTH = 12
PERIOD = cdk.Duration.minutes(5)

_COUNTS = "SEARCH('{{AutoRecovery,service}} MetricName=({names})', 'Sum', 300)"
_NOTICES = "SEARCH('{AutoRecovery,service} service=notice_sender', 'Sum', 300)"
_FLEET_CPU = (
    'SELECT AVG(CPUUtilization) FROM SCHEMA("AWS/EC2", InstanceId)'
    " GROUP BY InstanceId ORDER BY AVG() DESC LIMIT 10"
)


class Dashboard(Construct):
    """The dashboard: incidents, deliveries, the fleet's load, our functions, the dead letters."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        functions: Mapping[str, lambda_.Function],
        responder: lambda_.Function,
        dead_letters: sqs.Queue,
        channels: Mapping[str, sqs.Queue],
        alarms: list[cloudwatch.Alarm],
    ) -> None:
        super().__init__(scope, id)
        self.dashboard = cloudwatch.Dashboard(self, "Dashboard")
        each = functions.items()
        self._row(
            _graph("Incidents", _counted("opened OR held OR cleared OR closed")),
            _graph("Deliveries", _counted("signals OR rejected OR ignored OR failures")),
        )
        self._row(
            _graph("CPU of the ten busiest instances", _expression(_FLEET_CPU, "")),
            _graph("Responses", *(lambda_metric(responder, name) for name in _RESPONSES)),
        )
        self._row(
            _graph("Errors", *(lambda_metric(f, "Errors").with_(label=n) for n, f in each)),
            _graph("Throttles", *(lambda_metric(f, "Throttles").with_(label=n) for n, f in each)),
        )
        self._row(
            _graph("Duration (ms, 99 %)", *(_slowest(f).with_(label=n) for n, f in each)),
            _graph(
                "Dead letters",
                dead_letters.metric_approximate_number_of_messages_visible(
                    statistic="Maximum", period=PERIOD
                ),
            ),
        )
        if channels:
            waiting = (oldest(queue).with_(label=name) for name, queue in channels.items())
            self._row(
                _graph("Notices waiting (s)", *waiting),
                _graph("Notices", _expression(_NOTICES, "")),
            )
        if alarms:
            self._row(
                cloudwatch.AlarmStatusWidget(title="Rules", alarms=alarms[:100], width=2 * WIDTH)
            )

    def _row(self, *widgets: cloudwatch.IWidget) -> None:
        self.dashboard.add_widgets(*widgets)


_RESPONSES = (
    "DurableExecutionStarted", "DurableExecutionSucceeded", "DurableExecutionFailed",
    "DurableExecutionTimedOut",
)  # fmt: skip


def _graph(title: str, *metrics: cloudwatch.IMetric) -> cloudwatch.GraphWidget:
    return cloudwatch.GraphWidget(title=title, left=list(metrics), width=WIDTH)


def _counted(names: str) -> cloudwatch.IMetric:
    # Found by search: which services count is for the functions to know.
    return _expression(_COUNTS.format(names=names), "")


def _expression(expression: str, label: str) -> cloudwatch.IMetric:
    return cloudwatch.MathExpression(expression=expression, label=label, period=PERIOD)


def _slowest(function: lambda_.Function) -> cloudwatch.Metric:
    return function.metric_duration(statistic="p99", period=PERIOD)
