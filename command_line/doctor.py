"""`doctor`: what keeps people from being told, and the fix of each."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from autorecovery.adapters.channels.posting import Posting
from autorecovery.adapters.channels.slack_api import SLACK
from autorecovery.adapters.channels.telegram import TELEGRAM
from autorecovery.adapters.secrets import Secrets
from autorecovery.config import ChannelSettings, Configuration, InvalidConfigurationError, load
from autorecovery.config.notify import AppriseService, MailReport, SlackBot, TelegramBot, Webhook
from autorecovery.errors import ChannelError
from command_line.checkup import machine, mail, model, services, slack
from command_line.checkup.finding import Check, Finding, Mark, looked_at, unseen, well, wrong
from command_line.configuration import scripts
from command_line.exit_codes import ExitCode
from command_line.failures import Failure
from command_line.output import print_json, print_lines
from command_line.stores import outputs_of
from local_runtime.machine import home
from local_runtime.secret_store import secrets

SHAPES = {Mark.WELL: "✔", Mark.WRONG: "✖", Mark.UNSEEN: "–"}  # noqa: RUF001 - neither

AWS = "https://sts.amazonaws.com/"

NOTICES, ALARMS, BUTTONS = "NoticeTopicArn", "AlarmTopicArn", "SlackActionsUrl"


@dataclass(frozen=True)
class Visit:
    """What is looked at, and with what."""

    configuration: Configuration
    secrets: Secrets
    variables: Mapping[str, str]
    stack: str | None = None
    outputs: Mapping[str, str] = field(default_factory=dict)
    """What the stack tells of itself."""
    posting: Posting = field(default_factory=Posting)
    slack_url: str = SLACK
    telegram_url: str = TELEGRAM


def doctor(config: Path, stack: str | None, variables: Mapping[str, str], *, as_json: bool) -> None:
    """Look at everything that must be right for people to be told; exit code 5 if it is not."""
    tell(list(_look(config, stack, variables)), as_json=as_json)


def _look(config: Path, stack: str | None, variables: Mapping[str, str]) -> Iterator[Finding]:
    try:
        configuration = load(config, variables, scripts()).configuration
    except InvalidConfigurationError as error:
        yield wrong("configuration", str(error), f"autorecovery validate -c {config}")
        return
    yield well("configuration", f"{config} is valid, {len(configuration.rules)} rules")
    try:
        outputs = outputs_of(stack) if stack else {}
    except Failure as failure:
        yield wrong("stack", str(failure))
        return
    yield from findings(Visit(configuration, secrets(variables), variables, stack, outputs))


def findings(visit: Visit) -> Iterator[Finding]:
    """Yield what every check finds, one after the other; the same trouble once."""
    told = set()
    for subject, check in _checks(visit):
        for finding in looked_at(subject, check):
            if finding.mark is Mark.WELL or finding.text not in told:
                told.add(finding.text)
                yield finding


def tell(found: list[Finding], *, as_json: bool) -> None:
    """Print what was found; exit code 5 where something needs fixing."""
    if as_json:
        print_json({"findings": [_as_dict(finding) for finding in found]})
    else:
        for finding in found:
            print_lines(*_lines(finding))
    count = sum(1 for finding in found if finding.mark is Mark.WRONG)
    if count:
        things = "1 thing needs" if count == 1 else f"{count} things need"
        raise Failure(ExitCode.PROBLEMS_FOUND, f"{things} fixing")


def _checks(visit: Visit) -> Iterator[tuple[str, Check]]:
    for where, reference in machine.references(visit.configuration):
        yield (
            where,
            partial(
                machine.look_at_secret, where, reference, visit.secrets, stack=bool(visit.stack)
            ),
        )
    yield from _mail_checks(visit)
    for name, settings in visit.configuration.notify.channels.items():
        subject = f"channel {name}"
        if visit.stack and any(map(machine.is_out_of_reach, machine.references_of(settings))):
            continue  # which was told already; what is read here says nothing about there
        yield subject, partial(_channel, subject, settings, visit)
        if settings.slack:
            yield subject, partial(
                slack.look_at_buttons, subject, settings.slack, visit.secrets, visit.slack_url,
                stack=bool(visit.stack), address=visit.outputs.get(BUTTONS, ""),
            )  # fmt: skip
    if visit.configuration.analysis.model:
        yield model.SUBJECT, partial(_model, visit)
    yield "clock", partial(_clock, visit)
    if not visit.stack:
        yield "state folder", partial(machine.look_at_folder, home(visit.variables))


def _mail_checks(visit: Visit) -> Iterator[tuple[str, Check]]:
    emails = visit.configuration.notify.email
    if not emails:
        return
    for subject, output in (("notices by e-mail", NOTICES), ("alarms about us", ALARMS)):
        yield subject, partial(_topic, subject, output, visit)


def _topic(subject: str, output: str, visit: Visit) -> Iterator[Finding]:
    if not visit.stack:
        yield unseen(subject, "it is sent by a stack", "autorecovery doctor --stack NAME")
        return
    from autorecovery.adapters.aws import clients

    emails, topic = visit.configuration.notify.email, visit.outputs.get(output, "")
    if not topic:
        yield wrong(subject, f"the stack does not tell its {output}", "deploy this version of it")
        return
    yield from mail.look_at_topic(subject, emails, topic, clients.sns())


def _channel(subject: str, settings: ChannelSettings, visit: Visit) -> Iterator[Finding]:
    match settings.service:
        case SlackBot() as bot:
            yield from slack.look(subject, bot, visit.secrets, visit.slack_url)
        case TelegramBot() as bot:
            yield from services.look_at_telegram(
                subject, bot, visit.secrets, visit.posting, visit.telegram_url
            )
        case Webhook() as hook:
            yield from services.look_at_webhook(subject, hook, visit.secrets, visit.posting)
        case AppriseService() as service:
            yield from services.look_at_apprise(subject, service, visit.secrets)
        case MailReport() as report:
            from autorecovery.adapters.aws import clients

            yield from mail.look_at_ses(subject, report, clients.sesv2())


def _model(visit: Visit) -> Iterator[Finding]:
    from autorecovery.adapters.aws import clients

    analysis = visit.configuration.analysis
    yield from model.look_at_model(str(analysis.model), clients.bedrock(analysis.region))


def _clock(visit: Visit) -> Iterator[Finding]:
    settings = visit.configuration.notify.channels.values()
    if any(each.slack for each in settings):
        url = visit.slack_url
    elif any(each.telegram for each in settings):
        url = visit.telegram_url
    elif visit.stack:
        url = AWS
    else:
        return  # nobody is called for the time alone
    try:
        date = visit.posting.reach(url, "a server that tells the time").date
    except ChannelError as error:
        yield unseen("clock", f"{error}, so the clock cannot be compared")
        return
    yield from machine.look_at_clock(date, datetime.now(UTC))


def _lines(finding: Finding) -> Iterator[str]:
    first, *more = f"{finding.subject}: {finding.text}".splitlines() or [""]
    yield f"{SHAPES[finding.mark]} {first}"
    yield from (f"    {line}" for line in more)
    if finding.fix:
        yield f"    → {finding.fix}"


def _as_dict(finding: Finding) -> dict[str, Any]:
    return {
        "subject": finding.subject, "mark": finding.mark, "text": finding.text,
        "fix": finding.fix or None,
    }  # fmt: skip
