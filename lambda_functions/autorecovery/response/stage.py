"""What the steps of a response stand on: the ports, and two habits every step shares."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from autorecovery.config import Configuration
from autorecovery.errors import NoticeError, ReadError
from autorecovery.models.incident import Attempt, Entry, EntryKind, Incident, attempt_token
from autorecovery.models.notice import Notice, NoticeKind
from autorecovery.ports import (
    AttemptLog,
    Clock,
    CommandRunner,
    Controls,
    FleetBudget,
    IncidentLog,
    MetricReader,
    Noticeboard,
    TargetDirectory,
)
from autorecovery.response.health import Reading, read_health
from autorecovery.response.storm import FOLDED, Storms, storm_in

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
    def storms(self) -> Storms:
        """Return what folds the notices of many incidents into one."""
        return Storms(self.configuration, self.incidents, self.noticeboard, self.clock)

    def tell(self, notice: Notice, key: str, *, alone: bool = False) -> None:
        """Put a notice up, once per key; a board that does not take it stops nothing.

        Where many incidents are alike, one message tells of all of them, unless this one must be
        told `alone`.
        """
        if any(entry.key == f"told {key}" for entry in self.incidents.timeline(notice.incident_id)):
            return
        if not alone and notice.kind in FOLDED and self._told_as_one_of_many(notice, key):
            return
        try:
            self.noticeboard.post(notice)
        except NoticeError as error:
            text, delivered = f"nobody could be told: {error}", False
        else:
            text, delivered = f"told: {notice.headline}", True
        self.note(
            notice.incident_id, f"told {key}", EntryKind.NOTIFIED, text,
            level=notice.level, delivered=delivered,
        )  # fmt: skip

    def _told_as_one_of_many(self, notice: Notice, key: str) -> bool:
        incident = self.present(notice.incident_id)
        storm = self.storms.storm_of(incident, notice.kind)
        if storm is None:
            return False
        if notice.kind is not NoticeKind.CLOSED:  # of the last of them it is told that all are over
            self.storms.keep_up(incident, storm)
        self.note(
            incident.id, f"told {key}", EntryKind.NOTIFIED, f"told as one of many: {storm.id}",
            storm=storm.began.isoformat(),
        )  # fmt: skip
        return True

    def is_known(self, incident: Incident) -> bool:
        """Return whether people have heard the last of it, or of the storm that counts it."""
        story = self.incidents.timeline(incident.id)
        told = [entry for entry in story if entry.kind is EntryKind.NOTIFIED]
        storm = storm_in(told[-1:], incident.rule_name)
        if storm is None:
            return bool(told) and bool(told[-1].facts.get("delivered"))
        joined = next(entry.at for entry in told if "storm" in entry.facts)
        return self.storms.told_since(storm, joined)

    def keep_up_with_storm(self, incident: Incident, story: Sequence[Entry]) -> None:
        """Tell of the storm that this incident belongs to, where it has grown."""
        if storm := storm_in(story, incident.rule_name):
            self.storms.keep_up(incident, storm)

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
