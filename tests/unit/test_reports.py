"""Reports, digests and charts: gathered from what is remembered, and mailed where mail is due."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest

from autorecovery.adapters.sqlite.database import Database
from autorecovery.adapters.sqlite.notice_log import SqliteNoticeLog
from autorecovery.delivery.digest import MOST, Memory, gather_digest
from autorecovery.delivery.mail_channel import MailChannel
from autorecovery.delivery.report import ANALYSIS as ANALYSIS_KEY
from autorecovery.delivery.report import Archive, gather_report
from autorecovery.errors import ChannelError, ReadError, StoreError
from autorecovery.models.analysis import Analysis
from autorecovery.models.canary import CANARY
from autorecovery.models.delivery import Delivery, Outcome, Record
from autorecovery.models.digest import Digest, Trend
from autorecovery.models.incident import CommandState, CommandStatus, Entry, EntryKind, Incident
from autorecovery.models.notice import NoticeKind
from autorecovery.models.reason import Level, Reason
from autorecovery.models.report import LimitLine, Measured, Moment, Report
from autorecovery.models.signal import SignalKind
from autorecovery.models.wire import encode
from autorecovery.notices import chart, compose, mail
from autorecovery.notices.text import Wording
from autorecovery.ports import Datapoint
from autorecovery.response.health import read_health
from tests.notice_states import ANALYSIS, LATER, NOTICES, OPENED
from tests.report_states import BUSY, QUIET, REPORT, samples
from tests.response_world import METRIC, RELIEVE, RESTART, START, World, incident, rule, signal

PLAIN = Wording(subject_prefix="[shop]")


def remembered(records: Sequence[Record]) -> SqliteNoticeLog:
    """Return a log that holds these records."""
    log = SqliteNoticeLog(Database(None))
    for record in records:
        log.record(record.notice, record.suppressed)
        for delivery in record.deliveries:
            log.end(record.notice.id, delivery)
    return log


def archive(world: World, records: Sequence[Record] = ()) -> Archive:
    def measure(about: Incident, since: datetime) -> Sequence[Datapoint]:
        reading = read_health(about, since, world.configuration, world.reader)
        return [Datapoint(sample.at, sample.value) for sample in reading.samples]

    notices = remembered(records or [Record(notice) for notice in world.board.posted])
    return Archive(world.incidents, world.attempts, notices, measure, world.clock)


@pytest.fixture
def recovered() -> World:
    """Return a world in which the second script helped."""
    world = World(incident(rule(RESTART, RELIEVE)), cures=("relieve_memory",))
    assert world.respond() is not None
    return world


# A report


def test_a_report_tells_what_happened_what_was_measured_and_what_was_run(recovered: World) -> None:
    report = gather_report(recovered.opened.id, archive(recovered))
    assert "relieve_memory helped" in report.headline
    assert report.is_over
    assert [attempt.script for attempt in report.attempts] == ["restart_service", "relieve_memory"]
    assert [moment.mark for moment in report.moments] == ["D", "R", "V", "R", "V"]
    assert [(limit.name, limit.value) for limit in report.limits] == [
        ("warning", 80), ("critical", 95),
    ]  # fmt: skip
    values = [sample.value for sample in report.samples]
    assert (values[0], values[-1]) == (97.0, 20.0)
    assert [record.notice.kind for record in report.notices] == [
        NoticeKind.OPENED, NoticeKind.RECOVERED,
    ]  # fmt: skip
    assert report.story[-1].kind is EntryKind.CLOSED
    assert report.what == "CPUUtilization"


def test_a_report_has_the_analysis_of_the_story(recovered: World) -> None:
    facts = {ANALYSIS_KEY: encode(ANALYSIS, Analysis)}
    entry = Entry(ANALYSIS_KEY, START, EntryKind.SIGNALLED, "analysed", facts)
    recovered.incidents.record(recovered.opened.id, entry)
    assert gather_report(recovered.opened.id, archive(recovered)).analysis == ANALYSIS


def test_an_analysis_that_cannot_be_read_is_left_out(recovered: World) -> None:
    entry = Entry(ANALYSIS_KEY, START, EntryKind.SIGNALLED, "analysed", {ANALYSIS_KEY: "{"})
    recovered.incidents.record(recovered.opened.id, entry)
    assert gather_report(recovered.opened.id, archive(recovered)).analysis is None


def test_a_report_without_measurements_is_still_a_report(recovered: World) -> None:
    recovered.reader.error = ReadError("CloudWatch is away")
    report = gather_report(recovered.opened.id, archive(recovered))
    assert report.samples == ()
    assert "bgcolor" in mail.of_report(report, PLAIN).html


def test_nobody_knows_an_incident_that_never_was(recovered: World) -> None:
    with pytest.raises(LookupError):
        gather_report("inc-unknown", archive(recovered))


def test_a_report_of_what_a_person_closed_says_so() -> None:
    world = World(incident(rule(RESTART)), cures=())
    world.later(timedelta(minutes=40), lambda: world.incidents.close(
        world.opened.id, Reason.CLOSED_BY_PERSON, world.clock()))  # fmt: skip
    world.respond(lasting=timedelta(hours=2))
    report = gather_report(world.opened.id, archive(world))
    assert "closed by a person after" in report.headline


def test_a_report_of_what_healed_by_itself_credits_no_script() -> None:
    world = World(incident(rule(RESTART)), cures=())
    well_from = world.opened.opened_at + timedelta(minutes=30)
    world.reader.value_at = lambda moment: 20.0 if moment >= well_from else 97.0
    assert world.respond(lasting=timedelta(hours=2)) is not None
    report = gather_report(world.opened.id, archive(world))
    assert report.headline.startswith(f"{world.opened.target.name}: healthy again after 3")
    assert "helped" not in report.headline
    assert report.is_over


def test_a_report_of_what_is_still_open_says_for_how_long() -> None:
    world = World(incident(rule(RESTART)), cures=())
    world.respond(lasting=timedelta(hours=1))
    report = gather_report(world.opened.id, archive(world))
    assert not report.is_over
    assert "open for" in report.headline
    assert "[CRITICAL]" in mail.of_report(report, PLAIN).subject


def test_a_report_of_log_lines_counts_them_against_their_limit() -> None:
    of = rule(RESTART, when={"log": {"pattern": "ERROR"}, "count": "10 per 5m"})
    world = World(incident(of, signal(kind=SignalKind.LOG, value=None)))
    report = gather_report(world.opened.id, archive(world))
    assert [(limit.name, limit.value) for limit in report.limits] == [("critical", 10)]
    assert report.what == "lines of cpu within 5m"


def test_a_report_of_a_foreign_alarm_has_the_limit_that_the_alarm_watches() -> None:
    seen = signal(METRIC, kind=SignalKind.ALARM, state="ALARM", threshold=90, falls_below=True)
    world = World(incident(None, seen))
    report = gather_report(world.opened.id, archive(world))
    assert [(limit.name, limit.value) for limit in report.limits] == [("critical", 90)]
    assert report.falls_below


def test_a_script_that_nobody_heard_of_gets_no_credit() -> None:
    world = World(incident(rule(RESTART)))
    world.runner.outcome = CommandStatus(CommandState.UNKNOWN)
    world.respond()
    report = gather_report(world.opened.id, archive(world))
    assert "whether restart_service ran is unknown" in report.headline


# A digest


def memory(world: World, *records: Record) -> Memory:
    return Memory(world.incidents, world.attempts, remembered(records))


def day_of(world: World, *records: Record, trends: Sequence[Trend] = ()) -> Digest:
    since = START - timedelta(hours=1)
    return gather_digest(since, since + timedelta(days=1), memory(world, *records), trends)


def test_a_digest_counts_incidents_recoveries_and_how_long_they_took(recovered: World) -> None:
    digest = day_of(recovered)
    assert (digest.incidents, digest.verified, digest.failed) == (1, 1, 1)
    assert digest.median_to_recover == digest.worst_to_recover
    assert digest.worst_to_recover is not None and digest.worst_to_recover > timedelta(minutes=5)
    assert [(noise.rule_name, noise.incidents) for noise in digest.noisiest] == [("cpu", 1)]
    assert {card.script for card in digest.scorecards} == {"restart_service", "relieve_memory"}
    assert digest.still_open == ()
    assert digest.is_complete


def test_a_digest_names_what_is_still_open() -> None:
    world = World(incident(rule(RESTART)), cures=())
    world.respond(lasting=timedelta(hours=1))
    assert [each.incident_id for each in day_of(world).still_open] == [world.opened.id]


def test_a_digest_counts_what_nobody_was_told_and_what_did_not_arrive(recovered: World) -> None:
    first, second, third = (replace(NOTICES["opened"], id=f"n-{n}", at=START) for n in range(3))
    refused = Delivery("ops-slack", Outcome.GIVEN_UP, START, detail="channel_not_found")
    digest = day_of(
        recovered,
        Record(first, suppressed="silence nights"),
        Record(second, suppressed="silence nights"),
        Record(third, (Delivery("sns", Outcome.DELIVERED, START), refused)),
    )
    assert [(each.why, each.notices) for each in digest.suppressed] == [("silence nights", 2)]
    assert [(each.via, each.detail) for each in digest.undelivered] == [
        ("ops-slack", "channel_not_found")
    ]


def test_canaries_are_no_news() -> None:
    world = World(incident(rule(RESTART), rule_name=CANARY))
    world.respond(lasting=timedelta(hours=1))
    assert day_of(world).incidents == 0


def test_a_digest_of_more_than_it_looked_through_says_at_least() -> None:
    digest = replace(BUSY, incidents=MOST, is_complete=False)
    assert "at least 1,000 incidents" in mail.of_digest(digest, PLAIN).subject


def test_a_quiet_day_says_so_in_one_line() -> None:
    told = mail.of_digest(QUIET, PLAIN)
    assert told.subject == "[shop] A quiet time: the day to 2026-01-19"
    assert "<th" not in told.html
    assert "Nothing happened" in told.text


def test_trends_are_shown_where_there_are_some(recovered: World) -> None:
    trend = Trend("web-1", "disk_used_percent", 81.2, 1.4, 95, 9.9)
    assert "95 in 9.9 days" in mail.of_digest(day_of(recovered, trends=(trend,)), PLAIN).html
    assert "Trends" not in mail.of_digest(day_of(recovered), PLAIN).html


# The chart


LIMITS = (LimitLine("warning", 80), LimitLine("critical", 95))


def drawn(values: Sequence[float], **more: bool) -> chart.Chart:
    measured = [Measured(OPENED + timedelta(minutes=n), value) for n, value in enumerate(values)]
    found = chart.draw("cpu", measured, LIMITS, (), **more)
    assert found is not None
    return found


def test_columns_are_as_high_as_their_values_and_say_which_limit_they_break() -> None:
    found = drawn([10, 85, 97])
    looks = [column.look for column in found.columns]
    assert looks == ["healthy"] * 20 + ["warning"] * 20 + ["critical"] * 20
    rows = [row for row in chart.rows(found) if row.limit is None]
    filled = [[run.look for run in row.runs if run.look] for row in rows]
    assert filled[-1] == ["healthy", "warning", "critical"]
    assert filled[1] == ["critical"]


def test_limits_are_lines_with_their_names_beside_them() -> None:
    rows = chart.rows(drawn([10, 85, 97]))
    assert [row.limit.name for row in rows if row.limit] == ["critical", "warning"]
    assert [row.label.text for row in rows if row.label and row.label.text][:2] == [
        "critical 95",
        "warning 80",
    ]


def test_the_cells_of_every_row_and_the_labels_fill_the_chart_exactly() -> None:
    found = drawn([5, 97, 85, 3] * 12)
    rows = chart.rows(found)
    assert {sum(run.span for run in row.runs) for row in rows if not row.limit} == {chart.COLUMNS}
    assert sum(row.label.rows for row in rows if row.label) == len(rows)
    assert sum(run.span for run in chart.mark_runs(found)) == chart.COLUMNS


def test_a_gap_is_left_as_a_gap() -> None:
    found = chart.draw("cpu", samples(), LIMITS, ())
    assert found is not None
    gap = [place for place, column in enumerate(found.columns) if column.value is None]
    assert len(gap) == 6  # four of forty minutes, in sixty columns
    assert gap == list(range(gap[0], gap[0] + 6))


def test_a_value_of_nothing_is_no_gap() -> None:
    found = drawn([0, 0, 50])
    assert [row for row in chart.rows(found) if not row.limit][-1].runs[0].look == "healthy"


def test_what_falls_below_its_limit_is_drawn_as_broken() -> None:
    measured = [Measured(OPENED + timedelta(minutes=n), v) for n, v in enumerate((50, 4))]
    found = chart.draw("free", measured, (LimitLine("critical", 5),), (), falls_below=True)
    assert found is not None
    assert [found.columns[0].look, found.columns[-1].look] == ["healthy", "critical"]


def test_marks_stand_side_by_side_and_the_legend_says_what_they_are() -> None:
    moments = [
        Moment("D", "detected", OPENED),
        Moment("R", "restart_service run", OPENED + timedelta(seconds=5)),
        Moment("V", "verified", OPENED + timedelta(minutes=30)),
    ]
    found = chart.draw("cpu", samples(), LIMITS, moments)
    assert found is not None
    assert [run.look for run in chart.mark_runs(found) if run.look] == ["D", "R", "V"]
    assert chart.legend(found)[1] == "R restart_service run 03:04:17"
    text = chart.as_text(found)
    assert text[0].startswith("CPU" if found.what == "CPU" else "cpu from 28.59 to 97.76")
    assert "DR" in text[2]


def test_one_value_is_no_chart() -> None:
    assert chart.draw("cpu", [Measured(OPENED, 97)], LIMITS, ()) is None
    nothing = [Measured(OPENED + timedelta(minutes=n), float("nan")) for n in range(9)]
    assert chart.draw("cpu", nothing, LIMITS, ()) is None


# The channel


@dataclass
class Outbox:
    """Mailer that keeps what it was given."""

    sent: list[tuple[str, Sequence[str], str, str, str]] = field(default_factory=list)

    def send(self, mail_from: str, to: Sequence[str], subject: str, text: str, html: str) -> None:
        self.sent.append((mail_from, to, subject, text, html))


def known(incident_id: str) -> Report:
    if incident_id != REPORT.incident.id:
        raise LookupError(incident_id)
    return REPORT


def channel(outbox: Outbox) -> MailChannel:
    return MailChannel(
        name="reports", mailer=outbox, mail_from="robot@example.com", to=("ops@example.com",),
        wording=PLAIN, report=known, digest=lambda until: BUSY,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "subject"),
    [
        ("recovered", "[shop] [INFO] i-0a1b2c3d4e5f67890: healthy again after 9m, relieve_memory"),
        ("closed_by_person", "[shop] [INFO] i-0a1b2c3d4e5f67890: healthy again after 9m"),
        ("storm_over", "[shop] [INFO] cpu-overload: over on all 300 after 4m"),
        ("message", "[shop] [WARNING] 3 machines accept SSH from anywhere"),
        ("escalated", "[shop] [CRITICAL] i-0a1b2c3d4e5f67890: still open after 4m"),
    ],
)
def test_what_ends_and_what_cannot_wait_is_mailed(name: str, subject: str) -> None:
    outbox = Outbox()
    assert channel(outbox).send(NOTICES[name], None) is None
    ((mail_from, to, told, text, html),) = outbox.sent
    assert (mail_from, to) == ("robot@example.com", ("ops@example.com",))
    assert told.startswith(subject)
    assert text and html


@pytest.mark.parametrize("name", ["opened", "asking_first", "handed_over_held", "reminder",
                                  "analysed", "demoted", "storm"])  # fmt: skip
def test_what_goes_on_is_told_elsewhere(name: str) -> None:
    outbox = Outbox()
    channel(outbox).send(NOTICES[name], None)
    assert outbox.sent == []


def test_what_is_meant_for_this_channel_by_name_is_mailed_whatever_it_is() -> None:
    outbox = Outbox()
    channel(outbox).send(replace(NOTICES["handed_over_held"], to=("reports",)), None)
    assert len(outbox.sent) == 1


def test_an_incident_that_nobody_knows_any_more_is_told_as_it_came() -> None:
    outbox = Outbox()
    channel(outbox).send(replace(NOTICES["recovered"], incident_id="inc-gone"), None)
    assert "restart_service helped" in outbox.sent[0][2]


def test_a_report_whose_store_is_away_is_tried_again() -> None:
    def away(incident_id: str) -> Report:
        raise StoreError("the table is away", retryable=True)

    with pytest.raises(ChannelError, match="the table is away") as raised:
        replace(channel(Outbox()), report=away).send(NOTICES["recovered"], None)
    assert raised.value.retryable


def test_a_digest_is_mailed_with_its_tables() -> None:
    outbox = Outbox()
    due = compose.message("incident_response", Level.INFO, "Digest", "", LATER)
    channel(outbox).send(replace(due, kind=NoticeKind.DIGEST), None)
    assert outbox.sent[0][2].startswith("[shop] 43 incidents in 7 days")
    assert "Noisiest rules" in outbox.sent[0][4]
