"""Who may send the hub what, and how much of it is kept."""

from datetime import timedelta
from ipaddress import ip_network
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator

from autorecovery.config.notify import SecretReference
from autorecovery.models.rule import Duration, Schema

HOST_NAME = r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,99}$"

HostName = Annotated[str, Field(pattern=HOST_NAME, examples=["web-1"])]


class IngestHost(Schema):
    """One host that sends."""

    token: SecretReference = Field(description="What it proves itself with; nobody else's.")


class Ingest(Schema):
    """The hub: hosts that send measurements of themselves, and people who read them."""

    hosts: dict[HostName, IngestHost] = Field(
        default_factory=dict, description="By the name, or the agent_id, under which they send."
    )
    operator_token: SecretReference | None = Field(
        None, description="For whoever reads; needed as soon as more than this machine can ask."
    )
    timezone: str = Field(
        "UTC", examples=["Europe/Berlin"],
        description="Of the times that come to /monitor_info without a zone.",
    )  # fmt: skip
    allow_from: tuple[str, ...] = Field(
        (),
        description="Networks from which /monitor_info is heard without a token.",
        examples=["10.0.0.0/8"],
    )
    server_names: tuple[Annotated[str, Field(pattern=HOST_NAME)], ...] = Field(
        (), description="Names by which the hub is called, beside its own address."
    )
    every: Duration = Field(timedelta(seconds=15), description="How often hosts are told to send.")
    max_body_kb: int = Field(1024, ge=16, le=10_240)
    max_containers: int = Field(500, ge=1, le=10_000, description="Of one host at once.")
    history_mb: int = Field(
        4096, ge=64, description="What the history may take; then the oldest goes first."
    )

    @field_validator("timezone")
    @classmethod
    def _is_known(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (KeyError, ValueError, OSError):
            raise ValueError("expected a time zone such as Europe/Berlin") from None
        return name

    @field_validator("allow_from")
    @classmethod
    def _are_networks(cls, networks: tuple[str, ...]) -> tuple[str, ...]:
        for network in networks:
            try:
                ip_network(network)
            except ValueError as error:
                raise ValueError(f"expected networks such as 10.0.0.0/8: {error}") from None
        return networks
