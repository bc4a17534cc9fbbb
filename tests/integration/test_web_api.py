"""Buttons in Slack, from the signed request to what is decided and shown: by the entry point."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest

import web_api
from autorecovery.adapters.channels.posting import Posting
from autorecovery.adapters.channels.slack_responses import SlackResponses
from autorecovery.adapters.sqlite.controls import SqliteControls
from autorecovery.adapters.sqlite.database import Database
from autorecovery.adapters.sqlite.incident_log import SqliteIncidentLog
from autorecovery.config.notify import SlackBot
from autorecovery.errors import StoreError
from autorecovery.models.incident import Entry, EntryKind, Incident, attempt_token
from autorecovery.models.press import Subject, Word
from autorecovery.models.reason import Reason
from autorecovery.people import People
from autorecovery.web.routes import serve
from autorecovery.web.slack_door import SlackDoor
from autorecovery.web.slack_routes import slack_routes
from tests.channel_world import NOW, Vault
from tests.fakes import RecordingStarter
from tests.local_server import RESET, Reply
from tests.response_world import RESTART, incident, rule
from tests.slack_presses import SIGNING_SECRET, form, http_event, payload, signed
from tests.slack_server import CHANNEL, SlackServer

ASKED_FOR = timedelta(minutes=30)


class Desk:
    """An incident that asks, and a Slack app whose buttons answer."""

    def __init__(self, slack: SlackServer, *bots: Mapping[str, Any], timeout: float = 1) -> None:
        database = Database(None)
        self.slack, self.vault, self.now = slack, Vault(), NOW
        self.incidents, self.controls = SqliteIncidentLog(database), SqliteControls(database)
        self.responses = RecordingStarter()
        self.people = People(self.incidents, self.controls, self.responses, lambda: self.now)
        self.told: list[tuple[str, dict[str, Any]]] = []
        self.failures: list[Exception] = []
        self.opened: Incident = incident(rule(RESTART))
        self.incidents.open(self.opened)
        self.incidents.wait_for_wake(self.opened.id, "token-1")
        self.vault.content["signing"] = SIGNING_SECRET
        made = [self._bot(**settings) for settings in bots or ({},)]
        self.door = SlackDoor(
            bots=[(bot, self.vault.secrets.named(f"vault:{place}")) for bot, place in made],
            app=self.people,
            clock=lambda: self.now,
            say=SlackResponses(Posting(timeout), (f"{slack.address}/response",)),
            report=lambda what, told: self.told.append((what, told)),
        )
        self.app = serve([slack_routes(self.door)], self.failures.append)
        self.ask(1)

    def _bot(self, signing: str = "signing", **settings: Any) -> tuple[SlackBot, str]:
        values = {"channel": CHANNEL, "token": "env:TOKEN", **settings}
        return SlackBot.model_validate(values), signing

    def ask(self, number: int) -> None:
        """Put a question, as a response does."""
        attempt = attempt_token(self.opened.id, number)
        facts = {"attempt": attempt, "until": (self.now + ASKED_FOR).isoformat()}
        entry = Entry(f"asked {number}", self.now, EntryKind.ASKED, "asked", facts)
        self.incidents.record(self.opened.id, entry)

    def subject(self, number: int = 1) -> Subject:
        return Subject(self.opened.id, attempt_token(self.opened.id, number))

    def payload(self, word: Word, **more: Any) -> dict[str, Any]:
        values = {"subject": self.subject(), "response_url": f"{self.slack.address}/response/1"}
        return payload(word, **{**values, **more})

    def press(self, word: Word, **more: Any) -> int:
        """Press a button and return the status of the answer."""
        return self.send(form(self.payload(word, **more)))

    def send(self, body: bytes, headers: Mapping[str, str] | None = None, **more: Any) -> int:
        given = signed(body, self.now) if headers is None else headers
        answer = web_api.handle(http_event(body, given, **more), self.app)
        self.answer: dict[str, Any] = answer
        return int(answer["statusCode"])

    @property
    def approved(self) -> bool | None:
        decision = self.controls.approval(self.subject().attempt)
        return decision.approved if decision else None

    @property
    def shown(self) -> dict[str, Any]:
        """Return what was said at the response_url last."""
        return self.slack.responses[-1]


@pytest.fixture
def slack() -> Iterator[SlackServer]:
    server = SlackServer()
    with server.running():
        yield server


@pytest.fixture
def desk(slack: SlackServer) -> Desk:
    return Desk(slack)


def kinds(content: Mapping[str, Any]) -> list[str]:
    return [block["type"] for block in content["blocks"]]


# What buttons do


@pytest.mark.parametrize(("word", "approved"), [(Word.APPROVE, True), (Word.DENY, False)])
def test_a_press_decides_and_wakes_the_response(word: Word, approved: bool, desk: Desk) -> None:
    assert desk.press(word) == 200
    assert desk.approved is approved
    assert desk.responses.woken == ["token-1"]
    answered = desk.incidents.timeline(desk.opened.id)[-1]
    assert (answered.kind, answered.facts["by"]) == (EntryKind.ANSWERED, "ann (Slack U024BE7LH)")


def test_the_buttons_give_way_to_what_was_decided_and_by_whom(desk: Desk) -> None:
    desk.press(Word.APPROVE)
    assert desk.shown["replace_original"] is True
    section, actions, note = desk.shown["blocks"]
    assert [each["action_id"] for each in actions["elements"]] == ["acknowledge", "silence"]
    assert note["elements"][0]["text"] == "✔ approved by <@U024BE7LH> at 12:00:00 UTC"
    assert "block_id" not in section
    assert "block_id" not in actions


def test_no_block_of_buttons_stays_without_a_button(desk: Desk) -> None:
    asked = desk.payload(Word.DENY)
    asked["message"]["blocks"][1]["elements"] = asked["message"]["blocks"][1]["elements"][:2]
    desk.send(form(asked))
    assert kinds(desk.shown) == ["section", "context"]
    assert "✖ denied by" in desk.shown["blocks"][1]["elements"][0]["text"]


def test_a_message_of_fifty_blocks_stays_within_slacks_limit(desk: Desk) -> None:
    asked = desk.payload(Word.ACKNOWLEDGE)
    asked["message"]["blocks"] *= 25
    desk.send(form(asked))
    assert len(desk.shown["blocks"]) == 50
    assert "acknowledged by" in desk.shown["blocks"][-1]["elements"][0]["text"]


def test_an_acknowledgement_is_written_down(desk: Desk) -> None:
    desk.press(Word.ACKNOWLEDGE)
    assert desk.incidents.timeline(desk.opened.id)[-1].kind is EntryKind.ACKNOWLEDGED
    assert desk.approved is None


def test_a_silence_is_declared(desk: Desk) -> None:
    assert desk.press(Word.SILENCE) == 200
    assert "silenced for 1 h by" in desk.shown["blocks"][-1]["elements"][0]["text"]


def test_what_is_closed_is_not_silenced_and_who_pressed_is_told_so(desk: Desk) -> None:
    desk.incidents.close(desk.opened.id, Reason.CLOSED_BY_PERSON, desk.now)
    assert desk.press(Word.SILENCE) == 200
    assert desk.shown["text"] == f"{desk.opened.id} is closed; nothing was silenced"


@pytest.mark.parametrize("is_function_url", [True, False])
@pytest.mark.parametrize("is_base64", [True, False])
def test_every_way_in_hands_the_same_body_over(
    is_base64: bool, is_function_url: bool, desk: Desk
) -> None:
    body = form(desk.payload(Word.APPROVE))
    assert desk.send(body, is_base64=is_base64, is_function_url=is_function_url) == 200
    assert desk.approved is True


# Who may, and what counts


def test_a_guest_from_another_team_may_not_unless_named(slack: SlackServer) -> None:
    stranger = {"id": "U9", "username": "eve", "team_id": "T9"}
    everybody, named = Desk(slack), Desk(slack, {"operators": ["U9"]})
    everybody.send(form({**everybody.payload(Word.APPROVE), "user": stranger}))
    assert everybody.approved is None
    assert "another team" in everybody.shown["text"]
    named.send(form({**named.payload(Word.APPROVE), "user": stranger}))
    assert named.approved is True


def test_the_second_press_is_told_who_was_first(desk: Desk) -> None:
    desk.press(Word.DENY)
    desk.press(Word.APPROVE, user="U0B0B")
    assert desk.approved is False
    assert desk.shown["response_type"] == "ephemeral"
    assert desk.shown["replace_original"] is False
    assert "ann (Slack U024BE7LH) denied it already" in desk.shown["text"]


def test_the_same_request_sent_again_changes_nothing(desk: Desk) -> None:
    body = form(desk.payload(Word.APPROVE))
    headers = signed(body, desk.now)
    assert desk.send(body, headers) == 200
    desk.now += timedelta(seconds=1)
    assert desk.send(body, headers) == 200
    assert desk.responses.woken == ["token-1"]
    assert "approved it already" in desk.shown["text"]


def test_a_button_of_an_older_question_does_not_answer_the_newer_one(desk: Desk) -> None:
    desk.ask(2)
    desk.press(Word.APPROVE, subject=desk.subject(1))
    assert desk.controls.approval(desk.subject(2).attempt) is None
    assert desk.approved is None
    assert "asks something else by now" in desk.shown["text"]
    desk.press(Word.APPROVE, subject=desk.subject(2))
    decision = desk.controls.approval(desk.subject(2).attempt)
    assert decision is not None
    assert decision.approved


def test_a_button_that_names_no_question_answers_none(desk: Desk) -> None:
    desk.press(Word.APPROVE, subject=Subject(desk.opened.id))
    assert desk.approved is None
    assert "names no question" in desk.shown["text"]


def test_an_answer_that_comes_too_late_counts_for_nothing(desk: Desk) -> None:
    desk.now += ASKED_FOR
    desk.press(Word.APPROVE)
    assert desk.approved is None
    assert "the question expired" in desk.shown["text"]


def test_a_closed_incident_is_told_as_such(desk: Desk) -> None:
    desk.incidents.close(desk.opened.id, Reason.CLOSED_BY_PERSON, NOW)
    desk.press(Word.APPROVE)
    assert "is closed" in desk.shown["text"]


def test_an_incident_that_nobody_knows_is_told_as_such(desk: Desk) -> None:
    desk.press(Word.ACKNOWLEDGE, subject=Subject("inc-<!channel>"))
    assert "not known any more" in desk.shown["text"]


def test_where_operators_are_named_only_they_may_press(slack: SlackServer) -> None:
    desk = Desk(slack, {"operators": ["U0PERAT0R"]})
    desk.press(Word.APPROVE)
    assert desk.approved is None
    assert "not among this channel's operators" in desk.shown["text"]
    desk.press(Word.APPROVE, user="U0PERAT0R")
    assert desk.approved is True


def test_a_channel_named_twice_has_the_operators_that_both_agree_on(slack: SlackServer) -> None:
    desk = Desk(slack, {}, {"operators": ["U0PERAT0R"]})
    desk.press(Word.APPROVE)
    assert desk.approved is None
    assert "not among this channel's operators" in desk.shown["text"]


def test_one_app_does_not_speak_for_the_channel_of_another(slack: SlackServer) -> None:
    desk = Desk(slack, {}, {"channel": "C0THER00", "signing": "other", "operators": ["U1"]})
    desk.vault.content["other"] = "0ther5ecret"
    body = form(desk.payload(Word.APPROVE, channel={"id": "C0THER00"}))
    assert desk.send(body) == 200
    assert desk.approved is None
    assert "not ours to hear" in desk.shown["text"]


def test_each_app_is_heard_in_its_own_channel(slack: SlackServer) -> None:
    desk = Desk(slack, {"channel": "C0THER00", "signing": "other"}, {})
    desk.vault.content["other"] = "0ther5ecret"
    assert desk.press(Word.APPROVE) == 200
    assert desk.approved is True


def test_a_name_cannot_forge_a_line_of_the_story(desk: Desk) -> None:
    user = {"id": "U1", "username": "ann\n2026 approved by bob" + "x" * 500}
    asked = desk.payload(Word.ACKNOWLEDGE)
    desk.send(form({**asked, "user": user}))
    by = desk.incidents.timeline(desk.opened.id)[-1].facts["by"]
    assert by.isprintable()
    assert len(by) < 90


# Who is let in


@pytest.mark.parametrize(
    "change",
    [
        {"x-slack-signature": None},
        {"x-slack-request-timestamp": None},
        {"x-slack-signature": "v0=" + "0" * 64},
        {"x-slack-signature": ""},
        {"x-slack-signature": "v0=ü"},
        {"x-slack-request-timestamp": "soon"},
        {"x-slack-request-timestamp": "1e9"},
        {"x-slack-request-timestamp": ""},
    ],
)
def test_without_a_valid_signature_nothing_is_done(
    change: dict[str, str | None], desk: Desk
) -> None:
    body = form(desk.payload(Word.APPROVE))
    headers = {k: v for k, v in {**signed(body, desk.now), **change}.items() if v is not None}
    assert desk.send(body, headers) == 401
    assert desk.approved is None
    assert desk.slack.requests == []


@pytest.mark.parametrize("seconds", [-301, 301])
def test_a_request_of_another_time_is_refused(seconds: int, desk: Desk) -> None:
    body = form(desk.payload(Word.APPROVE))
    assert desk.send(body, signed(body, desk.now + timedelta(seconds=seconds))) == 401
    assert desk.approved is None


def test_a_changed_body_is_refused(desk: Desk) -> None:
    headers = signed(form(desk.payload(Word.DENY)), desk.now)
    assert desk.send(form(desk.payload(Word.APPROVE)), headers) == 401


def test_headers_are_read_in_any_case(desk: Desk) -> None:
    body = form(desk.payload(Word.APPROVE))
    headers = {key.title(): value for key, value in signed(body, desk.now).items()}
    assert desk.send(body, headers) == 200
    assert desk.approved is True


def test_a_rotated_signing_secret_is_fetched_anew(desk: Desk) -> None:
    desk.press(Word.ACKNOWLEDGE)
    desk.vault.content["signing"] = "r0tated"
    desk.vault.now += timedelta(minutes=1)
    body = form(desk.payload(Word.APPROVE))
    assert desk.send(body, signed(body, desk.now, "r0tated")) == 200
    assert desk.approved is True


def test_forged_requests_do_not_make_us_ask_for_the_secret_on_end(desk: Desk) -> None:
    for _ in range(50):
        assert desk.send(b"payload=x", {"x-slack-signature": "v0=1"}) == 401
    assert len(desk.vault.asked) == 1


def test_without_the_signing_secret_nobody_is_let_in_and_the_log_says_why(desk: Desk) -> None:
    desk.vault.content.clear()
    assert desk.press(Word.APPROVE) == 401
    assert "vault:signing: it does not exist" in desk.told[0][0]


# Bad input


@pytest.mark.parametrize(
    "body",
    [
        b"", b"payload", b"payload=", b"payload=%7B", b"other=1", b"{}",
        b"payload=" + b"%5B" * 50_000,
    ],
)  # fmt: skip
def test_a_body_that_is_no_payload_is_refused(body: bytes, desk: Desk) -> None:
    status = desk.send(body, is_base64=True)
    assert status == 400
    assert desk.failures == []


def test_a_body_that_is_no_text_is_refused(desk: Desk) -> None:
    assert desk.send(b"payload=\xff\xfe", is_base64=True) == 401


def test_a_body_that_is_no_base64_is_refused(desk: Desk) -> None:
    event = http_event(b"", {}, is_base64=True)
    event["body"] = "%%%"
    assert web_api.handle(event, desk.app)["statusCode"] == 400


def test_an_enormous_body_is_refused_unread(desk: Desk) -> None:
    assert desk.send(b"x" * 3_000_000, {}) == 400


@pytest.mark.parametrize(
    "content",
    [
        {}, [], "text", 7, {"type": "view_submission"},
        {"type": "block_actions", "actions": []},
    ],
)  # fmt: skip
def test_other_interactions_are_taken_and_do_nothing(content: object, desk: Desk) -> None:
    assert desk.send(form(content)) == 200
    assert desk.told == [("nothing to act on", {})]


@pytest.mark.parametrize(
    "change",
    [
        {"actions": [{"action_id": "reboot", "value": "{}"}]},
        {"actions": [{"action_id": "approve", "value": "no json"}]},
        {"actions": [{"action_id": "approve", "value": "[]"}]},
        {"actions": [{"action_id": "approve", "value": '{"incident": 5}'}]},
        {"actions": [{"action_id": "approve", "value": '{"incident": "i", "attempt": []}'}]},
        {"user": {"id": "<!channel>"}},
        {"channel": None},
    ],
)
def test_a_payload_of_another_shape_does_nothing(change: dict[str, Any], desk: Desk) -> None:
    assert desk.send(form({**desk.payload(Word.APPROVE), **change})) == 200
    assert desk.approved is None


@pytest.mark.parametrize(
    ("path", "method"),
    [("/", "GET"), ("/slack/actions", "GET"), ("/slack", "POST"), ("/../slack/actions", "POST")],
)
def test_nothing_else_is_served(path: str, method: str, desk: Desk) -> None:
    assert desk.send(b"", {}, path=path, method=method) == 404
    assert desk.answer["body"] == '{"message": "not found"}'


# Trouble on our side, and on Slack's


def test_a_store_that_fails_is_told_to_whoever_pressed(slack: SlackServer) -> None:
    desk = Desk(slack)

    class Down(SqliteIncidentLog):
        def get(self, incident_id: str) -> Incident | None:
            raise StoreError("DynamoDB: arn:aws:secret-details", retryable=True)

    broken = People(Down(Database(None)), desk.controls, desk.responses, lambda: NOW)
    door = SlackDoor(desk.door.bots, broken, desk.door.clock, desk.door.say, desk.door.report)
    desk.app = serve([slack_routes(door)], desk.failures.append)
    assert desk.press(Word.APPROVE) == 200
    assert f"autorecovery approve {desk.opened.id}" in desk.shown["text"]
    assert "arn:aws" not in desk.shown["text"]


def test_an_error_is_logged_and_leaks_nothing(desk: Desk) -> None:
    def fail() -> datetime:
        raise RuntimeError("hunter2")

    door = SlackDoor(desk.door.bots, desk.people, fail, desk.door.say, desk.door.report)
    desk.app = serve([slack_routes(door)], desk.failures.append)
    assert desk.press(Word.APPROVE) == 500
    assert "hunter2" not in str(desk.answer)
    assert str(desk.failures[0]) == "hunter2"


@pytest.mark.parametrize(
    "trouble", [Reply("no", 404), Reply("", 500), RESET, Reply("ok", after_seconds=0.5)]
)
def test_where_slack_does_not_show_it_the_decision_stands(
    trouble: Reply, slack: SlackServer
) -> None:
    desk = Desk(slack, timeout=0.2)
    slack.lay_out(trouble)
    assert desk.press(Word.APPROVE) == 200
    assert desk.approved is True
    assert desk.told[-1][1]["not_shown"]


@pytest.mark.parametrize(
    "url", ["", "http://169.254.169.254/latest/meta-data", "https://hooks.slack.com.evil.example/"]
)
def test_nothing_but_slack_is_called(url: str, desk: Desk) -> None:
    desk.press(Word.APPROVE, response_url=url)
    assert desk.slack.requests == []
    assert desk.approved is True
    assert "not one of Slack's" in desk.told[-1][1]["not_shown"]
