"""When an incident is looked into, by whom, how often, and what that may cost."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from autorecovery.analysis.claims import MOST_LIVES, PATIENCE
from autorecovery.analysis.run import Outcome, investigate
from autorecovery.errors import AnalysisError, ReadError, StoreError
from autorecovery.models.analysis import RULE_BASED, Recovered
from autorecovery.models.canary import CANARY
from autorecovery.models.group import Group, GroupKind, Word
from autorecovery.models.incident import Entry, EntryKind, Incident
from autorecovery.models.notice import NoticeKind
from autorecovery.models.signal import Target
from autorecovery.models.wire import encode
from autorecovery.ports import Reservation
from tests.analysis_world import GOOD, MODEL, AnalysisWorld, AnsweringModel, Sources
from tests.response_world import RESTART, incident, rule, signal

MINUTE = timedelta(minutes=1)


def test_an_incident_is_looked_into_once_and_told() -> None:
    world = AnalysisWorld()
    assert [world.investigate(), world.investigate()] == [Outcome.TOLD, Outcome.NOTHING_NEW]
    (analysis,) = world.analyses()
    assert (analysis.by, analysis.why_not_model) == (RULE_BASED, "no model is configured")
    (notice,) = world.world.board.posted
    assert (notice.kind, notice.conversation) == (NoticeKind.ANALYSED, world.opened.id)


def test_a_model_that_answers_well_is_named_with_what_it_cost() -> None:
    world = AnalysisWorld(model=AnsweringModel())
    world.investigate()
    (analysis,) = world.analyses()
    assert (analysis.by, analysis.why_not_model, analysis.dropped) == (MODEL, "", 0)
    assert (analysis.input_tokens, analysis.output_tokens) == (2000, 300)
    assert analysis.cost_usd == pytest.approx(2 * 0.003 + 0.3 * 0.015)
    assert world.spending.spent(world.world.clock().date()) == 10_500
    assert [cause.text for cause in analysis.likely_causes] == ["A runaway worker."]
    (step,) = analysis.next_steps
    assert (step.command, step.text.endswith("unverified)")) == ("ps aux", True)


def test_the_end_is_looked_into_once_more_to_say_whether_it_worked() -> None:
    world = AnalysisWorld()
    world.investigate()
    world.world.respond(lasting=20 * MINUTE)
    outcomes = [world.investigate(NoticeKind.RECOVERED) for _ in range(3)]
    assert outcomes == [Outcome.TOLD, Outcome.NOTHING_NEW, Outcome.NOTHING_NEW]
    assert [a.did_recovery_work for a in world.analyses()] == [Recovered.NOT_RUN, Recovered.YES]


def test_an_incident_that_was_over_at_the_first_look_is_not_looked_into_again() -> None:
    world = AnalysisWorld()
    world.world.respond(lasting=20 * MINUTE)
    world.investigate()
    assert world.investigate(NoticeKind.RECOVERED) is Outcome.NOTHING_NEW
    assert [a.did_recovery_work for a in world.analyses()] == [Recovered.YES]


def test_the_canary_and_what_is_unknown_are_left_alone() -> None:
    world = AnalysisWorld()
    assert investigate("inc-none", NoticeKind.OPENED, world.analyst) is Outcome.UNKNOWN_INCIDENT
    canary = AnalysisWorld(incident(rule(RESTART), rule_name=CANARY))
    assert canary.investigate() is Outcome.UNKNOWN_INCIDENT


def claimed(world: AnalysisWorld, life: int) -> None:
    now = world.world.clock()
    entry = Entry(f"analysis claimed {life}", now, EntryKind.ANALYSED, "", {"by": "another"})
    world.world.incidents.record(world.opened.id, entry)


def test_one_investigates_and_the_others_come_back_later() -> None:
    world = AnalysisWorld()
    claimed(world, 0)
    assert world.investigate() is Outcome.BUSY
    assert Outcome.BUSY.wants_a_retry
    assert world.analyses() == []


def test_who_died_over_it_is_replaced_after_a_while_but_not_for_ever() -> None:
    world = AnalysisWorld()
    claimed(world, 0)
    world.let_pass(PATIENCE)
    assert world.investigate() is Outcome.TOLD
    hopeless = AnalysisWorld()
    for life in range(MOST_LIVES):
        claimed(hopeless, life)
        hopeless.let_pass(PATIENCE)
    assert hopeless.investigate() is Outcome.NOTHING_NEW
    assert not Outcome.NOTHING_NEW.wants_a_retry


def test_what_nobody_took_is_told_by_the_next_delivery_and_not_found_out_again() -> None:
    model = AnsweringModel()
    world = AnalysisWorld(model=model)
    world.world.board.is_down = True
    assert world.investigate() is Outcome.UNTOLD
    assert Outcome.UNTOLD.wants_a_retry
    world.world.board.is_down = False
    assert world.investigate() is Outcome.TOLD
    assert (len(model.asked), len(world.analyses())) == (1, 1)


# Crowds


def in_company(
    world: AnalysisWorld, opened: Incident, *, leads: bool = False,
    kind: GroupKind = GroupKind.ALIKE,
) -> Group:  # fmt: skip
    """Let a story say that its incident is told in this company, and leave its word there."""
    log, group = world.world.incidents, Group(kind, "cpu", world.opened.opened_at)
    facts = [group.kind, group.name, group.began.isoformat()]
    at = world.world.clock()
    told = Entry("told opened", at, EntryKind.NOTIFIED, "told", {"group": facts, "leads": leads})
    log.record(opened.id, told)
    word = Word(
        opened.id, opened.target.key, "cpu", opened.level, NoticeKind.OPENED, "sick", at, told=leads
    )
    said = Entry(f"{opened.id} opened", at, EntryKind.NOTIFIED, "", {"word": encode(word, Word)})
    log.record(group.id, said)
    return group


def members(count: int, *place: str, **more: Any) -> list[Incident]:
    targets = [Target.named(f"i-{i:017x}", *place) for i in range(count)]
    return [incident(rule(RESTART), signal(target=target), **more) for target in targets]


def test_a_crowd_is_looked_into_once_whichever_of_it_asks() -> None:
    world = AnalysisWorld(model=(model := AnsweringModel()))
    others = members(6)
    for each in others:
        world.world.incidents.open(each)
        in_company(world, each)
    group = in_company(world, world.opened, leads=True)
    outcomes = [investigate(o.id, NoticeKind.STORM, world.analyst) for o in others]
    assert outcomes == [Outcome.TOLD, *[Outcome.NOTHING_NEW] * 5]
    assert world.investigate() is Outcome.NOTHING_NEW
    assert world.investigate(NoticeKind.RECOVERED) is Outcome.NOTHING_NEW
    assert len(model.asked) == 1
    (analysis,) = world.analyses(group.id)
    assert analysis.subject == group.id
    (notice,) = world.world.board.posted
    assert (notice.conversation, notice.target) == (group.id, "cpu")


def test_the_first_of_a_group_that_nobody_followed_is_looked_into_by_itself() -> None:
    world = AnalysisWorld()
    in_company(world, world.opened, leads=True)
    assert world.investigate() is Outcome.TOLD
    assert len(world.analyses()) == 1


@pytest.mark.parametrize("kind", GroupKind)
def test_rules_say_of_a_crowd_what_it_is_and_what_its_members_tell(kind: GroupKind) -> None:
    world = AnalysisWorld(incident(rule(RESTART), evidence=("connection refused by db-1",)))
    for each in members(4, "111122223333", "eu-west-1", evidence=("connection refused",)):
        world.world.incidents.open(each)
        in_company(world, each, kind=kind)
    group = in_company(world, world.opened, kind=kind)
    assert world.investigate() is Outcome.TOLD
    (analysis,) = world.analyses(group.id)
    assert analysis.summary.startswith("cpu: 5 incidents since 12:00:30 UTC, 5 of them still open.")
    shared, told = analysis.likely_causes
    assert shared.text in analysis.summary
    assert "does not answer" in told.text
    kinds = {piece.kind for piece in analysis.evidence}
    assert {"crowd", "shared", "member", "limits"} <= kinds
    assert "region of 5 members looked at: eu-west-1 (4)" in [p.text for p in analysis.evidence]


# Money and failures


@pytest.mark.parametrize(
    ("error", "spent_something"),
    [
        (AnalysisError("Converse: ThrottlingException", billed=False), False),
        (AnalysisError("Converse: no answer in time", billed=True), True),
    ],
)
def test_rules_answer_where_the_model_fails_and_say_why(
    error: AnalysisError, spent_something: bool
) -> None:
    model = AnsweringModel()
    model.error = error
    world = AnalysisWorld(model=model)
    assert world.investigate() is Outcome.TOLD
    (analysis,) = world.analyses()
    assert (analysis.by, analysis.why_not_model) == (RULE_BASED, f"{MODEL}: {error}")
    assert (world.spending.spent(world.world.clock().date()) > 0) is spent_something
    assert (analysis.cost_usd > 0) is spent_something


@pytest.mark.parametrize(
    ("content", "stopped", "why"),
    [
        (None, "max_tokens", "cut at the limit of tokens"),
        (GOOD, "max_tokens", "cut at the limit of tokens"),
        (None, "guardrail_intervened", "a guardrail stopped it"),
        (None, "content_filtered", "filtered"),
        ("text", "end_turn", "malformed"),
        ({"likely_causes": []}, "tool_use", "malformed: summary"),
        ({**GOOD, "summary": 7}, "tool_use", "malformed: summary"),
        ({**GOOD, "summary": " \u202e "}, "tool_use", "it said nothing"),
        (
            {**GOOD, "likely_causes": [{"text": "x", "evidence_ids": ["E99"]}]},
            "tool_use",
            "none of its 1 claims cites evidence that exists",
        ),
    ],
)
def test_an_answer_of_no_use_is_paid_for_and_replaced(
    content: object, stopped: str, why: str
) -> None:
    model = AnsweringModel()
    model.content, model.stopped = content, stopped
    world = AnalysisWorld(model=model)
    world.investigate()
    (analysis,) = world.analyses()
    assert analysis.by == RULE_BASED
    assert why in analysis.why_not_model
    assert (analysis.input_tokens, analysis.cost_usd) == (2000, 0.0105)


def test_a_model_that_does_not_use_the_tool_is_replaced() -> None:
    model = AnsweringModel()
    model.content, model.stopped = None, "end_turn"
    world = AnalysisWorld(model=model)
    world.investigate()
    (analysis,) = world.analyses()
    assert "did not answer in the form asked for (end_turn)" in analysis.why_not_model


def test_nobody_is_asked_beyond_the_money_of_the_day_and_again_the_next_day() -> None:
    model = AnsweringModel()
    world = AnalysisWorld(model=model, daily_usd=0.05)
    today = world.world.clock().date()
    assert world.spending.reserve(Reservation("others", today, 45_000), 50_000)
    world.investigate()
    (analysis,) = world.analyses()
    assert analysis.why_not_model == "the limit of 0.05 USD a day is reached"
    assert (model.asked, analysis.cost_usd) == ([], 0)
    world.world.respond(lasting=20 * MINUTE)
    world.let_pass(timedelta(days=1))
    world.investigate(NoticeKind.RECOVERED)
    assert len(model.asked) == 1


class BrokenSpending:
    """SpendingLog that fails where it is told to."""

    def __init__(self, at: str) -> None:
        self.at = at

    def reserve(self, wanted: Reservation, limit_micro_usd: int) -> bool:
        if self.at == "reserve":
            raise StoreError("gone", retryable=True)
        return True

    def settle(self, reservation: Reservation, spent_micro_usd: int) -> None:
        raise StoreError("gone", retryable=True)

    def spent(self, day: object) -> int:
        return 0


def test_nobody_is_asked_while_the_money_is_not_known() -> None:
    model = AnsweringModel()
    world = AnalysisWorld(model=model)
    broken = replace(world.analyst, spending=BrokenSpending("reserve"))
    investigate(world.opened.id, NoticeKind.OPENED, broken)
    assert model.asked == []
    assert world.analyses()[0].why_not_model == "what was spent today is not known: gone"


def test_an_answer_counts_also_where_its_cost_could_not_be_settled() -> None:
    world = AnalysisWorld(model=AnsweringModel())
    broken = replace(world.analyst, spending=BrokenSpending("settle"))
    investigate(world.opened.id, NoticeKind.OPENED, broken)
    assert world.analyses()[0].by == MODEL


def test_what_cannot_be_read_is_said_and_stops_nothing() -> None:
    sources = Sources()
    sources.error = ReadError("FilterLogEvents: AccessDeniedException")
    world = AnalysisWorld(sources=sources)
    assert world.investigate() is Outcome.TOLD
    (analysis,) = world.analyses()
    assert "its log could not be read: FilterLogEvents: AccessDeniedException" in analysis.not_known
    assert "What the log said around it: no line was found." in analysis.not_known
