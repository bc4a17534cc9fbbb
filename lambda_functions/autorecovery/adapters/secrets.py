"""Secrets by reference, such as `env:SLACK_TOKEN` or `ssm:/autorecovery/slack-token`.

Fetched at first use, kept for some minutes, and fetched anew where a service refuses them: whoever
rotates a token deploys nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from autorecovery.errors import SecretError
from autorecovery.ports import Clock

KEPT = timedelta(minutes=5)

FRESH = timedelta(seconds=10)
"""What was fetched so lately is not fetched again: forged requests must not make us ask on end."""

MOST_BYTES = 65_536
"""Of a file: what is larger is no secret."""

Read = Callable[[str], str]
"""Return the secret at a place, which is what follows the scheme; SecretError where it cannot."""


class Secrets:
    """Fetches secrets with one reader per scheme, and keeps them for some minutes."""

    def __init__(self, readers: Mapping[str, Read], clock: Clock, kept: timedelta = KEPT) -> None:
        self._readers = readers
        self._clock = clock
        self._kept = kept
        self._known: dict[str, tuple[str, datetime]] = {}

    def named(self, reference: str) -> "Secret":
        """Return a handle on this secret; nothing is fetched yet."""
        return Secret(reference, self)

    def read(self, reference: str) -> str:
        """Return the secret, fetched within the last minutes."""
        return self._no_older(reference, self._kept)

    def read_anew(self, reference: str) -> str:
        """Return the secret, fetched within the last seconds."""
        return self._no_older(reference, FRESH)

    def _no_older(self, reference: str, than: timedelta) -> str:
        known = self._known.get(reference)
        if known and self._clock() - known[1] < than:
            return known[0]
        return self._fetch(reference)

    def _fetch(self, reference: str) -> str:
        scheme, _, place = reference.partition(":")
        reader = self._readers.get(scheme)
        if reader is None:
            here = ", ".join(f"{each}:" for each in self._readers)
            raise SecretError(f"{reference}: not read here; use one of {here}", retryable=False)
        value = reader(place).strip()
        if not value:
            raise SecretError(f"{reference}: it is empty; put the secret there", retryable=False)
        if not value.isprintable() or not value.isascii():
            raise SecretError(
                f"{reference}: it has characters that no token has, or several lines;"
                " put the bare secret there",
                retryable=False,
            )
        self._known[reference] = value, self._clock()
        return value


@dataclass(frozen=True, slots=True)
class Secret:
    """A handle on one secret; shown, it tells where the secret is, and not what it says."""

    reference: str
    _secrets: Secrets = field(repr=False)

    def value(self) -> str:
        """Return the secret; SecretError where it cannot be had."""
        return self._secrets.read(self.reference)

    def is_another(self) -> bool:
        """Return whether the secret is another one by now; ask where a service refused it."""
        return self._secrets.read(self.reference) != self._secrets.read_anew(self.reference)


def local_readers(variables: Mapping[str, str]) -> dict[str, Read]:
    """Return the readers that need nothing but this machine: of variables, and of files."""
    return {"env": partial(_from_environment, variables), "file": _from_file}


def _from_environment(variables: Mapping[str, str], name: str) -> str:
    if name not in variables:
        raise SecretError(
            f"env:{name}: the variable is not set; set {name} where this runs", retryable=False
        )
    return variables[name]


def _from_file(place: str) -> str:
    try:
        with Path(place).open("rb") as file:
            content = file.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise SecretError(f"file:{place}: it is too large for a secret", retryable=False)
        return content.decode("utf-8")
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise SecretError(
            f"file:{place}: it cannot be read ({why}); put the secret there, readable for the user"
            " that runs this",
            retryable=False,
        ) from error
    except UnicodeDecodeError:
        # Not `from`: that error carries the bytes.
        raise SecretError(f"file:{place}: it is not text", retryable=False) from None
