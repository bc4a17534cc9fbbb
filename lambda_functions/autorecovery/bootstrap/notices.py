"""Notices on AWS: recorded in DynamoDB, put up on SNS, delivered from one queue per channel."""

from collections.abc import Sequence
from datetime import timedelta
from functools import cache

from autorecovery.adapters.aws import clients
from autorecovery.adapters.aws.dead_letters import SqsDeadLetters
from autorecovery.adapters.aws.notice_log import DynamoDbNoticeLog
from autorecovery.adapters.aws.notice_queues import NoticeQueues
from autorecovery.adapters.aws.notices import SnsNoticeboard
from autorecovery.bootstrap.shared import configuration, utc_now
from autorecovery.delivery.board import RecordedBoard
from autorecovery.delivery.deliver import Courier, Public
from autorecovery.delivery.digests import ask_for_digest
from autorecovery.delivery.report import Archive
from autorecovery.delivery.routes import candidates
from autorecovery.errors import ConfigurationError
from autorecovery.models.notice import Notice
from autorecovery.notices.text import Wording, sns_message, subject_line
from autorecovery.ports import Channel, Noticeboard
from autorecovery.settings import NoticeSettings, SenderSettings, environment, is_dry_run

MARGIN = timedelta(seconds=30)
"""Beyond the time limit of the function: then an attempt is certainly over."""


def recorded_topic(settings: NoticeSettings) -> Noticeboard:
    """Return the topic of people, before which every notice is written down."""
    log = DynamoDbNoticeLog(clients.dynamodb(), settings.table_name, utc_now)

    def go_around(notice: Notice) -> Sequence[str]:
        # Made where it is wanted, which is seldom: a cold start does not wait for another client.
        queues = NoticeQueues(clients.sqs(), settings.notice_queues)
        return queues.put_all(notice.id, candidates(notice, configuration().notify.channels))

    return RecordedBoard(topic(settings.sns_topic_arn), "sns", log, utc_now, go_around)


def topic(arn: str) -> SnsNoticeboard:
    """Return an SNS topic on which notices are put up."""
    words = Wording.of(configuration())
    return SnsNoticeboard(
        clients.sns(),
        arn,
        lambda notice: subject_line(notice, words),
        lambda notice: sns_message(notice, words),
        lambda notice: candidates(notice, configuration().notify.channels),
    )


def mail_alone(arn: str) -> SnsNoticeboard:
    """Return the topic for whoever reads it itself, and for no channel's queue."""
    words = Wording.of(configuration())
    return SnsNoticeboard(
        clients.sns(),
        arn,
        lambda notice: subject_line(notice, words),
        lambda notice: sns_message(notice, words),
    )


@cache
def queues() -> NoticeQueues:
    """Return the channels' queues."""
    settings = SenderSettings.from_environment(environment())
    return NoticeQueues(clients.sqs(), settings.notice_queues)


@cache
def courier() -> Courier:
    """Return what `notice_sender` delivers with; refused in a dry run, in which nothing leaves."""
    if is_dry_run(environment()):
        raise ConfigurationError("AUTORECOVERY_DRY_RUN is set: no notice is sent for real")
    settings = SenderSettings.from_environment(environment())
    return Courier(
        channels=configuration().notify.channels,
        channel=channel_named,
        log=DynamoDbNoticeLog(clients.dynamodb(), settings.table_name, utc_now),
        hand_on=queues().put,
        dead_letters=SqsDeadLetters(clients.sqs(), settings.dead_letter_queue_url),
        clock=utc_now,
        patience=configuration().functions.timeout + MARGIN,
        public=Public("sns", lambda: mail_alone(settings.sns_topic_arn)),
    )


@cache
def channel_named(name: str) -> Channel:
    """Return the channel of this name; ConfigurationError where it cannot be set up."""
    from autorecovery.adapters.aws.mail import SesMailer
    from autorecovery.bootstrap.secrets import secrets
    from autorecovery.channels import Channels, heard_over_http

    made = Channels(
        configuration(), secrets(),
        mailer=lambda: SesMailer(clients.sesv2()), archive=_archive(), buttons=heard_over_http,
    )  # fmt: skip
    return made.named(name)


def _archive() -> Archive:
    from autorecovery.adapters.aws.attempt_log import DynamoDbAttemptLog
    from autorecovery.adapters.aws.incident_log import DynamoDbIncidentLog
    from autorecovery.adapters.aws.metrics import CloudWatchReader
    from autorecovery.channels import measured_by

    table = SenderSettings.from_environment(environment()).table_name
    dynamodb = clients.dynamodb()
    metrics = CloudWatchReader(clients.cloudwatch(), clients.logs(), utc_now)
    return Archive(
        DynamoDbIncidentLog(dynamodb, table),
        DynamoDbAttemptLog(dynamodb, table),
        DynamoDbNoticeLog(dynamodb, table, utc_now),
        measured_by(metrics, configuration()),
        utc_now,
    )


def send_digest(channel: str, period: str) -> str:
    """Have the digest of this period sent through this channel; return the id of its notice."""
    return ask_for_digest(channel, period, courier())
