"""The closed vocabularies: levels, reasons, verdicts and endings.

One word serves the log, the metric dimension, the message and the test.
"""

from enum import StrEnum


class Level(StrEnum):
    """How bad; comparable, so that the worst of several can be taken."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """Return the place in the order from INFO (0) to CRITICAL (3)."""
        return _RANK[self]

    def reaches(self, other: "Level") -> bool:
        """Return whether this level is at least as bad as the other."""
        return self.rank >= other.rank


_RANK = {level: rank for rank, level in enumerate(Level)}


class Action(StrEnum):
    """What triage did with what it saw of one incident."""

    OPENED = "opened"
    UPDATED = "updated"
    CLEARED = "cleared"
    HELD = "held"


class Autonomy(StrEnum):
    """How far a rule may go by itself."""

    OBSERVE = "observe"
    ASK = "ask"
    AUTO = "auto"


class Reason(StrEnum):
    """Why something was done, or was not."""

    # triage
    FIRST_BREACH = "first breach"
    STILL_BREACHING = "still breaching"
    WORSE = "worse than before"
    HEALTHY_SIGNAL = "healthy signal"
    ALREADY_HANDLED = "this very signal was handled before"
    RESPONSE_RESTARTED = "response had not started; started now"
    NO_RULE = "no rule for this"
    NOTHING_TO_RUN = "the rule has nothing to run"
    # gates
    ALL_GATES_OPEN = "nothing speaks against it"
    STALE_EVENT = "the signal is too old to act on"
    NOT_OPTED_IN = "the target has not opted in"
    OPT_IN_UNKNOWN = "could not find out whether the target opted in"
    WRONG_IDENTITY = "the line names another machine than its log stream"
    AUTONOMY_OBSERVE = "the rule only observes"
    AUTONOMY_ASK = "the rule asks first"
    COOLING_DOWN = "still cooling down from the last recovery"
    HALTED = "everything is halted"
    MAINTENANCE = "a maintenance window is open"
    CORRELATED = "the same trouble on many machines at once is not one machine's trouble"
    DENIED = "a person said no"
    APPROVAL_EXPIRED = "nobody approved in time"
    ATTEMPTS_SPENT = "tried often enough"
    FLAPPING = "it comes and goes"
    HOST_BUSY = "this machine is being recovered already"
    FLEET_BUSY = "as many machines as allowed are being recovered"
    FLEET_SPENT = "as many machines as allowed were recovered lately"
    UNREACHABLE = "the machine cannot be reached"
    NO_WAY_TO_RUN = "the machine only sends measurements; nothing can be run on it"
    AGENT_TOO_OLD = "the machine's agent is too old to pass parameters safely"
    SCRIPT_DEMOTED = "the script has helped too seldom to be run by itself"
    # response
    LADDER_EXHAUSTED = "every rung was tried"
    HUMAN_WANTED = "the ladder asks for a human here"
    UNCLEAR_OUTCOME = "the outcome is unclear"
    MAY_STILL_BE_RUNNING = "the recovery may have run; it will not be run again"
    COULD_NOT_START = "the recovery could not be started"
    RESPONSE_LOST = "the response was interrupted; nothing is run again"
    RECOVERED = "healthy on fresh data after the script ended"
    HEALTHY_BY_ITSELF = "healthy again without a script of ours"
    CLOSED_BY_PERSON = "closed by a person"
    RELAPSED = "sick again soon after it was verified"
    ECHO = "told late of trouble that is over"
    PARENT_DOWN = "the machine it runs on is down"
    TOLD = "people were told of all of them"


class Verdict(StrEnum):
    """What fresh datapoints say about an attempt."""

    VERIFIED = "verified"
    NOT_RECOVERED = "not recovered"
    INCONCLUSIVE = "inconclusive"
    SELF_HEALED = "self-healed"


class IncidentState(StrEnum):
    """Where an incident stands in its life."""

    OPEN = "open"
    ASKING = "asking"
    """A person is asked whether to run the next rung."""
    RECOVERING = "recovering"
    VERIFYING = "verifying"
    SETTLING = "settling"
    """Verified, and watched in silence until its alarm has calmed down."""
    HANDED_OVER = "handed over"
    CLOSED = "closed"
