"""What triage knows of open incidents, without reading all of them for every delivery.

When a zone dies there are thousands of open incidents and as many deliveries. So the list is read
once a second, and answers only which lines deserve a closer look; who holds a claim is asked of
the store, for the few claims that a delivery is about.
"""

from collections.abc import Collection
from datetime import datetime, timedelta

from autorecovery.models.signal import SignalKind
from autorecovery.ports import Clock, IncidentLog, OpenIncident

FRESH_FOR = timedelta(seconds=1)
"""A healthy line that comes sooner after the opening wakes nobody; the response looks by itself."""

Key = tuple[str, str]


class OpenClaims:
    """The list of open incidents, for as long as a container lives; a second old at most."""

    def __init__(self, incidents: IncidentLog, clock: Clock) -> None:
        self._incidents = incidents
        self._clock = clock
        self._read_at: datetime | None = None
        self._keys: set[Key] = set()
        self._names: set[str] = set()

    def target_names(self) -> Collection[str]:
        """Return the names of all targets that have an open incident."""
        if not self._is_fresh():
            self._keys, self._names = set(), set()
            for incident in self._incidents.open_incidents():
                self.add(incident.key)
            self._read_at = self._clock()
        return self._names

    def _is_fresh(self) -> bool:
        # A clock that was set back must not keep an old list alive.
        age = self._clock() - self._read_at if self._read_at else FRESH_FOR
        return timedelta() <= age < FRESH_FOR

    def add(self, key: Key) -> None:
        """Remember an incident that was opened just now."""
        self._keys.add(key)
        self._names.add(key[1].partition("/")[2])

    def may_hold(self, key: Key) -> bool:
        """Return whether this claim may be held; only a list that is fresh says no."""
        return key in self._keys or not self._is_fresh()


class Holders:
    """Who holds the claims that one delivery is about; each is asked for once."""

    def __init__(self, incidents: IncidentLog, claims: OpenClaims) -> None:
        self._incidents = incidents
        self._claims = claims
        self._found: dict[Key, OpenIncident | None] = {}

    def of(self, key: Key) -> OpenIncident | None:
        """Return the open incident of this rule and target."""
        if key not in self._found:
            self._found[key] = self._incidents.holder(*key)
        return self._found[key]

    def to_clear(self, key: Key, kind: SignalKind) -> OpenIncident | None:
        """Return the open incident that a healthy signal concerns.

        A measurement is only a nudge, so the list may say that there is none. What an alarm or a
        state says is remembered, and must not be lost.
        """
        if kind is SignalKind.METRIC and not self._claims.may_hold(key):
            return None
        return self.of(key)
