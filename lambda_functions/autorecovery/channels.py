"""Makes the configured channels: adapters on one side, renderings on the other."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from autorecovery.adapters.channels.posting import Posting
from autorecovery.adapters.channels.slack_api import SLACK
from autorecovery.adapters.channels.telegram import TELEGRAM
from autorecovery.adapters.secrets import Secrets
from autorecovery.config import ChannelSettings, Configuration
from autorecovery.config.notify import AppriseService, MailReport, SlackBot, TelegramBot, Webhook
from autorecovery.delivery.report import Archive, Measure
from autorecovery.errors import ConfigurationError
from autorecovery.models.digest import Trend
from autorecovery.models.incident import Incident
from autorecovery.notices.text import Wording
from autorecovery.ports import Channel, Datapoint, Mailer, MetricReader


@dataclass(frozen=True)
class Channels:
    """The channels of one configuration. A channel's own modules are loaded with the channel."""

    configuration: Configuration
    secrets: Secrets
    mailer: Callable[[], Mailer]
    archive: Archive
    """Where reports and digests are gathered from."""
    buttons: Callable[[SlackBot], bool]
    """Whether somebody hears that a button of this channel is pressed."""
    trends: Callable[[datetime], Sequence[Trend]] = lambda now: ()
    """Where the hosts' measurements are heading, for digests."""
    slack_url: str = SLACK
    telegram_url: str = TELEGRAM
    posting: Posting = field(default_factory=Posting)

    def named(self, name: str) -> Channel:
        """Return the channel of this name; ConfigurationError where there is none."""
        settings = self.configuration.notify.channels.get(name)
        if settings is None:
            raise ConfigurationError(f"notify.channels: there is no channel {name!r}")
        return self._made(name, settings)

    def _made(self, name: str, settings: ChannelSettings) -> Channel:
        match settings.service:
            case SlackBot() as bot:
                return self._slack(name, bot)
            case Webhook() as hook:
                return self._webhook(name, hook)
            case TelegramBot() as bot:
                return self._telegram(name, bot)
            case AppriseService() as service:
                return self._apprise(name, service)
            case MailReport() as report:
                return self._mail(name, report)

    def _slack(self, name: str, bot: SlackBot) -> Channel:
        from autorecovery.adapters.channels.slack import SlackChannel, SlackForms
        from autorecovery.adapters.channels.slack_api import SlackApi
        from autorecovery.notices.slack import head, reply, stands_for_all

        api = SlackApi(self.secrets.named(bot.token), self.slack_url)
        forms = SlackForms(head, reply, stands_for_all)
        return SlackChannel(name, bot.channel, api, forms, buttons=self.buttons(bot))

    def _webhook(self, name: str, hook: Webhook) -> Channel:
        from autorecovery.adapters.channels.webhook import WebhookChannel
        from autorecovery.notices.slack import plain

        return WebhookChannel(name, self.secrets.named(hook.url), plain, self.posting)

    def _telegram(self, name: str, bot: TelegramBot) -> Channel:
        from autorecovery.adapters.channels.telegram import TelegramApi, TelegramChannel
        from autorecovery.notices.telegram import messages

        api = TelegramApi(self.secrets.named(bot.token), self.posting, self.telegram_url)
        return TelegramChannel(name, bot.chat, api, messages)

    def _apprise(self, name: str, service: AppriseService) -> Channel:
        from autorecovery.adapters.channels.apprise import AppriseChannel
        from autorecovery.notices.fitting import quiet
        from autorecovery.notices.text import body, subject_line

        words = Wording.of(self.configuration)
        return AppriseChannel(
            name,
            self.secrets.named(service.url),
            lambda notice: quiet(subject_line(notice, words)),
            lambda notice: quiet(body(notice, words)),
        )

    def _mail(self, name: str, report: MailReport) -> Channel:
        from autorecovery.delivery.digest import Memory, gather_digest
        from autorecovery.delivery.mail_channel import MailChannel
        from autorecovery.delivery.report import gather_report

        span = timedelta(days=7 if report.digest == "weekly" else 1)
        memory = Memory(self.archive.incidents, self.archive.attempts, self.archive.notices)
        return MailChannel(
            name, self.mailer(), report.sender, report.recipients, Wording.of(self.configuration),
            lambda incident_id: gather_report(incident_id, self.archive),
            lambda until: gather_digest(until - span, until, memory, self.trends(until)),
        )  # fmt: skip


def measured_by(metrics: MetricReader, configuration: Configuration) -> Measure:
    """Return what measures an incident again, as its own response does."""
    from autorecovery.response.health import read_health

    def measure(incident: Incident, since: datetime) -> list[Datapoint]:
        samples = read_health(incident, since, configuration, metrics).samples
        return [Datapoint(sample.at, sample.value) for sample in samples]

    return measure


def heard_over_http(bot: SlackBot) -> bool:
    """Return whether Slack calls `web_api` when a button of this channel is pressed."""
    return bot.signing_secret is not None


def heard_over_a_socket(bot: SlackBot) -> bool:
    """Return whether the one-machine mode listens to Slack for this channel."""
    return bot.app_token is not None
