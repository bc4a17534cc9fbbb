"""Secrets, the clock, and the folder that keeps this machine's state."""

import tempfile
from collections.abc import Iterator
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path

from autorecovery.adapters.secrets import Secrets
from autorecovery.config import ChannelSettings, Configuration
from command_line.checkup.finding import Finding, unseen, well, wrong

SKEW = timedelta(seconds=60)
"""Beyond that measurements look stale; beyond five minutes AWS and Slack refuse what is signed."""

_OF_A_MACHINE = ("env:", "file:")

_SECRETS = ("token", "signing_secret", "app_token", "url")


def references(configuration: Configuration) -> Iterator[tuple[str, str]]:
    """Yield where each secret stands in the configuration, and where it is kept."""
    for name, channel in configuration.notify.channels.items():
        for reference, key in references_of(channel).items():
            yield f"channel {name}, {key}", reference


def references_of(channel: ChannelSettings) -> dict[str, str]:
    """Return where a channel's secrets are kept, and what each is."""
    service = channel.service
    kept = {key: getattr(service, key, None) for key in _SECRETS}
    return {reference: key for key, reference in kept.items() if reference}


def is_out_of_reach(reference: str) -> bool:
    """Return whether a secret is kept where the functions of a stack cannot read it."""
    return reference.startswith(_OF_A_MACHINE)


def look_at_secret(
    subject: str, reference: str, secrets: Secrets, *, stack: bool
) -> Iterator[Finding]:
    """Yield whether a secret can be had; it is not shown."""
    if stack and is_out_of_reach(reference):
        yield wrong(
            subject, f"{reference}: the functions of a stack have neither your variables nor files",
            "keep it in the Parameter Store (ssm:…) or in Secrets Manager (secretsmanager:…)",
        )  # fmt: skip
        return
    secrets.read(reference)
    yield well(subject, f"{reference} can be read")


def look_at_clock(date: str, now: datetime) -> Iterator[Finding]:
    """Yield whether this machine's clock agrees with a server's, told by HTTP."""
    try:
        skew = abs(parsedate_to_datetime(date) - now)
    except (TypeError, ValueError):
        yield unseen("clock", "nobody told the time, so the clock cannot be compared")
        return
    told = f"{skew.total_seconds():.0f} s"
    if skew > SKEW:
        yield wrong("clock", f"it is off by {told}", "set it by NTP: timedatectl set-ntp true")
    else:
        yield well(
            "clock", f"it agrees with the world's, within {max(1, round(skew.total_seconds()))} s"
        )


def look_at_folder(folder: Path) -> Iterator[Finding]:
    """Yield whether state can be written; a folder that is not there yet is made by the program."""
    place = folder
    while not place.exists():
        place = place.parent
    try:
        with tempfile.TemporaryFile(dir=place) as file:
            file.write(b"x" * 4096)
    except OSError as error:
        why = error.strerror or type(error).__name__
        yield wrong(
            "state folder", f"{folder} cannot be written ({why})",
            "give it to the user that runs this, or set AUTORECOVERY_HOME",
        )  # fmt: skip
        return
    yield well("state folder", f"{folder} can be written")
