"""What people are told: the words of notices, and SNS's limits whatever the names."""

import json
from collections.abc import Callable
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from autorecovery.config import Configuration
from autorecovery.models.incident import (
    Climb,
)
from autorecovery.models.notice import Notice, NoticeKind
from autorecovery.models.reason import Level, Reason
from autorecovery.models.signal import (
    SignalKind,
    Target,
    TargetKind,
)
from autorecovery.notices import compose
from autorecovery.notices.text import (
    SNS_SUBJECT,
    Wording,
    body,
    sns_message,
    structured,
    subject_line,
)
from tests.notice_states import LATER, NOTICES, OPENED, incident


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
    assert (len(told), told[-1]) == (14, "… and 27 lines more")
