"""Whatever an incident is called and whatever its lines say: every channel gets a valid message,
within its limits, in which hostile text is nothing but text.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autorecovery.models.analysis import Analysis, Cause, Confidence, Piece, Recovered, Risk, Step
from autorecovery.models.delivery import Delivery, Outcome, Record
from autorecovery.models.digest import Digest, Noise, Open, Suppressed, Trend, Undelivered
from autorecovery.models.incident import Climb, Entry, EntryKind, Incident
from autorecovery.models.notice import Fact, Link, Notice, NoticeKind, Question
from autorecovery.models.reason import Level, Reason
from autorecovery.models.report import LimitLine, Measured, Moment, Report
from autorecovery.models.signal import EventOrigin, SignalKind, Target, TargetKind
from autorecovery.notices import compose, limits, mail, slack, telegram
from autorecovery.notices.fitting import length
from autorecovery.notices.text import Wording
from tests.notice_states import HELD, LATER, NOTICES, OPENED, QUESTION, attempt, incident, rule
from tests.report_states import REPORT

PLAIN = Wording()
MEGABYTE = "Exception in thread main <!channel> & \u202e" * 25_000

HOSTILE = [
    "",
    " ",
    "\n\r\t\x00\x1b[31m",
    "<!channel> <!here> <@U024BE7LH> <#C024BE91L> @here @channel @everyone",
    "``` out of the block ``` `code` *bold* _it_ ~no~",
    "<script>alert(1)</script><img src=https://evil.example/x.png onerror=alert(1)>",
    "</td></table><style>*{display:none}</style><a href='javascript:alert(1)'>x</a>",
    "{{ 7*7 }} {% include '/etc/passwd' %}",
    '<b>unclosed <a href="tg://user?id=1">you</a>',
    "מערכת קרסה \u202e\u2066 abc \u2069",
    "🔥👩‍👩‍👧" * 300,
    "\ud800 half \udc00 of each",
    "&" * 5000,
    '"' * 5000,
    "🟥" * 5000,
    "@a " * 2000,
    ("word " * 60)[:300],
    "https://evil.example/?" + "x" * 3000,
    MEGABYTE,
]
texts = st.sampled_from(HOSTILE) | st.text(max_size=400)
numbers = st.floats() | st.sampled_from([float("nan"), float("inf"), -float("inf"), 1e308, -1e308])
bounded = settings(
    derandomize=True,
    deadline=None,
    database=None,
    max_examples=40,
    suppress_health_check=[HealthCheck.too_slow],
)


@st.composite
def any_notice(draw: st.DrawFn) -> Notice:
    """Return a notice of which anything may say anything."""

    def many(at_most: int) -> tuple[str, ...]:
        return tuple(draw(st.lists(texts, max_size=at_most)))

    question = draw(st.none() | st.builds(Question, texts, st.just(LATER)))
    return Notice(
        id=draw(texts),
        incident_id=draw(texts),
        kind=draw(st.sampled_from(list(NoticeKind))),
        level=draw(st.sampled_from(list(Level))),
        headline=draw(texts),
        lines=many(30),
        at=OPENED,
        rule_name=draw(texts),
        target=draw(texts),
        evidence=many(12),
        conversation=draw(texts),
        state=draw(texts),
        facts=tuple(Fact(name, draw(texts)) for name in many(15)),
        next_steps=tuple(f"{step}: autorecovery {draw(texts)}" for step in many(12)),
        links=tuple(Link(name, draw(texts)) for name in many(8)),
        question=question,
        producer=draw(texts),
    )


@st.composite
def any_incident(draw: st.DrawFn) -> Incident:
    """Return an incident whose names, lines and numbers may be anything."""
    name = draw(texts)[:300] or "x"
    about = incident(
        rule(name=name) if draw(st.booleans()) else None,
        kind=draw(st.sampled_from(list(SignalKind))),
        name=draw(texts),
        value=draw(st.none() | numbers),
        state=draw(texts),
        origin=draw(st.none() | st.builds(EventOrigin, texts)),
        target=Target(
            draw(st.sampled_from(list(TargetKind))),
            draw(texts),
            draw(texts),
            draw(st.sampled_from(["eu-west-1", "", "eu west\n1", "<b>"])),
        ),
        evidence=tuple(draw(st.lists(texts, max_size=6))),
        level=draw(st.sampled_from(list(Level))),
    )
    return replace(about, id=draw(st.sampled_from([about.id, "x" * 3000, "<b>&"])))


def notices_of(about: Incident) -> Iterator[Notice]:
    yield compose.opened(about, OPENED)
    yield compose.asking(about, rule().recover[0], (attempt(),), QUESTION, OPENED)
    yield compose.handed_over(about, Climb(Reason.COOLING_DOWN, (attempt(),), HELD), LATER)
    yield compose.escalated(about, "no data", timedelta(hours=1), ("phone",), LATER)
    yield compose.recovered(about, attempt(), "3 datapoints, 20 to 31", LATER)


# What each channel takes


def strings(found: Any) -> Iterator[str]:
    if isinstance(found, dict):
        for key, value in found.items():
            if key in ("text", "value", "title", "confirm", "deny", "fields", "elements"):
                yield from strings(value)
    elif isinstance(found, list):
        for value in found:
            yield from strings(value)
    elif isinstance(found, str):
        yield found


def check_slack(message: slack.SlackMessage) -> None:
    json.dumps(message.blocks, ensure_ascii=False).encode()
    assert 0 < length(message.text) <= limits.SLACK_TEXT
    assert 0 < len(message.blocks) <= limits.SLACK_BLOCKS
    assert len({block["block_id"] for block in message.blocks}) == len(message.blocks)
    assert sum(map(length, strings(message.blocks))) <= limits.SLACK_TOTAL
    for block in message.blocks:
        assert len(block["block_id"]) <= 255
        check_block(block)
    assert_no_markup(message)


def check_block(block: dict[str, Any]) -> None:
    if block["type"] == "header":
        assert 0 < length(block["text"]["text"]) <= limits.SLACK_HEADER
    elif block["type"] == "actions":
        assert 0 < len(block["elements"]) <= 25
        for element in block["elements"]:
            assert length(element["value"]) <= limits.SLACK_VALUE
            assert length(element["text"]["text"]) <= 75
            confirm = element.get("confirm", {"text": {"text": ""}})
            assert length(confirm["text"]["text"]) <= limits.SLACK_CONFIRM
    elif block["type"] == "context":
        assert 0 < len(block["elements"]) <= 10
        assert all(0 < length(e["text"]) <= limits.SLACK_SECTION for e in block["elements"])
    elif "fields" in block:
        assert 0 < len(block["fields"]) <= limits.SLACK_FIELDS
        assert all(0 < length(e["text"]) <= limits.SLACK_FIELD for e in block["fields"])
    else:
        assert 0 < length(block["text"]["text"]) <= limits.SLACK_SECTION


OURS = re.compile(r"<https?://[!-;=?-~]+\|[^<>]*>")


def assert_no_markup(message: slack.SlackMessage) -> None:
    """Assert that only our own links stand in angle brackets, and that nobody is called."""
    read_as_markup = [text for text in marked_up(message.blocks)] + [message.text]
    for text in read_as_markup:
        assert not set("<>") & set(OURS.sub("", text)), text[:200]
        assert not re.search(r"(?<!\w)@\w", OURS.sub("", text)), text[:200]
        assert text.count("```") in (0, 2)


def marked_up(found: Any) -> Iterator[str]:
    if isinstance(found, dict):
        if found.get("type") == "mrkdwn":
            assert found["verbatim"]
            yield found["text"]
        for value in found.values():
            yield from marked_up(value)
    elif isinstance(found, list):
        for value in found:
            yield from marked_up(value)


class Tags(HTMLParser):
    """What tags a text has; it complains where one is closed that was not opened last."""

    VOID = ("br", "meta", "img")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, f"</{tag}> closes nothing"


def parsed(text: str) -> list[tuple[str, dict[str, str | None]]]:
    parser = Tags()
    parser.feed(text)
    parser.close()
    assert parser.open == []
    return parser.seen


def check_telegram(messages: list[str]) -> None:
    assert 0 < len(messages) <= limits.TELEGRAM_MESSAGES
    for message in messages:
        message.encode()
        assert 0 < length(message) <= limits.TELEGRAM_MESSAGE
        assert message.strip()
        for tag, attributes in parsed(message):
            assert tag in ("b", "i", "code", "a")
            assert set(attributes) <= {"href"}
            assert (attributes.get("href") or "https://").startswith(("https://", "http://"))
        assert not re.search(r"(?<![\w/])@\w", re.sub(r'href="[^"]*"', "", message))


MAIL_TAGS = {
    "html", "head", "meta", "title", "style", "body", "table", "tr", "td", "th", "p", "h1", "h2",
    "strong", "code", "div", "br", "a",
}  # fmt: skip


def check_mail(written: mail.Mail) -> None:
    assert 0 < length(written.subject) <= limits.MAIL_SUBJECT
    assert written.subject.isprintable()
    written.text.encode()
    assert len(written.html.encode()) < limits.MAIL_BYTES
    for tag, attributes in parsed(written.html):
        assert tag in MAIL_TAGS, tag
        assert not [name for name in attributes if name.startswith("on") or name in ("src", "data")]
        assert "url(" not in (attributes.get("style") or "")
        if "href" in attributes:
            assert (attributes["href"] or "").startswith("https://")
    style = written.html.partition("<style>")[2].partition("</style>")[0]
    assert "url(" not in style and "@import" not in style


def check_everywhere(notice: Notice) -> None:
    for buttons in (True, False):
        check_slack(slack.head(notice, buttons))
    check_slack(slack.reply(notice))
    check_slack(slack.plain(notice))
    check_telegram(telegram.messages(notice))
    check_mail(mail.of_notice(notice, PLAIN))


@bounded
@given(any_notice())
def test_every_channel_takes_any_notice(notice: Notice) -> None:
    check_everywhere(notice)


@bounded
@given(any_incident())
def test_every_channel_takes_what_is_composed_of_any_incident(about: Incident) -> None:
    for notice in notices_of(about):
        check_everywhere(notice)


@pytest.mark.parametrize("text", HOSTILE)
def test_a_text_that_is_everywhere_is_taken_everywhere(text: str) -> None:
    many = (text,) * 40
    steps = tuple(f"{line}: autorecovery {line}" for line in many)
    facts = tuple(Fact(line, line) for line in many)
    links = tuple(Link(line, line) for line in many)
    check_everywhere(
        Notice(
            id=text, incident_id=text, kind=NoticeKind.HANDED_OVER, level=Level.CRITICAL,
            headline=text, lines=many, at=OPENED, rule_name=text, target=text, evidence=many,
            conversation=text, state=text, facts=facts, next_steps=steps, links=links,
            question=Question(text, LATER), producer=text,
        )
    )  # fmt: skip


# Reports and digests


def long_report(text: str, number: float) -> Report:
    story = tuple(
        Entry(f"{n}", OPENED + timedelta(seconds=n), EntryKind.SIGNALLED, text) for n in range(400)
    )
    analysis = Analysis(
        text, text, OPENED, text, tuple(Cause(text, (text,) * 9, Confidence.LOW) for _ in range(9)),
        Recovered.UNCLEAR, (Step(text, Risk.HIGH, text),) * 9, (text,) * 9,
        tuple(Piece(text, text, text) for _ in range(20)), text, 3,
    )  # fmt: skip
    record = Record(
        replace(NOTICES["opened"], headline=text), (Delivery(text, Outcome.GIVEN_UP, OPENED),) * 5
    )
    samples = tuple(
        Measured(OPENED + timedelta(seconds=20 * n), number if n % 3 else float(n))
        for n in range(500)
    )
    return replace(
        REPORT,
        incident=replace(REPORT.incident, evidence=(text,) * 50, id=text[:500]),
        headline=text,
        story=story,
        what=text,
        samples=samples,
        limits=(LimitLine("warning", 80), LimitLine(text[:40], number)),
        moments=tuple(Moment("R", text[:100], OPENED + timedelta(minutes=n)) for n in range(40)),
        attempts=(attempt(script=text[:300], parameters={text[:99]: text[:99]}),) * 30,
        analysis=analysis,
        notices=(record,) * 60,
    )


@pytest.mark.parametrize("text", HOSTILE)
def test_a_report_of_the_longest_incident_fits_into_a_mail(text: str) -> None:
    check_mail(mail.of_report(long_report(text, 97.0), Wording(text, text, text)))


@bounded
@given(st.sampled_from(HOSTILE[:9]), numbers, st.booleans())
def test_a_report_can_be_made_of_any_number(text: str, number: float, falls_below: bool) -> None:
    check_mail(mail.of_report(replace(long_report(text, number), falls_below=falls_below), PLAIN))


def test_what_a_report_leaves_out_is_counted() -> None:
    told = mail.of_report(long_report("line", 97.0), PLAIN)
    assert "320 earlier entries are left out here." in told.html
    assert "30 more lines are left out here." in told.html
    assert "autorecovery explain line" in told.html


@pytest.mark.parametrize("text", HOSTILE)
def test_a_digest_of_the_worst_week_fits_into_a_mail(text: str) -> None:
    digest = Digest(
        OPENED, LATER, incidents=10_000, is_complete=False,
        noisiest=(Noise(text, 9, 9),) * 50,
        still_open=(Open(text, text, text, Level.ERROR, OPENED),) * 1000,
        suppressed=(Suppressed(text, 5),) * 99,
        undelivered=(Undelivered(OPENED, text, text, text),) * 500,
        trends=(Trend(text, text, float("nan"), float("inf"), 95, 3.0),) * 50,
    )  # fmt: skip
    check_mail(mail.of_digest(digest, Wording(text, text, text)))


# Hostile text, read closely

ATTACK = "ignore that <!channel> <@U024BE7LH> ```x``` <script>alert(1)</script> @here *bold*"


def test_a_log_line_cannot_page_anybody_in_slack() -> None:
    notice = replace(NOTICES["opened"], evidence=(ATTACK,), headline=ATTACK, lines=(ATTACK,))
    for message in (slack.head(notice, True), slack.reply(notice), slack.plain(notice)):
        sent = json.dumps([message.text, list(marked_up(message.blocks))], ensure_ascii=False)
        assert "<!channel>" not in sent
        assert "<@U024BE7LH>" not in sent
        assert "@here" not in sent
    shown = next(text for text in marked_up(slack.reply(notice).blocks) if "```" in text)
    assert shown.startswith("```ignore that &lt;!channel&gt;")
    assert shown.endswith("```")


def test_a_log_line_is_only_text_in_telegram_and_in_mail() -> None:
    notice = replace(NOTICES["opened"], evidence=(ATTACK,), headline=ATTACK, lines=(ATTACK,))
    (told,) = telegram.messages(notice)
    assert "&lt;script&gt;" in told and "<script" not in told
    written = mail.of_notice(notice, PLAIN).html
    assert "&lt;script&gt;" in written and "<script" not in written


def test_an_address_in_a_mail_of_somebody_is_left_alone() -> None:
    notice = replace(NOTICES["opened"], evidence=("login of ann@example.com failed",))
    assert "ann@example.com" in json.dumps(slack.reply(notice).blocks)


# Buttons


def pressed(notice: Notice) -> dict[str, Any]:
    blocks = slack.head(notice, buttons=True).blocks
    return {
        element["action_id"]: json.loads(element["value"])
        for block in blocks
        if block["type"] == "actions"
        for element in block["elements"]
    }


def test_a_question_can_be_answered_by_a_button() -> None:
    found = pressed(NOTICES["asking_first"])
    assert list(found) == ["approve", "deny", "acknowledge", "silence"]
    assert found["approve"] == {
        "incident": "inc-20260115-030412-0a1b2c3d",
        "attempt": "inc-20260115-030412-0a1b2c3d-r1",
    }


def test_nothing_is_run_by_a_single_touch() -> None:
    (actions,) = [b for b in slack.head(NOTICES["asking_first"], True).blocks if "elements" in b][
        :1
    ]
    approve = actions["elements"][0]
    assert approve["confirm"]["text"]["text"].startswith("restart_service (service=nginx) on")


def test_an_open_incident_can_be_acknowledged_and_silenced() -> None:
    for name in ("opened", "handed_over_held", "reminder", "escalated"):
        assert list(pressed(NOTICES[name])) == ["acknowledge", "silence"]


@pytest.mark.parametrize("name", ["recovered", "closed_by_person", "storm_over", "analysed",
                                  "message", "demoted"])  # fmt: skip
def test_what_is_over_or_asks_nothing_has_no_buttons(name: str) -> None:
    assert pressed(NOTICES[name]) == {}


def test_without_buttons_the_commands_are_told_instead() -> None:
    asked = NOTICES["asking_first"]
    assert "autorecovery approve" in json.dumps(slack.head(asked, buttons=False).blocks)
    assert "autorecovery approve" not in json.dumps(slack.head(asked, buttons=True).blocks)


def test_an_answer_takes_the_place_of_the_buttons() -> None:
    asked = slack.head(NOTICES["asking_first"], buttons=True)
    left = slack.without_buttons(asked.blocks, "approved by <@U1> ann")
    assert len(left) == len(asked.blocks)
    assert not [block for block in left if block["type"] == "actions"]
    assert "approved by &lt;" in json.dumps(left)


def test_every_update_has_new_block_ids() -> None:
    first, second = (slack.head(NOTICES[name], True) for name in ("opened", "recovered"))
    ids = [{block["block_id"] for block in message.blocks} for message in (first, second)]
    assert ids[0].isdisjoint(ids[1])
    assert slack.head(NOTICES["opened"], True) == first


def test_an_analysis_is_a_reply_and_does_not_stand_for_the_incident() -> None:
    assert not slack.stands_for_all(NOTICES["analysed"])
    assert slack.stands_for_all(NOTICES["recovered"])


def test_what_is_told_once_needs_no_thread() -> None:
    assert not slack.has_details(NOTICES["message"])
    assert "port 22" in json.dumps(slack.head(NOTICES["message"], True).blocks)
    assert slack.has_details(NOTICES["opened"]) and slack.has_details(NOTICES["analysed"])


def test_a_step_may_be_nothing_but_a_command() -> None:
    notice = replace(NOTICES["storm"], next_steps=("autorecovery incidents list",))
    assert "\u2022 `autorecovery incidents list`" in json.dumps(
        slack.head(notice, True).blocks, ensure_ascii=False
    )
    assert "\u2022 <code>autorecovery incidents list</code>" in telegram.messages(notice)[0]
    assert ">autorecovery incidents list</div>" in mail.of_notice(notice, PLAIN).html


def test_a_webhook_tells_everything_at_once() -> None:
    told = slack.plain(NOTICES["handed_over_held"])
    sent = json.dumps(told.blocks)
    assert "What was seen" in sent and "autorecovery ack" in sent and "actions" not in sent
    assert "Please take it over" in told.text  # for services that know no blocks


# Length


def test_a_long_notice_is_several_telegram_messages_each_with_its_place() -> None:
    notice = replace(NOTICES["opened"], lines=("x" * 600,) * 12)
    told = telegram.messages(notice)
    assert len(told) == 3
    assert told[0].endswith("<i>1 of 3, inc-20260115-030412-0a1b2c3d</i>")
    assert "".join(told).count("x" * 600) == 12


def test_nobody_gets_more_than_four_telegram_messages_and_the_last_says_what_to_do() -> None:
    notice = replace(NOTICES["opened"], lines=("x" * 900,) * 14, evidence=("y" * 900,) * 5)
    told = telegram.messages(replace(notice, next_steps=("z" * 900,) * 5))
    assert len(told) == 4
    assert told[-1].startswith("… the rest is cut off here.")
    assert "autorecovery explain inc-20260115-030412-0a1b2c3d" in told[-1]


def test_a_cut_line_says_so_and_the_whole_is_a_command_away() -> None:
    notice = replace(NOTICES["opened"], evidence=(MEGABYTE,))
    for said in (
        json.dumps(slack.reply(notice).blocks, ensure_ascii=False),
        "".join(telegram.messages(notice)),
        mail.of_notice(notice, PLAIN).html,
    ):
        assert "…" in said
        assert "autorecovery explain inc-20260115-030412-0a1b2c3d" in said
