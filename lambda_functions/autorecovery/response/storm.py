"""The same trouble on many machines at once is one message: it counts them, names some, and is
kept up to date. Each incident's own story says in which message it was told.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from autorecovery.config import Configuration
from autorecovery.errors import NoticeError
from autorecovery.models.history import Case, Storm
from autorecovery.models.incident import Entry, EntryKind, Incident
from autorecovery.models.notice import NoticeKind
from autorecovery.models.reason import Reason
from autorecovery.notices import compose
from autorecovery.ports import Clock, IncidentLog, Noticeboard
from autorecovery.response.reminders import next_reminder

FOLDED = frozenset(
    {NoticeKind.OPENED, NoticeKind.HANDED_OVER, NoticeKind.REMINDER, NoticeKind.CLOSED}
)
"""What is told of each alike. A question, a recovery or a failed attempt is told on its own."""

UPDATES = (timedelta(0), timedelta(minutes=1), timedelta(minutes=5))
"""After so long a storm is told, and told again where it grew; then with the usual reminders."""

GLANCED_AT, COUNTED = 20, 10_000
"""Cases read to see whether a storm goes on, and at most to count it."""

PATIENCE = timedelta(minutes=1)
"""For so long others wait for the one who tells; whoever dies over it is then replaced."""


@dataclass(frozen=True)
class Storms:
    """Folds the notices of many incidents into one."""

    configuration: Configuration
    incidents: IncidentLog
    noticeboard: Noticeboard
    clock: Clock

    def storm_of(self, incident: Incident, kind: NoticeKind) -> Storm | None:
        """Return the storm that this incident is told in; it may join one at its first notice."""
        told_in = storm_in(self.incidents.timeline(incident.id), incident.rule_name)
        if told_in is not None or kind is not NoticeKind.OPENED:
            return told_in
        limit, now = self.configuration.limits.correlated, self.clock()
        lately = self.incidents.cases(incident.rule_name, now - limit.within, GLANCED_AT * 10)
        targets = {case.target_key for case in lately if case.ended is not Reason.ECHO}
        if len(targets | {incident.target.key}) < limit.targets:
            return None
        return self._join(incident, 2 * limit.within)

    def _join(self, incident: Incident, quiet: timedelta) -> Storm:
        """Return the storm of this moment; one of which people know that it is over is another."""
        storm = self.incidents.join_storm(incident.rule_name, incident.opened_at, quiet)
        if "told over" not in {entry.key for entry in self.incidents.timeline(storm.id)}:
            return storm
        self.incidents.end_storm(storm)
        return self.incidents.join_storm(incident.rule_name, incident.opened_at, quiet)

    def keep_up(self, incident: Incident, storm: Storm) -> None:
        """Tell the storm, where that is due: at its beginning, where it grew, as a reminder."""
        story = self.incidents.timeline(storm.id)
        told = [entry for entry in story if entry.key.startswith("told ")]
        lasted = self.clock() - storm.began
        if any(entry.key == "told over" for entry in told) or lasted < _due(len(told), self):
            return
        cases = self._cases(storm, COUNTED)
        if told and len(told) < len(UPDATES) and _size(cases) <= told[-1].facts["size"]:
            self._note(storm, f"told {len(told)}", "nothing new", {"size": told[-1].facts["size"]})
        else:
            self._tell(incident, storm, cases, str(len(told)))

    def told_since(self, storm: Storm, moment: datetime) -> bool:
        """Return whether a notice of this storm was taken since then."""
        story = self.incidents.timeline(storm.id)
        return any(entry.facts.get("delivered") and entry.at >= moment for entry in story)

    def end_perhaps(self, incident: Incident) -> bool:
        """Tell that a storm is over where this incident, closed just now, was the last of it.

        Return whether nothing of that is left to be told, as far as is known now.
        """
        storm = self.incidents.storm(incident.rule_name)
        if storm is None:
            return True
        told = {entry.key for entry in self.incidents.timeline(storm.id)}
        if "told over" in told or not any(key.startswith("told ") for key in told):
            return True
        for at_most in (GLANCED_AT, COUNTED):
            cases = self._cases(storm, at_most)
            if any(case.ended is None for case in cases):
                return True
        self._tell(incident, storm, cases, "over")
        if "told over" not in {entry.key for entry in self.incidents.timeline(storm.id)}:
            return False
        self.incidents.end_storm(storm)
        return True

    def _tell(self, incident: Incident, storm: Storm, cases: Sequence[Case], which: str) -> None:
        """Post the notice, by one of all who find it due; it is noted once it was taken."""
        now, size = self.clock(), _size(cases)
        self._note(storm, f"telling {which}", "about to tell", {"by": incident.id})
        story = {entry.key: entry for entry in self.incidents.timeline(storm.id)}
        teller = story[f"telling {which}"]
        mine = teller.facts["by"] == incident.id
        if f"told {which}" in story or not (mine or now - teller.at >= PATIENCE):
            return
        open_first = sorted(cases, key=lambda case: case.ended is not None)
        names = [case.target_key.partition("/")[2] for case in open_first]
        if which == "over":
            notice = compose.storm_over(incident, storm, size, now)
        else:
            still = sum(1 for case in cases if case.ended is None)
            notice = compose.storm(incident, storm, list(dict.fromkeys(names)), still, now)
        try:
            self.noticeboard.post(notice)
        except NoticeError:
            return  # not noted as told: whoever looks next tells it
        self._note(storm, f"told {which}", notice.headline, {"size": size, "delivered": True})

    def _cases(self, storm: Storm, at_most: int) -> list[Case]:
        since = storm.began - self.configuration.limits.correlated.within
        found = self.incidents.cases(storm.rule_name, since, at_most)
        return [case for case in found if case.ended is not Reason.ECHO]

    def _note(self, storm: Storm, key: str, text: str, facts: dict[str, object]) -> None:
        entry = Entry(key, self.clock(), EntryKind.NOTIFIED, text, facts)
        self.incidents.record(storm.id, entry)


def storm_in(story: Sequence[Entry], rule_name: str) -> Storm | None:
    """Return the storm that the incident of this story is told in, if it is."""
    began = next((entry.facts["storm"] for entry in story if "storm" in entry.facts), None)
    return Storm(rule_name, datetime.fromisoformat(began)) if began else None


def _due(told: int, storms: Storms) -> timedelta:
    """Return how long after its beginning the next telling of a storm is due."""
    if told < len(UPDATES):
        return UPDATES[told]
    return next_reminder(storms.configuration.notify.reminders, told - len(UPDATES))


def _size(cases: Sequence[Case]) -> int:
    return len({case.target_key for case in cases})
