"""The stack: which parts there are, and who may do what with which."""

from collections.abc import Mapping
from pathlib import Path

from aws_cdk import CfnOutput, Stack
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.analyst import IncidentAnalyst
from infra.canary import CanaryFlight
from infra.configuration import Deployment
from infra.dashboard import Dashboard
from infra.dead_letters import DeadLetters
from infra.event_rules import EventRules
from infra.functions import Functions
from infra.incident_table import IncidentTable
from infra.log_sources import LogSources
from infra.notice_channels import NoticeChannels, NoticeSender
from infra.recovery_documents import RecoveryDocuments
from infra.responder import Responder
from infra.rule_alarms import RuleAlarms
from infra.self_alarms import SelfAlarms
from infra.topics import AlarmTopic, NoticeTopic
from infra.triage import CommandListener, MetricProcessor
from infra.web_api import WebApi, signing_secrets


class AutoRecoveryStack(Stack):
    """Everything that runs on AWS, for one configuration."""

    def __init__(self, scope: Construct, id: str, *, deployment: Deployment, asset: Path) -> None:
        super().__init__(scope, id, description="Notices sick servers, recovers them, proves it.")
        self._deployment = deployment
        self._configuration = deployment.configuration
        self._make_what_keeps_and_carries()
        self._functions = Functions(
            self, "Functions",
            asset=asset,
            size=self._configuration.functions,
            environment={
                "TABLE_NAME": self._table.table.table_name,
                "SNS_TOPIC_ARN": self._notices.topic.topic_arn,
                "AUTORECOVERY_DRY_RUN": "false",
                "LOG_LEVEL": self._configuration.log_level,
            },
            dead_letters=self._dead_letters.queue,
        )  # fmt: skip
        self._make_the_two_flows()
        sender, analyst, web = self._sender(), self._analyst(), self._web()
        parts = (self._triage, self._responder, self._listener, analyst, sender, web)
        ours = {part.function.node.id: part.function for part in parts if part}
        alarms = self._make_the_ways_in()
        self._make_what_watches(ours, alarms)
        self._tell(
            TableName=self._table.table.table_name,
            NoticeTopicArn=self._notices.topic.topic_arn,
            AlarmTopicArn=self._raw_alarms.topic.topic_arn,
            DeadLetterQueueUrl=self._dead_letters.queue.queue_url,
            MetricProcessorArn=self._triage.function.function_arn,
            IncidentResponderArn=self._responder.alias.function_arn,
            CommandListenerArn=self._listener.function.function_arn,
            NoticeChannels=self._channels.as_json,
            NoticeSenderArn=sender.function.function_arn if sender else "none",
        )
        if web:
            self._tell(SlackActionsUrl=web.url)

    def _make_what_keeps_and_carries(self) -> None:
        notify = self._configuration.notify
        self._table = IncidentTable(self, "Incidents")
        self._dead_letters = DeadLetters(self, "DeadLetters")
        self._notices = NoticeTopic(
            self, "Notices",
            emails=notify.email,
            existing_arn=notify.topic_arn,
            dead_letters=self._dead_letters.queue,
        )  # fmt: skip
        self._channels = NoticeChannels(
            self, "Channels",
            configuration=self._configuration,
            topic=self._notices.topic,
            dead_letters=self._dead_letters.queue,
        )  # fmt: skip
        self._raw_alarms = AlarmTopic(
            self, "RawAlarms", emails=notify.email, dead_letters=self._dead_letters.queue
        )
        self._log_sources = LogSources(self, "LogSources", configuration=self._configuration)
        self._documents = RecoveryDocuments(self, "Documents", scripts=self._deployment.scripts)

    def _make_the_two_flows(self) -> None:
        self._responder = Responder(
            self, "Responder",
            functions=self._functions,
            deployment=self._deployment,
            documents=self._documents,
            log_sources=self._log_sources,
            table=self._table,
            notices=self._notices,
            channels=self._channels,
        )  # fmt: skip
        self._triage = MetricProcessor(
            self, "Triage",
            functions=self._functions,
            responder=self._responder,
            table=self._table,
            dead_letters=self._dead_letters,
        )  # fmt: skip
        self._listener = CommandListener(
            self, "Listener",
            functions=self._functions, responder=self._responder, table=self._table,
        )  # fmt: skip

    def _sender(self) -> NoticeSender | None:
        if not self._channels.queues:
            return None
        return NoticeSender(
            self, "Sender",
            functions=self._functions,
            channels=self._channels,
            notices=self._notices,
            configured=self._configuration.notify.channels,
            table=self._table,
            log_sources=self._log_sources,
            dead_letters=self._dead_letters.queue,
        )  # fmt: skip

    def _analyst(self) -> IncidentAnalyst:
        return IncidentAnalyst(
            self, "Analyst",
            functions=self._functions,
            configuration=self._configuration,
            log_sources=self._log_sources,
            table=self._table,
            notices=self._notices,
        )  # fmt: skip

    def _web(self) -> WebApi | None:
        if not signing_secrets(self._configuration):
            return None
        return WebApi(
            self, "Web",
            functions=self._functions,
            responder=self._responder,
            table=self._table,
            configuration=self._configuration,
        )  # fmt: skip

    def _make_the_ways_in(self) -> RuleAlarms:
        self._log_sources.deliver_to(self._triage.function)
        EventRules(
            self, "Events",
            triage=self._triage.function,
            command_listener=self._listener.function,
            documents=self._documents.names,
            dead_letters=self._dead_letters.queue,
        )  # fmt: skip
        return RuleAlarms(
            self, "Alarms",
            configuration=self._configuration,
            triage=self._triage.function,
            raw=self._raw_alarms.topic,
        )  # fmt: skip

    def _make_what_watches(self, ours: Mapping[str, lambda_.Function], alarms: RuleAlarms) -> None:
        SelfAlarms(
            self, "SelfAlarms",
            functions=ours,
            responder=self._responder.function,
            dead_letters=self._dead_letters.queue,
            channels=self._channels.queues,
            topic=self._raw_alarms.topic,
        )  # fmt: skip
        if self._configuration.canary:
            CanaryFlight(
                self, "Canary",
                canary=self._configuration.canary,
                triage=self._triage.function,
                responder=self._responder.function,
                dead_letters=self._dead_letters.queue,
                topic=self._raw_alarms.topic,
            )  # fmt: skip
        Dashboard(
            self, "Overview",
            functions=ours,
            responder=self._responder.function,
            dead_letters=self._dead_letters.queue,
            channels=self._channels.queues,
            alarms=alarms.alarms,
        )  # fmt: skip

    def _tell(self, **places: str) -> None:
        """Tell whoever deploys, and the command line, where things are."""
        for name, place in places.items():
            CfnOutput(self, name, value=place)
