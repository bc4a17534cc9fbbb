"""The stack: which parts there are, and who may do what with which."""

from pathlib import Path

from aws_cdk import CfnOutput, Stack
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
        configuration = deployment.configuration
        table = IncidentTable(self, "Incidents")
        dead_letters = DeadLetters(self, "DeadLetters")
        notices = NoticeTopic(
            self, "Notices",
            emails=configuration.notify.email,
            existing_arn=configuration.notify.topic_arn,
            dead_letters=dead_letters.queue,
        )  # fmt: skip
        channels = NoticeChannels(
            self, "Channels",
            configuration=configuration,
            topic=notices.topic,
            dead_letters=dead_letters.queue,
        )  # fmt: skip
        raw_alarms = AlarmTopic(
            self, "RawAlarms",
            emails=configuration.notify.email,
            dead_letters=dead_letters.queue,
        )  # fmt: skip
        log_sources = LogSources(self, "LogSources", configuration=configuration)
        documents = RecoveryDocuments(self, "Documents", scripts=deployment.scripts)
        functions = Functions(
            self, "Functions",
            asset=asset,
            size=configuration.functions,
            environment={
                "TABLE_NAME": table.table.table_name,
                "SNS_TOPIC_ARN": notices.topic.topic_arn,
                "AUTORECOVERY_DRY_RUN": "false",
                "LOG_LEVEL": configuration.log_level,
            },
            dead_letters=dead_letters.queue,
        )  # fmt: skip
        responder = Responder(
            self, "Responder",
            functions=functions,
            deployment=deployment,
            documents=documents,
            log_sources=log_sources,
            table=table,
            notices=notices,
            channels=channels,
        )  # fmt: skip
        triage = MetricProcessor(
            self, "Triage",
            functions=functions,
            responder=responder,
            table=table,
            dead_letters=dead_letters,
        )  # fmt: skip
        listener = CommandListener(
            self, "Listener", functions=functions, responder=responder, table=table
        )
        log_sources.deliver_to(triage.function)
        alarms = RuleAlarms(
            self, "Alarms",
            configuration=configuration,
            triage=triage.function,
            raw=raw_alarms.topic,
        )  # fmt: skip
        EventRules(
            self, "Events",
            triage=triage.function,
            command_listener=listener.function,
            documents=documents.names,
            dead_letters=dead_letters.queue,
        )  # fmt: skip
        sender = None
        if channels.queues:
            sender = NoticeSender(
                self, "Sender",
                functions=functions,
                channels=channels,
                configured=configuration.notify.channels,
                table=table,
                log_sources=log_sources,
                dead_letters=dead_letters.queue,
            )  # fmt: skip
        analyst = IncidentAnalyst(
            self, "Analyst",
            functions=functions,
            configuration=configuration,
            log_sources=log_sources,
            table=table,
            notices=notices,
        )  # fmt: skip
        web = None
        if signing_secrets(configuration):
            web = WebApi(
                self, "Web",
                functions=functions,
                responder=responder,
                table=table,
                configuration=configuration,
            )  # fmt: skip
            self._tell(SlackActionsUrl=web.url)
        parts = (triage, responder, listener, analyst, sender, web)
        ours = {part.function.node.id: part.function for part in parts if part}
        SelfAlarms(
            self, "SelfAlarms",
            functions=ours,
            responder=responder.function,
            dead_letters=dead_letters.queue,
            channels=channels.queues,
            topic=raw_alarms.topic,
        )  # fmt: skip
        if configuration.canary:
            CanaryFlight(
                self, "Canary",
                canary=configuration.canary,
                triage=triage.function,
                responder=responder.function,
                dead_letters=dead_letters.queue,
                topic=raw_alarms.topic,
            )  # fmt: skip
        Dashboard(
            self, "Overview",
            functions=ours,
            responder=responder.function,
            dead_letters=dead_letters.queue,
            channels=channels.queues,
            alarms=alarms.alarms,
        )  # fmt: skip
        self._tell(
            TableName=table.table.table_name,
            NoticeTopicArn=notices.topic.topic_arn,
            AlarmTopicArn=raw_alarms.topic.topic_arn,
            DeadLetterQueueUrl=dead_letters.queue.queue_url,
            MetricProcessorArn=triage.function.function_arn,
            IncidentResponderArn=responder.alias.function_arn,
            CommandListenerArn=listener.function.function_arn,
            NoticeChannels=channels.as_json,
            NoticeSenderArn=sender.function.function_arn if sender else "none",
        )

    def _tell(self, **places: str) -> None:
        """Tell whoever deploys, and the command line, where things are."""
        for name, place in places.items():
            CfnOutput(self, name, value=place)
