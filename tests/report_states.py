"""A report of one incident, and digests of a busy and of a quiet day, as people get them."""

from dataclasses import replace
from datetime import datetime, timedelta
from random import Random

from autorecovery.models.delivery import Delivery, Outcome, Record
from autorecovery.models.digest import Digest, Noise, Open, Suppressed, Trend, Undelivered
from autorecovery.models.incident import CommandState, CommandStatus, Entry, EntryKind, Judgement
from autorecovery.models.reason import Level, Verdict
from autorecovery.models.report import LimitLine, Measured, Moment, Report
from autorecovery.models.scorecard import Scorecard
from tests.notice_states import ANALYSIS, FAILED, NOTICES, OPENED, WEB_1, attempt, incident, rule

VERIFIED_AT = OPENED + timedelta(minutes=9)
RESTARTED_AT = OPENED + timedelta(seconds=14)
RELIEVED_AT = OPENED + timedelta(minutes=5, seconds=30)

FIRST = replace(
    FAILED,
    intended_at=RESTARTED_AT,
    judgement=Judgement(
        Verdict.NOT_RECOVERED, OPENED + timedelta(minutes=5), "5 datapoints, 96 to 98"
    ),
)
SECOND = attempt(
    script="relieve_memory",
    parameters={"services": "php-fpm"},
    intended_at=RELIEVED_AT,
    status=CommandStatus(CommandState.SUCCEEDED, exit_code=0),
    judgement=Judgement(Verdict.VERIFIED, VERIFIED_AT, "3 datapoints, 24 to 31"),
)


def cpu_at(minute: int, chance: Random) -> float:
    """Return what CPU was so many minutes from the opening."""
    if minute < -6:
        return 28 + chance.uniform(0, 9)
    if minute < 0:
        return 37 + 9 * (minute + 6) + chance.uniform(0, 5)
    return 95 + chance.uniform(0, 3) if minute < 6 else 24 + chance.uniform(0, 7)


def samples() -> tuple[Measured, ...]:
    """Return a value each minute, with a gap of four."""
    chance = Random(3)
    minutes = [minute for minute in range(-30, 10) if minute not in (-20, -19, -18, -17)]
    start = OPENED.replace(second=0)
    return tuple(Measured(start + timedelta(minutes=m), cpu_at(m, chance)) for m in minutes)


def _entry(number: int, seconds: int, kind: EntryKind, text: str) -> Entry:
    return Entry(f"entry {number}", OPENED + timedelta(seconds=seconds), kind, text)


STORY = tuple(
    _entry(number, *told)
    for number, told in enumerate(
        [
            (0, EntryKind.OPENED, "opened: CPUUtilization is 97.2, at or above 95"),
            (1, EntryKind.NOTIFIED, f"told: {NOTICES['opened'].headline}"),
            (2, EntryKind.DECIDED, "restart_service: nothing speaks against it"),
            (14, EntryKind.STARTED, "about to run restart_service"),
            (15, EntryKind.STARTED, "restart_service was sent"),
            (31, EntryKind.ENDED, "restart_service: failed (nginx did not stay up)"),
            (300, EntryKind.VERIFIED, "restart_service: not recovered (5 datapoints, 96 to 98)"),
            (330, EntryKind.STARTED, "about to run relieve_memory"),
            (334, EntryKind.ENDED, "relieve_memory: succeeded"),
            (540, EntryKind.VERIFIED, "relieve_memory: verified (3 datapoints, 24 to 31)"),
            (540, EntryKind.NOTIFIED, f"told: {NOTICES['recovered'].headline}"),
        ]
    )
)

DELIVERED = Delivery("ops-slack", Outcome.DELIVERED, OPENED)
REPORT = Report(
    incident=incident(
        rule(),
        evidence=(
            '{"metric": "CPUUtilization", "value": 96.1, "host": "ip-10-0-3-17"}',
            '{"metric": "CPUUtilization", "value": 97.0, "host": "ip-10-0-3-17"}',
            '{"metric": "CPUUtilization", "value": 97.2, "host": "ip-10-0-3-17"}',
        ),
    ),
    headline=f"{WEB_1.name}: healthy again after 9m, relieve_memory helped",
    is_over=True,
    at=VERIFIED_AT,
    story=STORY,
    what="CPUUtilization",
    samples=samples(),
    limits=(LimitLine("warning", 80), LimitLine("critical", 95)),
    moments=(
        Moment("D", "detected", OPENED),
        Moment("R", "restart_service run", RESTARTED_AT),
        Moment("V", "not recovered", OPENED + timedelta(minutes=5)),
        Moment("R", "relieve_memory run", RELIEVED_AT),
        Moment("V", "verified", VERIFIED_AT),
    ),
    attempts=(FIRST, SECOND),
    analysis=ANALYSIS,
    notices=(
        Record(NOTICES["opened"], (replace(DELIVERED, via="sns"), DELIVERED)),
        Record(
            replace(NOTICES["recovered"], at=VERIFIED_AT),
            (
                replace(DELIVERED, via="sns"),
                replace(DELIVERED, outcome=Outcome.GIVEN_UP, detail="channel_not_found"),
            ),
        ),
    ),
)

MONDAY = datetime(2026, 1, 19, 7, 0, tzinfo=OPENED.tzinfo)
QUIET = Digest(MONDAY - timedelta(days=1), MONDAY, notices=0)
BUSY = Digest(
    since=MONDAY - timedelta(days=7),
    until=MONDAY,
    incidents=43,
    verified=21,
    failed=3,
    unclear=1,
    healed=9,
    median_to_recover=timedelta(minutes=4, seconds=12),
    worst_to_recover=timedelta(minutes=31),
    noisiest=(Noise("cpu-overload", 26, 9), Noise("error-burst", 12, 3), Noise("disk-full", 5, 2)),
    still_open=(
        Open(
            "inc-20260118-221530-77aa01ff", "disk-full", "instance/i-0fedcba9876543210",
            Level.CRITICAL, MONDAY - timedelta(hours=9),
        ),
        Open(
            "inc-20260119-041200-0b1c2d3e", "error-burst", "container/web-1/nginx",
            Level.WARNING, MONDAY - timedelta(hours=3),
        ),
    ),
    suppressed=(
        Suppressed("one of many: cpu-overload", 311), Suppressed("silence batch-nights", 14),
    ),
    scorecards=(
        Scorecard(
            "restart_service", "cpu-overload", 24, 21, 1, 0.69, 0.96,
            timedelta(minutes=4, seconds=12), timedelta(minutes=11), 2, 6, 3,
        ),
        Scorecard("free_disk_space", "disk-full", 0, 0, 1, 0.0, 1.0, None, None, 0, 2, 0),
    ),
    undelivered=(
        Undelivered(
            MONDAY - timedelta(days=2), NOTICES["reminder"].headline, "ops-slack",
            "channel_not_found",
        ),
    ),
    notices=118,
    trends=(
        Trend("i-0fedcba9876543210", "disk_used_percent /data", 81.2, 1.4, 95, 9.9),
        Trend("i-0a1b2c3d4e5f67890", "mem_used_percent", 61, -0.2, 95, None),
    ),
)  # fmt: skip
