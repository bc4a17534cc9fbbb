"""Who may send, and who may read: tokens, compared in constant time, and networks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hmac import compare_digest
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Protocol

from autorecovery.errors import AutoRecoveryError, SecretError

SHORTEST_TOKEN = 16
"""Characters; what is shorter could be guessed, and lets nobody in."""


class RefusedError(AutoRecoveryError):
    """A request that is not granted: with which HTTP status, and why."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Token(Protocol):
    """One kept token."""

    def value(self) -> str:
        """Return it; SecretError where it cannot be had."""


@dataclass(frozen=True, slots=True)
class Access:
    """Says who is let in."""

    hosts: Mapping[str, Token]
    operator: Token | None
    networks: Sequence[IPv4Network | IPv6Network] = ()
    is_open: bool = False
    """Only this machine can ask: who has no token of their own needs none."""

    def check_sender(self, host: str, token: str) -> None:
        """Return where this token speaks for this host; RefusedError otherwise."""
        own = self.hosts.get(host)
        if not token:
            if self.is_open and own is None:
                return
            raise RefusedError(401, "no token: send it as Authorization: Bearer …")
        if own is not None and _is(token, own):
            return
        if any(_is(token, other) for name, other in self.hosts.items() if name != host):
            raise RefusedError(403, f"this is not the token of {host}")
        raise RefusedError(401, "this token is nobody's")

    def check_source(self, host: str, token: str, source: str) -> None:
        """Do as `check_sender`; a network that is allowed stands in for a token."""
        if token or not self._is_allowed(source):
            self.check_sender(host, token)

    def check_reader(self, token: str) -> None:
        """Return where this is the operator; RefusedError otherwise."""
        if self.operator is None:
            if self.is_open:
                return
            raise RefusedError(401, "nobody may read here: ingest.operator_token is not set")
        if not token or not _is(token, self.operator):
            raise RefusedError(401, "this takes the operator's token, as Authorization: Bearer …")

    def _is_allowed(self, source: str) -> bool:
        try:
            address = ip_address(source)
        except ValueError:
            return False
        return any(address in network for network in self.networks)


def bearer(header: str) -> str:
    """Return the token in an Authorization header, or nothing."""
    scheme, _, token = header.strip().partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _is(token: str, kept: Token) -> bool:
    try:
        expected = kept.value()
    except SecretError:
        return False  # what cannot be read lets nobody in
    known = len(expected) >= SHORTEST_TOKEN
    return compare_digest(token.encode("utf-8", "replace"), expected.encode()) and known
