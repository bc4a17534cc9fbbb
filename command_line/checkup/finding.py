"""What a check found: well, to be mended, or not to be seen from here."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from botocore.exceptions import BotoCoreError, ClientError

from autorecovery.errors import AutoRecoveryError


class Mark(StrEnum):
    """How it stands."""

    WELL = "well"
    WRONG = "wrong"
    UNSEEN = "unseen"
    """It could not be checked, which is not the same as well."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    subject: str
    mark: Mark
    text: str
    fix: str = ""


Check = Callable[[], Iterable[Finding]]


def well(subject: str, text: str) -> Finding:
    """Return that nothing is to be done."""
    return Finding(subject, Mark.WELL, text)


def wrong(subject: str, text: str, fix: str = "") -> Finding:
    """Return that something is to be mended, and how, where the text does not say it."""
    return Finding(subject, Mark.WRONG, text, fix)


def unseen(subject: str, text: str, fix: str = "") -> Finding:
    """Return that it could not be checked, and what would show it."""
    return Finding(subject, Mark.UNSEEN, text, fix)


def looked_at(subject: str, check: Check) -> Iterator[Finding]:
    """Yield what a check finds; one that fails is a finding, and others go on."""
    try:
        yield from check()
    except AutoRecoveryError as error:
        yield wrong(subject, str(error))
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "Unknown")
        call = error.operation_name
        if "AccessDenied" in code or "Unauthorized" in code or code == "AuthorizationError":
            yield unseen(subject, f"you may not look: {call} is denied", f"allow yourself {call}")
        else:
            yield wrong(subject, f"{call}: {code}")
    except BotoCoreError as error:
        yield unseen(subject, f"AWS cannot be asked: {error}", "set credentials and region")
