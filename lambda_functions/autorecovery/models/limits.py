"""What holds a robot back, as configuration writes it: attempts, budget, maintenance."""

from datetime import UTC, datetime, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError
from pydantic import BeforeValidator, Field, field_validator, model_validator

from autorecovery.models.rule import Duration, Frequency, FrequencyText, Schema

_ANY_MOMENT = datetime(2026, 1, 1, tzinfo=UTC)


def _several(value: object) -> object:
    """Accept one rate, several, or `3 per 1h and 7 per 24h`."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(" and ")]
    return [value] if isinstance(value, Frequency | dict) else value


Frequencies = Annotated[tuple[FrequencyText, ...], BeforeValidator(_several)]


class AtOnce(Schema):
    """How many machines may be under recovery at the same time; the stricter of the two holds."""

    hosts: int = Field(3, ge=1, description="Absolute.")
    percent: float = Field(
        10, gt=0, le=100, description="Of the opted-in fleet; at least one machine."
    )

    def allowed(self, census: int) -> int:
        """Return how many of a fleet of this size may be recovered at once."""
        return max(1, min(self.hosts, int(census * self.percent / 100)))


class FleetLimit(Schema):
    """The budget that all rules share, per group of machines."""

    at_once: AtOnce = AtOnce()
    hosts: FrequencyText = Frequency(count=20, window=timedelta(hours=1))
    group_by: str | None = Field(None, description="A tag whose value names a machine's group.")


class Correlation(Schema):
    """When the same trouble on many machines at once is no host's own trouble."""

    targets: int = Field(5, ge=2)
    within: Duration = timedelta(minutes=5)


class Demoting(Schema):
    """When a script that may run by itself is asked about instead."""

    percent: float = Field(
        20, ge=0, lt=100,
        description="The lower bound (95 %) of its share of verified attempts falls under this.",
    )  # fmt: skip
    attempts: int = Field(5, ge=1, description="Never judged by fewer.")
    within: Duration = timedelta(days=30)


class MaintenanceWindow(Schema):
    """A time in which nothing is run: recurring by `cron`, or once between two moments."""

    name: str = Field(min_length=1, max_length=100)
    cron: str | None = Field(None, description="When it begins, five fields, in `timezone`.")
    lasting: Duration | None = Field(None, description="How long a recurring window lasts.")
    timezone: str = "UTC"
    starts: datetime | None = Field(
        None, alias="from", description="Beginning of a one-off window."
    )
    until: datetime | None = None
    rules: tuple[str, ...] = Field((), description="Only these rules; none means all.")
    targets: tuple[str, ...] = Field((), description="Only these targets; none means all.")

    @field_validator("timezone")
    @classmethod
    def _zone_exists(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError("expected a time zone such as Europe/Berlin") from error
        return name

    @model_validator(mode="after")
    def _is_one_kind(self) -> "MaintenanceWindow":
        if self.cron is not None:
            if self.lasting is None or self.starts or self.until:
                raise ValueError("a recurring window has cron and lasting, and no from or until")
            try:
                CronSim(self.cron, _ANY_MOMENT)
            except CronSimError as error:
                raise ValueError(
                    f"expected a cron expression such as '0 2 * * *': {error}"
                ) from error
        elif self.starts is None or self.until is None or self.starts >= self.until:
            raise ValueError("give cron and lasting, or from and a later until")
        return self

    def concerns(self, rule_name: str, target_name: str) -> bool:
        """Return whether this window is meant for this rule on this target."""
        return (not self.rules or rule_name in self.rules) and (
            not self.targets or target_name in self.targets
        )

    def ends(self, now: datetime) -> datetime | None:
        """Return when the window that is open now ends, or None where it is not open.

        Recurring windows follow the clocks of their zone, summer time included.
        """
        zone = ZoneInfo(self.timezone)
        if self.cron is None:
            assert self.starts is not None and self.until is not None, "validated above"
            starts, until = _in(self.starts, zone), _in(self.until, zone)
            return until.astimezone(UTC) if starts <= now < until else None
        assert self.lasting is not None, "validated above"
        begins = next(CronSim(self.cron, (now - self.lasting).astimezone(zone)), None)
        if begins is None or begins > now:
            return None
        return (begins.astimezone(UTC) + self.lasting).astimezone(UTC)


def _in(moment: datetime, zone: ZoneInfo) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=zone)
