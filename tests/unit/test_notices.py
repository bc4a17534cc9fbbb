"""What people are told: the words of every kind of notice, and SNS's limits whatever the names.

After a change of words that is meant: `UPDATE_GOLDEN=1 pytest tests/unit/test_notices.py`, then
read tests/golden/notices/*.txt aloud before committing them.
"""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autorecovery.config import Configuration
from autorecovery.models.controls import Demotion
from autorecovery.models.group import Group, GroupKind, Word
from autorecovery.models.incident import (
    Attempt,
    Climb,
    CommandState,
    CommandStatus,
    Decision,
    GateResult,
    Incident,
    Judgement,
)
from autorecovery.models.notice import Notice, NoticeKind
from autorecovery.models.reason import Level, Reason, Verdict
from autorecovery.models.rule import Rule, Rung
from autorecovery.models.signal import (
    BY_HAND,
    TYPED,
    EventOrigin,
    LogOrigin,
    Origin,
    Signal,
    SignalKind,
    Target,
    TargetKind,
)
from autorecovery.notices import compose
from autorecovery.notices.crowd import crowd
from autorecovery.notices.text import (
    SNS_SUBJECT,
    Wording,
    body,
    sns_message,
    structured,
    subject_line,
)

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "notices"
UPDATE = os.environ.get("UPDATE_GOLDEN") == "1"  # noqa: TID251 - the switch named above
OPENED = datetime(2026, 1, 15, 3, 4, 12, tzinfo=UTC)
LATER = OPENED + timedelta(minutes=4)
WEB_1 = Target(TargetKind.INSTANCE, "i-0a1b2c3d4e5f67890", "111122223333", "eu-west-1")
WORDING = Wording(subject_prefix="[shop]")

CPU = {"metric": "CPUUtilization", "warning": 80, "critical": 95, "sustained": "3 within 5m"}
LADDER = [
    {"run": "restart_service", "with": {"service": "nginx"}},
    {"run": "relieve_memory", "with": {"services": "php-fpm"}},
]


def rule(**more: Any) -> Rule:
    content = {"name": "cpu-overload", "when": CPU, "autonomy": "auto", "recover": LADDER, **more}
    return Rule.model_validate(content)


def incident(
    of: Rule | None = None,
    *,
    kind: SignalKind = SignalKind.METRIC,
    name: str = "CPUUtilization",
    value: float | None = 97.2,
    state: str = "",
    origin: Origin | None = None,
    **more: Any,
) -> Incident:
    """Return an incident of web-1, unless told otherwise."""
    origin = origin or LogOrigin("/shop/metrics", WEB_1.name)
    target = more.get("target", WEB_1)
    signal = Signal("id-1", kind, target, name, OPENED, origin, value=value, state=state)
    values: dict[str, Any] = {
        "id": "inc-20260115-030412-0a1b2c3d",
        "rule_name": of.name if of else f"unruled:{name}",
        "rule": of,
        "target": WEB_1,
        "level": Level.CRITICAL,
        "signal": signal,
        "opened_at": OPENED,
        "breached_at": OPENED,
        "evidence": ('{"metric": "CPUUtilization", "value": 97.2}',),
    }
    return Incident(**{**values, **more})


def attempt(state: CommandState = CommandState.SUCCEEDED, **more: Any) -> Attempt:
    status = CommandStatus(state, exit_code=1 if state is CommandState.FAILED else 0)
    values: dict[str, Any] = {
        "token": "token",
        "incident_id": "inc-20260115-030412-0a1b2c3d",
        "rule_name": "cpu-overload",
        "target": WEB_1,
        "script": "restart_service",
        "parameters": {"service": "nginx"},
        "intended_at": OPENED,
        "not_after": LATER,
        "time_limit": timedelta(minutes=2),
        "status": status,
    }
    return Attempt(**{**values, **more})


FAILED = attempt(
    CommandState.FAILED,
    status=CommandStatus(CommandState.FAILED, "nginx did not stay up", exit_code=1),
    judgement=Judgement(Verdict.NOT_RECOVERED, LATER, "3 datapoints, 96 to 98"),
)
ALIKE = Group(GroupKind.ALIKE, "cpu-overload", OPENED)
VERIFIED = Judgement(Verdict.VERIFIED, LATER, "3 datapoints, 20 to 31")
UNCLEAR = Judgement(Verdict.INCONCLUSIVE, LATER, "no data")
HELD = Decision(
    acts=False,
    reason=Reason.COOLING_DOWN,
    gates=(
        GateResult("opt-in", None),
        GateResult("cooldown", Reason.COOLING_DOWN, "restart_service ran 2m ago", LATER),
        GateResult("autonomy", Reason.AUTONOMY_OBSERVE),
    ),
)
REBOOT = {"run": "reboot_instance"}
REBOOTED = attempt(script="reboot_instance", parameters={})
REPLACED = attempt(
    script="replace_in_group",
    parameters={"group": "shop-web"},
    status=CommandStatus(CommandState.SUCCEEDED, successor="i-0fedcba9876543210"),
)
STOPPED = attempt(
    script="stop_start_instance",
    parameters={},
    status=CommandStatus(
        CommandState.UNKNOWN, "no end was heard of: it is stopping; the machine may be stopped"
    ),
)
REFUSED = attempt(
    script="scale_out",
    parameters={},
    status=CommandStatus(CommandState.NOT_RUN, "the group is at its maximum of 4"),
)
UNTIL = OPENED + timedelta(minutes=30)
PROOF = "3 datapoints, 20 to 31"


def _word(
    number: int, kind: NoticeKind = NoticeKind.OPENED, rule: str = "cpu-overload", size: int = 1
) -> Word:
    level = Level.CRITICAL if kind is NoticeKind.OPENED else Level.INFO
    return Word(
        f"inc-{number}", f"i-0a1b2c3d4e5f6{number:04}", rule, level, kind,
        "CPUUtilization is 97.2, at or above 95", OPENED, size,
    )  # fmt: skip


NOTICES: dict[str, Notice] = {
    "opened": compose.opened(incident(rule()), OPENED),
    "opened_asks": compose.opened(incident(rule(autonomy="ask")), OPENED),
    "opened_observes": compose.opened(incident(rule(autonomy="observe")), OPENED),
    "opened_warning": compose.opened(incident(rule(), level=Level.WARNING, value=85), OPENED),
    "opened_held": compose.opened(incident(rule(), held_for=Reason.NOT_OPTED_IN), OPENED),
    "opened_nothing_to_run": compose.opened(incident(rule(recover=[])), OPENED),
    "opened_typed": compose.opened(incident(rule(), origin=TYPED), OPENED),
    "opened_large_numbers": compose.opened(
        incident(
            rule(name="flood", when={"metric": "NetworkIn", "critical": 1e10}, recover=[]),
            name="NetworkIn",
            value=12_345_678_901.25,
        ),
        OPENED,
    ),
    "opened_downward": compose.opened(
        incident(
            rule(name="memory-short", when={"metric": "free", "critical": 5, "direction": "below"}),
            name="free",
            value=1e-20,
        ),
        OPENED,
    ),
    "opened_absurd_number": compose.opened(incident(rule(), value=1e300), OPENED),
    "opened_alarm_of_ours": compose.opened(
        incident(rule(), kind=SignalKind.ALARM, name="shop-cpu", value=None, state="ALARM"), OPENED
    ),
    "opened_foreign_alarm": compose.opened(
        incident(
            kind=SignalKind.ALARM,
            name="orders-db free storage",
            value=None,
            state="ALARM",
            origin=EventOrigin("cloudwatch-alarm"),
            target=Target(TargetKind.RESOURCE, "orders-db free storage"),
            level=Level.WARNING,
            held_for=Reason.NO_RULE,
        ),
        OPENED,
    ),
    "opened_errors": compose.opened(
        incident(
            rule(name="error-burst", when={"log": {"pattern": "ERROR"}, "count": "10 per 5m"}),
            kind=SignalKind.LOG,
            value=None,
            evidence=("ERROR: no connection", "ERROR: no connection"),
        ),
        OPENED,
    ),
    "opened_state": compose.opened(
        incident(
            rule(name="instance-stopped", when={"state": "stopped"}, recover=[]),
            kind=SignalKind.STATE,
            value=None,
            state="stopped",
            evidence=(),
        ),
        OPENED,
    ),
    "recovered": compose.recovered(incident(rule()), attempt(), PROOF, LATER),
    "handed_over_ladder_exhausted": compose.handed_over(
        incident(rule(), level=Level.WARNING),
        Climb(Reason.LADDER_EXHAUSTED, (attempt(CommandState.NOT_RUN), FAILED)),
        LATER,
    ),
    "handed_over_held": compose.handed_over(
        incident(rule()), Climb(Reason.COOLING_DOWN, (), HELD), LATER
    ),
    "handed_over_unknown": compose.handed_over(
        incident(rule()),
        Climb(
            Reason.MAY_STILL_BE_RUNNING,
            (attempt(CommandState.UNKNOWN), attempt(CommandState.RUNNING, judgement=UNCLEAR)),
        ),
        LATER,
    ),
    "recovered_action": compose.recovered(incident(rule(recover=[REBOOT])), REBOOTED, PROOF, LATER),
    "recovered_successor": compose.recovered(
        incident(rule(recover=[{"run": "replace_in_group"}])), REPLACED, PROOF, LATER
    ),
    "handed_over_action_unknown": compose.handed_over(
        incident(rule(recover=[*LADDER[:1], {"run": "stop_start_instance"}])),
        Climb(Reason.MAY_STILL_BE_RUNNING, (FAILED, STOPPED)),
        LATER,
    ),
    "handed_over_action_refused": compose.handed_over(
        incident(rule(recover=[{"run": "scale_out"}, {"run": "ask_human"}])),
        Climb(Reason.COULD_NOT_START, (REFUSED,)),
        LATER,
    ),
    "opened_asks_first": compose.opened(
        incident(rule(recover=[{"run": "ask_human"}, *LADDER])), OPENED
    ),
    "opened_only_asks": compose.opened(incident(rule(recover=[{"run": "ask_human"}])), OPENED),
    "asking_first": compose.asking(
        incident(rule(autonomy="ask")), rule().recover[0], (), UNTIL, OPENED
    ),
    "asking_to_go_on": compose.asking(
        incident(rule()), Rung.model_validate(REBOOT), (FAILED,), UNTIL, LATER
    ),
    "recovered_unknown": compose.recovered(
        incident(rule()), attempt(CommandState.UNKNOWN), PROOF, LATER
    ),
    "reminder": compose.reminder(incident(rule()), "14 datapoints, 97", LATER),
    "demoted": compose.demoted(
        incident(rule()),
        Demotion("restart_service", "cpu-overload", OPENED, 1, 7, 0.026, "inc-1"),
        20,
        LATER,
    ),
    "opened_by_hand": compose.opened(
        incident(
            rule(),
            kind=SignalKind.STATE,
            origin=BY_HAND,
            value=None,
            evidence=(),
            state="recovery asked for by ann",
        ),
        OPENED,
    ),
    "handed_over_relapsed": compose.handed_over(
        incident(rule()), Climb(Reason.RELAPSED, (attempt(judgement=VERIFIED),)), LATER
    ),
    "storm": crowd(ALIKE, [_word(n) for n in range(300)], many=True, number=1, now=LATER),
    "storm_few": crowd(ALIKE, [_word(n) for n in range(3)], many=False, number=0, now=LATER),
    "storm_over": crowd(
        ALIKE, [_word(n, NoticeKind.CLOSED) for n in range(300)], many=True, number=2, now=LATER
    ),
    "storm_household": crowd(
        replace(ALIKE, kind=GroupKind.HOUSEHOLD, name="i-0a1b2c3d4e5f67890 (instance-stopped)"),
        [_word(n, rule="unhealthy") for n in range(4)],
        many=False,
        number=0,
        now=LATER,
    ),
    "storm_everything": crowd(
        replace(ALIKE, kind=GroupKind.EVERYTHING, name="many rules at once"),
        [*(_word(n, rule=f"rule-{n % 5}") for n in range(40)), _word(99, size=4000)],
        many=True,
        number=0,
        now=LATER,
    ),
    "storm_flapping_calm": crowd(
        replace(ALIKE, kind=GroupKind.FLAPPING, name="cpu on web-1 comes and goes within 1h"),
        [_word(n, NoticeKind.CLOSED) for n in range(9)],
        many=False,
        number=0,
        now=LATER,
    ),
    "escalated": compose.escalated(
        incident(rule()), PROOF, timedelta(minutes=15), ["night-phone"], LATER
    ),
    "healthy_by_itself": compose.healthy_by_itself(incident(rule()), PROOF, LATER),
    "closed_by_person": compose.closed_by_person(incident(rule()), LATER),
}


@pytest.mark.parametrize("name", NOTICES)
def test_a_notice_reads_as_agreed(name: str) -> None:
    notice, path = NOTICES[name], GOLDEN / f"{name}.txt"
    text = f"Subject: {subject_line(notice, WORDING)}\n\n{body(notice, WORDING)}\n"
    if UPDATE:
        GOLDEN.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    assert path.read_text("utf-8") == text


def test_every_agreed_text_belongs_to_a_notice() -> None:
    assert {path.stem for path in GOLDEN.glob("*.txt")} == set(NOTICES)


def test_an_incident_without_a_rule_has_tried_nothing_and_would_run_nothing() -> None:
    notice = compose.handed_over(incident(), Climb(Reason.NO_RULE), LATER)
    assert not any("Not run" in line for line in notice.lines)


def test_words_of_the_installation_come_first() -> None:
    words = {"subject": "Look here", "subject_prefix": "[shop]", "message_prefix": "Production"}
    wording = Wording.of(Configuration.model_validate({"notify": words}))
    notice = NOTICES["opened"]
    assert subject_line(notice, wording) == "[shop] Look here"
    assert body(notice, wording).startswith("Production\n◆ [CRITICAL] i-0a1b2c3d4e5f")


def test_programs_get_the_same_facts_as_json() -> None:
    content = json.loads(structured(NOTICES["opened"]))
    assert (content["schema_version"], content["kind"], content["level"]) == (
        1,
        "opened",
        "critical",
    )
    assert content["target"] == "instance/i-0a1b2c3d4e5f67890"
    assert content["rule"] == "cpu-overload"


# The limits of SNS


hostile = st.text(max_size=300) | st.sampled_from(
    ["🔥" * 600, '"' * 600, "\\" * 600, "\ud800" * 600, "\n" * 600, "", "$(reboot)\r\nBcc: x"]
)


def everywhere(text: str) -> Notice:
    """Return a notice that says the same text in every place."""
    many = (text,) * 20
    return Notice(
        text, text, NoticeKind.OPENED, Level.CRITICAL, text, many, OPENED, text, text, many
    )


def composed(text: str) -> Notice:
    """Return a notice about a target, an alarm and a rule of this name."""
    about = incident(
        kind=SignalKind.ALARM,
        name=text,
        value=None,
        state="ALARM",
        target=Target(TargetKind.RESOURCE, text),
        evidence=(text,) * 5,
    )
    return compose.opened(replace(about, rule_name=f"unruled:{text}"), OPENED)


@settings(derandomize=True, deadline=None, database=None)
@given(
    hostile, st.sampled_from([everywhere, composed]), st.text(max_size=200), st.text(max_size=200)
)
def test_sns_takes_every_notice(
    text: str, make: Callable[[str], Notice], prefix: str, subject: str
) -> None:
    notice = make(text)
    wording = Wording(subject, prefix, prefix * 10)
    line = subject_line(notice, wording)
    assert 0 < len(line) <= SNS_SUBJECT < 100
    assert line.isascii()
    assert line.isprintable()
    assert line == line.strip()
    message = sns_message(notice, wording)
    assert len(message.encode()) < 256 * 1024
    bodies = json.loads(message)
    assert {"default", "email", "lambda"} <= set(bodies)
    assert json.loads(bodies["lambda"])["kind"] == "opened"


def test_many_lines_are_cut_and_the_rest_is_counted() -> None:
    notice = replace(NOTICES["opened"], lines=tuple(f"line {n}" for n in range(40)))
    told = json.loads(structured(notice))["lines"]
    assert (len(told), told[-1]) == (16, "… and 25 lines more")
