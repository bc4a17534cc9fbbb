"""What a response remembers survives being written down and read back."""

from datetime import timedelta
from typing import Any

import pytest

from autorecovery.models.incident import (
    Attempt,
    CommandState,
    CommandStatus,
    Decision,
    Ending,
    Entry,
    EntryKind,
    GateResult,
    Incident,
    Judgement,
)
from autorecovery.models.reason import Level, Reason, Verdict
from autorecovery.models.wire import decode, encode
from autorecovery.response.recover import Sent
from autorecovery.response.vigil import Look
from tests.response_world import CPU, INSTANCE, METRIC, RESTART, START, incident, rule, signal

MINUTE = timedelta(minutes=1)
STATUS = CommandStatus(CommandState.FAILED, "Failed", "out\nerr", 3, START)
JUDGEMENT = Judgement(Verdict.NOT_RECOVERED, START, "3 datapoints, 96 to 97")
ATTEMPT = Attempt(
    "inc-1-r1", "inc-1", "cpu", INSTANCE, "restart_service", {"service": "nginx"}, START,
    START + 2 * MINUTE, timedelta(seconds=90.25), "c-1", STATUS, JUDGEMENT, "5eed", True,
)  # fmt: skip
GATE = GateResult("cooldown", Reason.COOLING_DOWN, "x", START)
CONDITIONS: tuple[dict[str, Any], ...] = (
    {**CPU, "sustained": "3 within 5m", "clear_below": 60},
    {"metric": "free", "warning": 10, "direction": "below", "clear_above": 20},
    {"log": {"field": "$.level", "equals": "ERROR"}, "count": "10 per 5m"},
    {"alarm": "my-*", "level": "warning"},
    {"state": "stopped"},
    {"absence": "CPUUtilization", "for": "10m"},
)


@pytest.mark.parametrize(
    "record",
    [
        ATTEMPT,
        STATUS,
        Sent("c-1", "trouble", True, False),
        Sent(),
        Look(START, Level.WARNING, None, timedelta(seconds=2.5), 3),
        Look(START, Level.CRITICAL, Reason.CLOSED_BY_PERSON, MINUTE, 0),
        Decision(False, Reason.COOLING_DOWN, (GATE, GateResult("open", None))),
        Ending("inc-1", Reason.RECOVERED, Verdict.VERIFIED),
        Ending("inc-1", Reason.CLOSED_BY_PERSON),
        Entry("decided 1", START, EntryKind.DECIDED, "run", {"gates": {"open": ""}, "n": [1, 2.5]}),
    ],
)  # fmt: skip
def test_a_record_is_read_back_as_it_was_written(record: Any) -> None:
    assert decode(encode(record, type(record)), type(record)) == record


@pytest.mark.parametrize("when", CONDITIONS)
def test_an_incident_carries_its_rule_through_the_store(when: dict[str, Any]) -> None:
    opened = incident(rule(RESTART, when=when, cooldown="5m"), signal(METRIC, threshold=95.0))
    assert decode(encode(opened, Incident), Incident) == opened


def test_what_is_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match="validation error"):
        decode(encode(STATUS, CommandStatus), Attempt)
