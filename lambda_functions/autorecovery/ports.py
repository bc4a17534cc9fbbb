"""What the core asks of the world; adapters answer, one class per technology.

Every method may raise StoreError or ReadError where its docstring names no other error.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from autorecovery.models.incident import (
    Incident,
)
from autorecovery.models.reason import Level

if TYPE_CHECKING:  # a port only names these; what a cold start does not use, it need not load
    from collections.abc import Collection, Mapping, Sequence
    from contextlib import AbstractContextManager
    from datetime import timedelta

    from autorecovery.models.controls import (
        Approval,
        DeclaredWindow,
        Demotion,
        Halt,
        Promotion,
        WindowKind,
    )
    from autorecovery.models.delivery import Delivery, Record, Thread, Turn
    from autorecovery.models.fleet import FleetAllowance, Lease, Ledger
    from autorecovery.models.group import Group, GroupKind
    from autorecovery.models.history import Case
    from autorecovery.models.incident import (
        Attempt,
        Breach,
        CommandStatus,
        Entry,
        Sighting,
    )
    from autorecovery.models.letter import Letter
    from autorecovery.models.notice import Notice
    from autorecovery.models.readings import Batch, KnownHost, Row
    from autorecovery.models.reason import IncidentState, Reason
    from autorecovery.models.signal import LogOrigin, MetricOrigin, Target

T = TypeVar("T")

Clock = Callable[[], datetime]
"""Return the present time, aware, in UTC."""


DEAF = "deaf:"
"""Before the token of a wait that signals do not cut short, but a person's word does."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The answer to opening an incident: who holds (rule, target), and whether that is news."""

    incident: Incident
    won: bool
    """This very call opened the incident."""
    started: bool
    """Its response is known to have been started."""


@dataclass(frozen=True, slots=True)
class OpenIncident:
    """The least that triage must know of an incident that is not closed."""

    incident_id: str
    rule_name: str
    target_key: str
    level: Level
    started: bool

    @property
    def key(self) -> tuple[str, str]:
        """Return what it holds the claim on: the rule and the target."""
        return self.rule_name, self.target_key


@dataclass(frozen=True, slots=True)
class Presence:
    """What a directory knows of one target."""

    exists: bool
    opted_in: bool
    group: str = ""
    """The group of machines whose budget it shares."""
    fleet: int = 1
    """How many machines of that group have opted in."""
    reachable: bool = True
    """Whether a script can be delivered to it now."""
    agent: tuple[int, ...] | None = None
    """The version of the agent that runs scripts there, where there is one."""
    only_sends: bool = False
    """It tells us of itself, and there is no way to run anything on it."""


@dataclass(frozen=True, slots=True)
class Datapoint:
    """One measured value and the beginning of the period it stands for."""

    at: datetime
    value: float


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of a log stream."""

    at: datetime
    message: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a model is asked: how it must work, what it works on, and the shape of its answer."""

    instructions: str
    text: str
    tool: str
    """The name of the one tool that it must call."""
    schema: dict[str, Any]
    """JSON Schema of what it must pass to that tool."""
    most_tokens: int
    """Of its answer."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a model answered, as it came; nothing in it is to be trusted."""

    content: object
    """What it passed to the tool, or None where it did not call it."""
    stopped: str
    """Why it stopped, in its own words: `tool_use`, `max_tokens`, `guardrail_intervened`."""
    input_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True)
class Reservation:
    """Money set aside for one call, before it is made."""

    token: str
    """One per call."""
    day: date
    micro_usd: int
    """Millionths of a dollar: money is counted in whole numbers."""


class IncidentLog(Protocol):
    """The memory of incidents: one open incident per (rule, target), and each one's story."""

    def open(self, candidate: Incident) -> Claim:
        """Claim (rule, target) for the candidate, or return the incident that holds it.

        Where the candidate's id was used before and its incident is closed, that one is returned.
        """

    def mark_started(self, incident_id: str) -> None:
        """Remember that the response of this incident was started."""

    def raise_level(self, incident_id: str, level: Level, at: datetime) -> bool:
        """Raise an open incident to this level, breached then; return whether that was news."""

    def get(self, incident_id: str) -> Incident | None:
        """Return the incident as it now stands."""

    def move(self, incident_id: str, state: IncidentState) -> None:
        """Set the state of an incident that is not closed."""

    def close(self, incident_id: str, why: Reason, at: datetime) -> bool:
        """Close the incident and release its claim; return whether it was open until now."""

    def holder(self, rule_name: str, target_key: str) -> OpenIncident | None:
        """Return the incident that holds the claim on this rule and target, if one does."""

    def open_incidents(self) -> Sequence[OpenIncident]:
        """Return every incident that is not closed; may lag behind by a second."""

    def recent(self, limit: int) -> Sequence[Incident]:
        """Return the incidents opened last, newest first."""

    def cases(self, rule_name: str, since: datetime, at_most: int) -> Sequence[Case]:
        """Return the newest incidents of this rule that were opened since then, newest first."""

    def cases_on(
        self, rule_name: str, target_key: str, since: datetime, at_most: int
    ) -> Sequence[Case]:
        """Like `cases`, of one target: many on others hide none of its own."""

    def join_group(
        self, kind: GroupKind, name: str, who: str, now: datetime, quiet: timedelta
    ) -> tuple[Group, bool]:
        """Return the group of this name that can be joined, or a new one that begins now; and
        whether `who` is its first, in an earlier life too.

        It can be joined until nobody has for so long, or until it was ended.
        """

    def goes_on(self, group_id: str, now: datetime | None = None) -> bool:
        """Return whether this group was not ended; with `now`, whether somebody tells it, too.

        Nobody does where the look is overdue that was expected last.
        """

    def expect_look(self, group_id: str, until: datetime) -> None:
        """Remember until when whoever tells this group will have looked again."""

    def end_group(self, group: Group) -> None:
        """See to it that nobody joins this group any more; harmless where it ended before."""

    def record(self, incident_id: str, entry: Entry) -> None:
        """Append to the timeline; an entry of the same key stands already and is kept.

        Groups have timelines too, and can be waited for and woken, under their own ids.
        """

    def timeline(self, incident_id: str) -> Sequence[Entry]:
        """Return the story so far, oldest first."""

    def remember_sightings(
        self, breach: Breach, window: timedelta, at_most: int
    ) -> Sequence[Sighting]:
        """Remember the sightings of this breach and return all that the window holds, newest first.

        The window ends at the newest sighting known. Delivered twice, a sighting stands once. Only
        the newest `at_most` are kept and returned.
        """

    def wait_for_wake(self, incident_id: str, token: str) -> None:
        """Remember where to wake the response of this incident; replaces an earlier token."""

    def wake_token(self, incident_id: str) -> str | None:
        """Return where the response of this incident waits, if it does."""


class AttemptLog(Protocol):
    """The memory of what was run where: written before sending, completed afterwards."""

    def intend(self, attempt: Attempt) -> bool:
        """Write an attempt down; return False where its token stands for another intention."""

    def complete(self, attempt: Attempt) -> None:
        """Replace what is known of this attempt: its command, its status, its verdict."""

    def last_on(self, target: Target) -> Attempt | None:
        """Return the newest attempt on this target, of whatever rule."""

    def recent_on(self, target: Target, since: datetime) -> Sequence[Attempt]:
        """Return the attempts on this target since then, of whatever rule, newest first."""

    def of_rule(self, rule_name: str, since: datetime) -> Sequence[Attempt]:
        """Return the attempts under this rule whose command is over, begun since then."""

    def of_command(self, command_id: str) -> Attempt | None:
        """Return the attempt that sent this command."""


class ResponseStarter(Protocol):
    """Starts and wakes responses."""

    def start(self, incident_id: str) -> None:
        """Make sure that the response of this incident runs; harmless when it does."""

    def wake(self, token: str) -> None:
        """Wake the response that waits under this token; harmless when it no longer does."""


class Workflow(Protocol):
    """A durable run, replayed from the top: only what happens inside steps may touch the world."""

    def step(self, name: str, act: Callable[[], T], result: type[T]) -> T:
        """Return what `act` returned, now or in an earlier life; repeated until it succeeds."""

    def step_at_most_once(self, name: str, act: Callable[[], T], result: type[T]) -> T:
        """Like `step`, never repeated: StepInterruptedError where it began and did not finish."""

    def wait(self, name: str, at_most: timedelta, register: Callable[[str], None]) -> bool:
        """Wait until woken, and return True, or for so long, and return False.

        `register` receives the token under which this wait can be woken.
        """


class CommandRunner(Protocol):
    """Runs scripts on machines, and acts on them from outside, asynchronously."""

    def prepare(self, attempt: Attempt) -> Attempt:
        """Return the attempt with all that fixes what it asks for, before it is written down.

        A repeat then asks for the same: for three machines, not for one more. Nothing is changed.
        Raises CommandNotStartedError where it is certain already that it cannot be done.
        """

    def start(self, attempt: Attempt) -> str:
        """Send the attempt's script or action, once, and return the command's id.

        Raises CommandNotStartedError where it certainly was not sent, CommandUncertainError where
        the answer was lost.
        """

    def find(self, attempt: Attempt) -> str | None:
        """Return the id of the attempt's command, if it can be seen that it was sent."""

    def status(self, command_id: str, target: Target) -> CommandStatus:
        """Return how the command stands on this machine."""

    def time_limit(self, script: str) -> timedelta:
        """Return how long this script or action may take; LookupError where it is not known."""


class TargetDirectory(Protocol):
    """Knows the machines."""

    def look_up(self, target: Target) -> Presence:
        """Return whether the target exists and has opted in."""


class MetricReader(Protocol):
    """Reads measurements again, from where they came."""

    def datapoints(self, origin: MetricOrigin, since: datetime) -> Sequence[Datapoint]:
        """Return the datapoints whose period began at or after `since`, oldest first."""

    def lines(self, origin: LogOrigin, since: datetime) -> Sequence[LogLine]:
        """Return the lines written at or after `since`, oldest first; a bounded number."""


class Noticeboard(Protocol):
    """Where notices are put up for people."""

    def post(self, notice: Notice) -> None:
        """Publish a notice; NoticeError where nobody took it."""

    def withhold(self, notice: Notice, why: str) -> None:
        """Remember a notice that is not put up, and why; NoticeError where that cannot be."""


class NoticeLog(Protocol):
    """The memory of notices: written before anything is sent, completed by each channel."""

    def record(self, notice: Notice, suppressed: str = "") -> None:
        """Write a notice down, with why nobody is told where so; a second time changes nothing.

        But one that was kept from people, and is to be told after all, is suppressed no more.
        """

    def get(self, notice_id: str) -> Record | None:
        """Return the record of this notice."""

    def query(
        self,
        *,
        producer: str | None = None,
        level: Level | None = None,
        since: datetime | None = None,
        limit: int = 100,
    ) -> Sequence[Record]:
        """Return the newest records of this producer and level since then, newest first."""

    def begin(self, notice_id: str, via: str, at: datetime, patience: timedelta) -> Delivery | None:
        """Return the delivery that the caller may make now; None where it must not.

        Nobody delivers what is over, nor what is to wait until later, nor what another began less
        than `patience` ago. The answer counts the tries, this one included.
        """

    def end(self, notice_id: str, delivery: Delivery) -> None:
        """Write down what became of a delivery."""

    def thread(self, via: str, conversation: str) -> Thread | None:
        """Return the message that stands for this conversation in this channel, if one does."""

    def keep_thread(self, thread: Thread) -> None:
        """Remember it, in place of an earlier one; whose turn it was has had it."""

    def take_turn(
        self, via: str, conversation: str, at: datetime, patience: timedelta
    ) -> Turn | None:
        """Return the right to speak in a conversation; None while another has it.

        It lasts until it is given back, or a thread is kept, or for so long.
        """

    def turn_ends(self, via: str, conversation: str) -> datetime | None:
        """Return until when somebody has the right to speak in it; None where nobody has."""

    def give_back_turn(self, turn: Turn) -> None:
        """Let others speak; harmless where the turn is over already."""


class Channel(Protocol):
    """One way to reach people."""

    @property
    def name(self) -> str:
        """Return what the configuration calls it."""

    def send(self, notice: Notice, thread: Thread | None) -> Thread | None:
        """Tell it, in the message of its conversation where the channel has one.

        Returns the message to go on with, or None where the channel cannot change one.
        ChannelError where it was not taken.
        """


class Mailer(Protocol):
    """Sends mails that have both an HTML and a text part."""

    def send(self, mail_from: str, to: Sequence[str], subject: str, text: str, html: str) -> None:
        """Hand one mail over; ChannelError where it was not taken."""


class DeadLetters(Protocol):
    """Keeps what could not be understood, so that nothing is dropped silently."""

    def keep(self, event: object, why: str, at: datetime) -> None:
        """Keep an event (bounded) with the reason why it was not understood."""


class DeadLetterBox(Protocol):
    """Reads dead letters back: ours, and those of whoever could not deliver something to us."""

    def count(self) -> int:
        """Return about how many letters there are, those that somebody else holds included."""

    def hold(self, at_most: int) -> AbstractContextManager[Sequence[Letter]]:
        """Yield so many letters, oldest first, and keep them from others until the block ends.

        A distributed queue yields a sample of what it has. What was not removed meanwhile stays.
        """

    def remove(self, letter: Letter) -> None:
        """Delete a letter that is held; harmless where it is gone already."""


class FleetBudget(Protocol):
    """The shared budget of one group of machines; each change is one conditional write."""

    def reserve(
        self, group: str, lease: Lease, allowed: FleetAllowance, now: datetime
    ) -> Reason | None:
        """Take the lease, or return why it cannot be had; asking for the same token is harmless."""

    def give_back(self, group: str, token: str) -> None:
        """Give a lease back; harmless where it is gone already."""

    def ledger(self, group: str) -> Ledger:
        """Return the book of this group."""


class Controls(Protocol):
    """What people said while the system runs; each word holds within seconds, without a deploy."""

    def halt(self) -> Halt | None:
        """Return the kill switch, if it is set."""

    def set_halt(self, halt: Halt | None) -> None:
        """Halt everything that acts, or let it go on."""

    def windows(self, kind: WindowKind) -> Sequence[DeclaredWindow]:
        """Return the windows of this kind that people added, by name."""

    def declare(self, window: DeclaredWindow) -> None:
        """Add a window; one of the same kind and name is replaced."""

    def end_window(self, kind: WindowKind, name: str) -> bool:
        """Remove a window; return whether there was one."""

    def approve(self, approval: Approval) -> Approval:
        """Decide on an attempt; return the decision that stands, which is the first."""

    def approval(self, attempt: str) -> Approval | None:
        """Return the decision on an attempt, if a person made one."""

    def demote(self, demotion: Demotion) -> Demotion:
        """Demote a script under a rule; return the demotion that stands, which is the first."""

    def demotion(self, script: str, rule_name: str) -> Demotion | None:
        """Return the demotion of this script under this rule, if it stands."""

    def promote(self, promotion: Promotion) -> bool:
        """Lift a demotion; return whether there was one."""

    def promotion(self, script: str, rule_name: str) -> Promotion | None:
        """Return the last promotion of this script under this rule, if there was one."""


class Model(Protocol):
    """Something that reads and answers; it has no hands."""

    name: str

    def ask(self, prompt: Prompt) -> Reply:
        """Return the answer to one bounded question, asked once; AnalysisError without one."""


class SpendingLog(Protocol):
    """The memory of what models cost, by the day; each change is one conditional write."""

    def reserve(self, wanted: Reservation, limit_micro_usd: int) -> bool:
        """Set the money aside; False where the day's limit leaves no room for it.

        Asking for the same token again is harmless.
        """

    def settle(self, reservation: Reservation, spent_micro_usd: int) -> None:
        """Write down what it really cost; a second time changes nothing."""

    def spent(self, day: date) -> int:
        """Return the millionths of a dollar spent or set aside on this day."""


class HostHistory(Protocol):
    """The memory of what hosts send."""

    def keep(self, batch: Batch, now: datetime) -> bool:
        """Write a batch down with all it says, or nothing of it.

        Return whether triage still has to hear of it: not where it was `delivered` before.
        """

    def delivered(self, batch: Batch) -> None:
        """Remember that triage has heard of a batch."""

    def host(self, name: str) -> KnownHost | None:
        """Return what is known of this host, if it has ever sent anything."""

    def hosts(self) -> Sequence[KnownHost]:
        """Return all hosts that have ever sent anything, by name."""

    def tell_silence(self, host: str, *, silent: bool) -> None:
        """Remember that its silence, or the end of it, has been told."""

    def rows(
        self,
        host: str | None,
        since: datetime,
        until: datetime,
        *,
        limit: int,
        seconds: int | None = None,
        metrics: Collection[str] | None = None,
    ) -> Sequence[Row]:
        """Return the newest rows that began from `since` until before `until`, oldest first.

        Of the finest resolution that gives no more than `limit` rows a host, unless it is named;
        of these metrics, or of all.
        """


class MonitorTables(Protocol):
    """The tables `server` and `container`, which installations of other agents read."""

    def add(self, server: Mapping[str, Any], containers: Sequence[Mapping[str, Any]]) -> None:
        """Add one row for the server and one for each of its containers, or nothing."""
