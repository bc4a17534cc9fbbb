"""The machines as they really are: sick or well, and what ran on them when. The truth."""

from bisect import bisect_right
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tests.prove.schedule import START, Scenario

SICK, WELL = 97.0, 20.0

LONG_AGO = START - timedelta(days=1)


@dataclass
class History:
    """A value over time."""

    times: list[datetime]
    values: list[float | None]

    @classmethod
    def of(cls, value: float | None) -> "History":
        """Return the history of something that has always been so."""
        return cls([LONG_AGO], [value])

    def at(self, moment: datetime) -> float | None:
        """Return the value at that moment."""
        return self.values[max(0, bisect_right(self.times, moment) - 1)]

    def set(self, moment: datetime, value: float | None) -> None:
        """Let it be so from now on."""
        self.times.append(moment)
        self.values.append(value)

    def ever(self, value: float | None, since: datetime, until: datetime) -> bool:
        """Return whether it was so at some moment from the one to the other."""
        return self.at(since) == value or any(
            each == value
            for begins, each in zip(self.times, self.values, strict=True)
            if since < begins <= until
        )


@dataclass
class Command:
    """One command that SSM took, and what became of it."""

    id: str
    token: str
    host: str
    script: str
    accepted_at: datetime
    not_after: datetime
    sent_by: str
    begun_at: datetime
    """When the step that sent it began."""
    starts_at: datetime | None = None
    """When the script began to do anything; None where it did not."""
    ends_at: datetime | None = None
    exit_code: int | None = None
    told: str = "Pending"
    """What SSM says of it."""
    runs: int = 0

    @property
    def incident_id(self) -> str:
        """Return the incident that its token names."""
        return self.token.rpartition("-r")[0]

    @property
    def number(self) -> int:
        """Return which rung its token names."""
        return int(self.token.rpartition("-r")[2])


@dataclass
class Machines:
    """All machines, by name."""

    values: dict[tuple[str, str], History]
    opted_in: dict[str, History]
    reachable: dict[str, History]
    dead: dict[str, datetime] = field(default_factory=dict)
    commands: list[Command] = field(default_factory=list)

    @classmethod
    def of(cls, scenario: Scenario) -> "Machines":
        """Return the machines of a scenario: all well, opted in and reachable."""
        return cls(
            {(host, metric): History.of(WELL) for host in scenario.hosts for metric in METRICS},
            {host: History.of(1.0) for host in scenario.hosts},
            {host: History.of(1.0) for host in scenario.hosts},
        )

    def value_at(self, host: str, metric: str, moment: datetime) -> float | None:
        """Return what is measured: a service that is just being restarted puts no load on it."""
        if host in self.dead and moment >= self.dead[host]:
            return None
        value = self.values[host, metric].at(moment)
        for command in self.commands:
            if command.host == host and command.starts_at and command.starts_at <= moment:
                ends = command.ends_at
                if ends is None or moment < ends:
                    return WELL if value is not None else None
        return value

    def of_incident(self, incident_id: str) -> list[Command]:
        """Return the commands that were sent for an incident."""
        return [each for each in self.commands if each.incident_id == incident_id]


METRICS = {"CPUUtilization": "AWS/EC2", "mem_used_percent": "CWAgent"}
