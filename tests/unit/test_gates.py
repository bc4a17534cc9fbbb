"""The gates: each holds for its own reason, all are asked, and the first that holds is named."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from autorecovery.config import Limits
from autorecovery.models.controls import Demotion, Halt
from autorecovery.models.incident import Attempt, Decision
from autorecovery.models.reason import Autonomy, IncidentState, Reason
from autorecovery.ports import Presence
from autorecovery.response.gates import GATES, Facts, decide
from tests.response_world import INSTANCE, OPTED_IN, RESTART, START, incident, rule, signal

MINUTE = timedelta(minutes=1)
SENDS_ONLY = Presence(exists=True, opted_in=True, only_sends=True)
DEMOTED = Demotion("restart_service", "cpu", START, 1, 6, 0.03, "inc-other")
CLOSED = incident(rule(RESTART), state=IncidentState.CLOSED)
MISTAKEN = incident(rule(RESTART), signal(claimed_identity="i-other"))


def open_facts(**changes: Any) -> Facts:
    """Return facts at which no gate holds, but for the changes."""
    facts = Facts(
        now=START + MINUTE,
        incident=incident(rule(RESTART)),
        rung=rule(RESTART).recover[0],
        evidence_at=START,
        presence=OPTED_IN,
        healthy_again=False,
        others=(),
        openings=(START,),
        fellows=(START,),
        ordered=False,
        asks_first=False,
        approval=None,
        demotion=None,
        parent=None,
        halt=None,
        windows=(),
        fleet_refusal=None,
        fleet_free_at=None,
        limits=Limits(),
        cooldown=15 * MINUTE,
    )
    return replace(facts, **changes)


def attempt_at(minutes_ago: float, rule_name: str = "memory") -> Attempt:
    at = START + MINUTE - minutes_ago * MINUTE
    return Attempt(
        "inc-other-r1", "inc-other", rule_name, INSTANCE, "relieve_memory", {}, at, at, MINUTE
    )


def test_where_nothing_speaks_against_it_the_rung_runs() -> None:
    decision = decide(open_facts())
    assert (decision.acts, decision.reason) == (True, Reason.ALL_GATES_OPEN)
    assert len(decision.gates) == len(GATES)
    assert not any(gate.holds for gate in decision.gates)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"incident": CLOSED}, Reason.CLOSED_BY_PERSON),
        ({"healthy_again": True}, Reason.HEALTHY_BY_ITSELF),
        ({"evidence_at": START - 15 * MINUTE}, Reason.STALE_EVENT),
        ({"incident": MISTAKEN}, Reason.WRONG_IDENTITY),
        ({"presence": SENDS_ONLY}, Reason.NO_WAY_TO_RUN),
        ({"presence": None}, Reason.OPT_IN_UNKNOWN),
        ({"presence": Presence(exists=True, opted_in=False)}, Reason.NOT_OPTED_IN),
        ({"presence": Presence(exists=False, opted_in=False)}, Reason.NOT_OPTED_IN),
        ({"incident": incident(rule(RESTART, autonomy=Autonomy.ASK))}, Reason.AUTONOMY_ASK),
        ({"incident": incident(rule(RESTART, autonomy=Autonomy.OBSERVE))}, Reason.AUTONOMY_OBSERVE),
        ({"incident": incident(None)}, Reason.AUTONOMY_OBSERVE),
        ({"demotion": DEMOTED}, Reason.SCRIPT_DEMOTED),
        (
            {"incident": incident(rule(RESTART, autonomy=Autonomy.OBSERVE)), "ordered": True},
            Reason.AUTONOMY_ASK,
        ),
        ({"others": (attempt_at(minutes_ago=14),)}, Reason.COOLING_DOWN),
        ({"halt": Halt("ops", "deploying", START)}, Reason.HALTED),
        ({"windows": (("nightly", START + 5 * MINUTE),)}, Reason.MAINTENANCE),
        ({"fellows": (START,) * 5}, Reason.CORRELATED),
        ({"openings": (START,) * 4}, Reason.FLAPPING),
        ({"others": tuple(attempt_at(m, "cpu") for m in (20, 40, 59))}, Reason.ATTEMPTS_SPENT),
        ({"others": tuple(attempt_at(m, "cpu") for m in range(61, 68))}, Reason.ATTEMPTS_SPENT),
        ({"fleet_refusal": Reason.HOST_BUSY}, Reason.HOST_BUSY),
        ({"fleet_refusal": Reason.FLEET_SPENT}, Reason.FLEET_SPENT),
        ({"presence": replace(OPTED_IN, reachable=False)}, Reason.UNREACHABLE),
        ({"presence": replace(OPTED_IN, agent=(3, 3, 2745, 9))}, Reason.AGENT_TOO_OLD),
    ],
)  # fmt: skip
def test_one_thing_that_speaks_against_it_holds_it_and_is_named(
    changes: dict[str, Any], reason: Reason
) -> None:
    decision = decide(open_facts(**changes))
    assert (decision.acts, decision.reason) == (False, reason)
    assert [gate.reason for gate in decision.gates if gate.holds] == [reason]


@pytest.mark.parametrize(
    ("minutes", "holds"), [(14, False), (15, False), (15.01, True), (-1, False)]
)
def test_evidence_may_be_as_old_as_allowed(minutes: float, holds: bool) -> None:
    decision = decide(open_facts(evidence_at=START + MINUTE - minutes * MINUTE))
    assert (decision.reason is Reason.STALE_EVENT) is holds


@pytest.mark.parametrize(("minutes", "holds"), [(0, True), (14.9, True), (15, False), (99, False)])
def test_the_cooldown_ends_to_the_second(minutes: float, holds: bool) -> None:
    decision = decide(open_facts(others=(attempt_at(minutes),)))
    assert (decision.reason is Reason.COOLING_DOWN) is holds


def test_a_gate_says_when_it_will_let_go() -> None:
    decision = decide(open_facts(others=(attempt_at(minutes_ago=5),)))
    cooldown = _gate(decision, "cooldown")
    assert cooldown.until == START + 11 * MINUTE
    assert cooldown.detail == "relieve_memory was started 5m ago"


def test_a_gate_that_holds_nothing_has_no_end() -> None:
    decision = decide(open_facts(others=(attempt_at(minutes_ago=50),)))
    assert _gate(decision, "cooldown").until is None


def test_when_several_hold_the_case_itself_is_named_first() -> None:
    doubtful = open_facts(evidence_at=START - 99 * MINUTE, presence=None, others=(attempt_at(1),))
    decision = decide(doubtful)
    assert decision.reason is Reason.STALE_EVENT
    held = [gate.gate for gate in decision.gates if gate.holds]
    assert held == ["stale event", "opt-in", "cooldown"]


def test_who_is_not_known_is_not_only_not_opted_in() -> None:
    decision = decide(open_facts(presence=Presence(exists=False, opted_in=False)))
    assert _gate(decision, "opt-in").detail == "no such machine is known"


def test_the_other_machine_is_named() -> None:
    facts = open_facts(incident=MISTAKEN)
    assert _gate(decide(facts), "identity").detail == "the line says i-other"


def _gate(decision: Decision, name: str) -> Any:
    return next(gate for gate in decision.gates if gate.gate == name)


@pytest.mark.parametrize(
    ("changes", "gate", "until"),
    [
        ({"openings": tuple(START - n * MINUTE for n in range(5))}, "flapping", 57),
        ({"fellows": tuple(START - n * MINUTE / 4 for n in range(5))}, "correlation", 4),
        (
            {"fleet_refusal": Reason.FLEET_SPENT, "fleet_free_at": START + 9 * MINUTE},
            "fleet",
            9,
        ),
    ],
)
def test_a_gate_says_when_it_lets_go(changes: dict[str, Any], gate: str, until: int) -> None:
    [held] = [result for result in decide(open_facts(**changes)).gates if result.holds]
    assert (held.gate, held.until) == (gate, START + until * MINUTE)
