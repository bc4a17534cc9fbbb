"""What the steps of a response stand on: the ports, and two habits every step shares."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from autorecovery.config import Configuration
from autorecovery.errors import ReadError
from autorecovery.models.incident import Attempt, Entry, EntryKind, Incident, attempt_token
from autorecovery.models.notice import Notice
from autorecovery.ports import (
    AttemptLog,
    Clock,
    CommandRunner,
    Controls,
    FleetBudget,
    IncidentLog,
    MetricReader,
    Noticeboard,
    ResponseStarter,
    TargetDirectory,
)
from autorecovery.response.health import Reading, read_health
from autorecovery.response.telling import Telling

CLOCKS_DIFFER = timedelta(hours=1)
"""A clock that was set back may have written an attempt down before its incident."""


@dataclass(frozen=True)
class Response:
    """What a response works with. Its methods touch the world: call them inside steps only."""

    configuration: Configuration
    incidents: IncidentLog
    attempts: AttemptLog
    commands: CommandRunner
    targets: TargetDirectory
    metrics: MetricReader
    controls: Controls
    budget: FleetBudget
    noticeboard: Noticeboard
    responses: ResponseStarter
    """Starts and wakes whoever tells of a group."""
    clock: Clock

    def present(self, incident_id: str) -> Incident:
        """Return the incident as it now stands; LookupError where the store does not know it."""
        incident = self.incidents.get(incident_id)
        if incident is None:
            raise LookupError(f"no incident {incident_id}")
        return incident

    def note(self, incident_id: str, key: str, kind: EntryKind, text: str, **facts: Any) -> None:
        """Write one line of the timeline."""
        self.incidents.record(incident_id, Entry(key, self.clock(), kind, text, facts))

    @property
    def telling(self) -> Telling:
        """Return how notices get to people."""
        return Telling(
            self.configuration, self.incidents, self.controls, self.budget, self.noticeboard,
            self.responses, self.clock,
        )  # fmt: skip

    def tell(self, notice: Notice, key: str, *, alone: bool = False) -> bool:
        """Put a notice up, once per key; see Telling.tell."""
        return self.telling.tell(notice, key, alone=alone)

    def is_known(self, incident: Incident) -> bool:
        """Return whether people have heard the last of it; see Telling.is_known."""
        return self.telling.is_known(incident)

    def begun(self, incident: Incident, number: int) -> Attempt | None:
        """Return the attempt that an earlier life of this response has written down, if one did.

        Where the journal ends with its process, as on one machine, only the store knows of it.
        """
        token = attempt_token(incident.id, number)
        known = self.attempts.recent_on(incident.target, incident.opened_at - CLOCKS_DIFFER)
        return next((attempt for attempt in known if attempt.token == token), None)

    def time_limit(self, script: str) -> timedelta:
        """Return how long a script may run; nothing, where it is not shipped and cannot be sent."""
        try:
            return self.commands.time_limit(script)
        except LookupError:
            return timedelta()

    def read(self, incident: Incident, since: datetime) -> Reading:
        """Return fresh samples since then; none where the source cannot be read just now."""
        try:
            return read_health(incident, since, self.configuration, self.metrics)
        except ReadError:
            return Reading((), timedelta())
