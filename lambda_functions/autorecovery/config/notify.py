"""Who is told, through which channels, and what keeps them from being told too much."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, model_validator

from autorecovery.models.limits import MaintenanceWindow
from autorecovery.models.reason import Level
from autorecovery.models.rule import Duration, Frequency, FrequencyText, Schema, Text

MailAddress = Annotated[
    str, Field(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$", examples=["ops@example.com"])
]


SecretReference = Annotated[
    str,
    Field(
        pattern=r"^(env:[A-Za-z_][A-Za-z0-9_]*|ssm:/?[A-Za-z0-9_.\-/]+"
        r"|secretsmanager:[A-Za-z0-9_.\-/:+=@]+(#[A-Za-z0-9_.\-]+)?|file:/.+)$",
        examples=["ssm:/autorecovery/slack-token"],
        json_schema_extra={"writeOnly": True},
    ),
]
"""Where a secret is kept; the secret itself does not belong in the file."""


class SlackBot(Schema):
    """A Slack channel that a bot writes to: one message per incident, its details in the thread."""

    channel: str = Field(pattern=r"^[A-Z0-9]{5,}$", examples=["C024BE91L"])
    token: SecretReference = Field(description="The bot's token, xoxb-….")
    signing_secret: SecretReference | None = Field(
        None, description="Verifies the buttons' calls; none: no buttons on AWS."
    )
    app_token: SecretReference | None = Field(
        None, description="xapp-…: the buttons in the one-machine mode, by Socket Mode."
    )
    operators: tuple[str, ...] = Field(
        (), description="Slack user ids that may press buttons; none means everybody there."
    )


class Webhook(Schema):
    """A Slack-compatible incoming webhook: messages only, no updates, no buttons."""

    url: SecretReference


class TelegramBot(Schema):
    """A Telegram chat that a bot writes to."""

    chat: Text = Field(pattern=r"^(-?\d+|@\w{4,})$", examples=["-1001234567890"])
    token: SecretReference


class MailReport(Schema):
    """Reports as HTML by SES: when an incident ends, and a digest."""

    sender: MailAddress = Field(alias="from")
    recipients: tuple[MailAddress, ...] = Field(alias="to", min_length=1)
    digest: Literal["daily", "weekly"] | None = None
    digest_at: str = Field(
        "07:00", pattern=r"^([01]\d|2[0-3]):[0-5]\d$", examples=["07:00"], description="In UTC."
    )


class AppriseService(Schema):
    """Any other service, by an Apprise address; needs the extra `apprise`."""

    url: SecretReference


class ChannelSettings(Schema):
    """One channel beside the e-mail of the topic: exactly one service, and what it is told."""

    slack: SlackBot | None = None
    webhook: Webhook | None = None
    telegram: TelegramBot | None = None
    ses: MailReport | None = None
    apprise: AppriseService | None = None
    level: Level = Field(Level.INFO, description="Told from this level on.")
    escalation_only: bool = Field(False, description="Told nothing but escalations and fallbacks.")

    @property
    def service(self) -> SlackBot | Webhook | TelegramBot | MailReport | AppriseService:
        """Return the one service that is configured."""
        services = (self.slack, self.webhook, self.telegram, self.ses, self.apprise)
        return next(service for service in services if service is not None)

    @model_validator(mode="after")
    def _is_one_service(self) -> "ChannelSettings":
        services = (self.slack, self.webhook, self.telegram, self.ses, self.apprise)
        if sum(service is not None for service in services) != 1:
            raise ValueError("give exactly one of slack, webhook, telegram, ses, apprise")
        return self


class Grouping(Schema):
    """How many incidents alike become one message, as in Alertmanager; the first leaves at once."""

    by: tuple[Literal["rule", "group", "target"], ...] = Field(
        ("rule", "group"),
        description="`group`: the machine's, see limits.fleet.group_by; `target`: each on its own.",
    )
    wait: Duration = Field(
        timedelta(seconds=30), description="Followers are gathered for so long, then told together."
    )
    interval: Duration = Field(
        timedelta(minutes=5), description="Between two messages of one group, at least."
    )
    repeat: Duration = Field(
        timedelta(hours=4), description="A group that stays open is told again."
    )


class Escalation(Schema):
    """Who is told if an incident is still open, and nobody is on it, after so long."""

    after: Duration
    to: tuple[str, ...] = Field(min_length=1, description="Names of channels.")


class Notify(Schema):
    """Who is told, and how a notice begins."""

    email: tuple[MailAddress, ...] = ()
    topic_arn: str | None = Field(
        None,
        pattern=r"^arn:aws[a-z-]*:sns:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]+(\.fifo)?$",
        examples=["arn:aws:sns:eu-west-1:111122223333:ops"],
    )
    subject: str | None = Field(None, description="Instead of the composed subject.")
    subject_prefix: str = ""
    message_prefix: str = ""
    reminders: tuple[Duration, ...] = Field(
        (timedelta(minutes=15), timedelta(hours=1), timedelta(hours=4), timedelta(days=1)),
        min_length=1,
        description="Waits between reminders of an open incident; the last one repeats.",
    )
    channels: dict[str, ChannelSettings] = Field(
        default_factory=dict, description="By a name of your choice; the order is that of fallback."
    )
    group: Grouping = Field(default_factory=Grouping)
    at_most: FrequencyText = Field(
        Frequency(count=7, window=timedelta(minutes=10)),
        description="Notices beyond so many are told together in one message.",
    )
    escalation: tuple[Escalation, ...] = ()
    silences: tuple[MaintenanceWindow, ...] = Field(
        (), description="Times in which nobody is told; shaped as maintenance windows."
    )
