"""The history of hosts: what is kept of it for how long, in SQLite and in a real MariaDB."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from math import ceil
from pathlib import Path

import pytest
from sqlalchemy import Engine, inspect, text
from sqlalchemy.engine import make_url

from autorecovery.analysis.trends import WEEK, TooShort, approaching, trends
from autorecovery.errors import ConfigurationError
from autorecovery.models.digest import Trend
from autorecovery.models.readings import Batch, HostSample
from local_runtime.history.database import database_url, open_database, reading, used_bytes
from local_runtime.history.keeper import HistoryKeeper
from local_runtime.history.schema import METADATA, statements
from local_runtime.history.store import SqlHostHistory
from tests.hub_world import NOON, SECOND, measured

CPU = "cpu_usage_active"
HOUR = timedelta(hours=1)
SOON_AFTER = timedelta(minutes=2)


@pytest.fixture(scope="module")
def mariadb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Yield the address of a server that was started for these tests, if this machine has one."""
    server = shutil.which("mariadbd") or shutil.which("mysqld") or "/usr/sbin/mariadbd"
    installer = shutil.which("mariadb-install-db") or shutil.which("mysql_install_db")
    if not Path(server).exists() or not installer or not shutil.which("my_print_defaults"):
        pytest.skip("NOT SHOWN ON MYSQL: no MariaDB here: mariadb-server-core, mariadb-client-core")
    folder = tmp_path_factory.mktemp("mariadb")
    data, socket = folder / "data", folder / "s"
    own = ["--user=root"] if os.geteuid() == 0 else []
    subprocess.run(
        [installer, "--no-defaults", f"--datadir={data}", "--skip-test-db",
         "--auth-root-authentication-method=normal", *own],
        check=True, capture_output=True,
    )  # fmt: skip
    process = subprocess.Popen(
        [server, "--no-defaults", f"--datadir={data}", f"--socket={socket}", "--skip-networking",
         f"--pid-file={folder / 'pid'}", "--innodb-flush-log-at-trx-commit=0", *own],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield _address(socket, process)
    finally:
        process.terminate()
        process.wait(timeout=20)


def _address(socket: Path, process: "subprocess.Popen[bytes]") -> str:
    end = time.monotonic() + 30
    while not socket.exists():
        assert process.poll() is None and time.monotonic() < end, "MariaDB did not start"
        time.sleep(0.05)
    return f"mysql://root@localhost/mysql?unix_socket={socket}"


@pytest.fixture(params=["sqlite", pytest.param("mysql", marks=pytest.mark.slow)])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    if request.param == "sqlite":
        address = f"sqlite:///{tmp_path / 'history.db'}"
    else:
        address = request.getfixturevalue("mariadb")
    engine = open_database(database_url({"DATABASE_URL": address}))
    yield engine
    METADATA.drop_all(engine)
    engine.dispose()


@pytest.fixture
def history(engine: Engine) -> SqlHostHistory:
    return SqlHostHistory(engine)


def wave(second: int) -> float:
    """Return a value that differs from second to second."""
    return float(second * 37 % 101)


def send_an_hour(history: SqlHostHistory, start: datetime = NOON, host: str = "web-1") -> None:
    for first in range(0, 3600, 60):
        values = {second: wave(second) for second in range(first, first + 60)}
        batch = measured(values, host, key=f"{start:%H}-{first}", start=start)
        history.keep(batch, start + first * SECOND)


def test_what_was_sent_is_read_again_by_the_second(history: SqlHostHistory) -> None:
    assert history.keep(measured({0: 1.5, 1: 2.5}), NOON)
    found = history.rows("web-1", NOON, NOON + HOUR, limit=10)
    assert [(row.at, row.spreads[CPU].mean) for row in found] == [
        (NOON, 1.5), (NOON + SECOND, 2.5),
    ]  # fmt: skip


def test_a_batch_that_comes_again_is_kept_once_and_delivered_until_triage_has_it(
    history: SqlHostHistory,
) -> None:
    batch = measured({0: 1.0})
    assert [history.keep(batch, NOON), history.keep(batch, NOON)] == [True, True]
    history.delivered(batch)
    assert not history.keep(batch, NOON)
    assert len(history.rows("web-1", NOON, NOON + HOUR, limit=10)) == 1


def test_a_late_batch_is_kept_and_delivered_to_nobody(history: SqlHostHistory) -> None:
    late = Batch("web-1", "k", (HostSample(NOON, {CPU: 1.0}),), 15 * SECOND, is_late=True)
    assert not history.keep(late, NOON + HOUR)
    assert history.rows("web-1", NOON, NOON + HOUR, limit=10)


def test_hours_of_seconds_become_tens_minutes_and_hours_with_exact_figures(
    history: SqlHostHistory,
) -> None:
    send_an_hour(history)
    HistoryKeeper(history, 10**9).tend(NOON + HOUR + SOON_AFTER)
    for seconds, count in ((10, 360), (60, 60), (3600, 1)):
        rows = history.rows("web-1", NOON, NOON + HOUR, limit=5000, seconds=seconds)
        assert (len(rows), {row.samples for row in rows}) == (count, {seconds})
        for number, row in enumerate(rows):
            values = sorted(wave(s) for s in range(number * seconds, (number + 1) * seconds))
            spread = row.spreads[CPU]
            assert (spread.least, spread.most) == (values[0], values[-1])
            assert spread.p95 == values[ceil(0.95 * seconds) - 1]
            assert spread.mean == pytest.approx(sum(values) / seconds, rel=1e-6)


def test_what_comes_after_its_minute_was_rolled_up_is_added_once(history: SqlHostHistory) -> None:
    keeper = HistoryKeeper(history, 10**9)
    history.keep(measured({second: 10.0 for second in range(30)}, key="a"), NOON)
    keeper.tend(NOON + timedelta(hours=3))
    history.keep(measured({s: 40.0 for s in range(30, 60)}, key="b"), NOON + timedelta(hours=3))
    for _ in range(3):
        keeper.tend(NOON + timedelta(hours=4))
    (row,) = history.rows("web-1", NOON, NOON + HOUR, limit=10, seconds=3600)
    spread = row.spreads[CPU]
    assert (row.samples, spread.least, spread.mean, spread.most) == (60, 10, 25, 40)
    assert spread.p95 == 40


def test_each_resolution_is_kept_for_its_time(history: SqlHostHistory) -> None:
    keeper = HistoryKeeper(history, 10**9)
    send_an_hour(history)
    kept = {}
    for later in (HOUR * 2.1, timedelta(days=2), timedelta(days=16), timedelta(days=401)):
        keeper.tend(NOON + later)
        kept[later] = [
            len(history.rows("web-1", NOON, NOON + HOUR, limit=5000, seconds=seconds))
            for seconds in (1, 10, 60, 3600)
        ]
    assert list(kept.values()) == [[0, 360, 60, 1], [0, 0, 60, 1], [0, 0, 0, 1], [0, 0, 0, 0]]


def test_samples_wait_for_their_hour_however_long_nobody_tended_them(
    history: SqlHostHistory,
) -> None:
    send_an_hour(history)
    HistoryKeeper(history, 10**9).tend(NOON + timedelta(days=3))
    (row,) = history.rows("web-1", NOON, NOON + HOUR, limit=10, seconds=3600)
    assert row.samples == 3600


def test_a_span_is_told_at_the_finest_resolution_that_fits(history: SqlHostHistory) -> None:
    send_an_hour(history)
    HistoryKeeper(history, 10**9).roll_up(NOON + HOUR + SOON_AFTER)
    told = {
        limit: {row.seconds for row in history.rows("web-1", NOON, NOON + HOUR, limit=limit)}
        for limit in (3600, 400, 100, 5)
    }
    assert told == {3600: {1}, 400: {10}, 100: {60}, 5: {3600}}


def test_hosts_are_known_with_what_they_said_last(history: SqlHostHistory) -> None:
    history.keep(measured({0: 1.0}, "web-2"), NOON)
    newest = Batch(
        "web-1", "n", (HostSample(NOON, {CPU: 7.0}),), 60 * SECOND, "0.1",
        details={"containers": [{"name": "nginx — ünï"}]},
    )  # fmt: skip
    history.keep(newest, NOON)
    history.keep(measured({-600: 99.0}, key="late"), NOON + SECOND)
    first, second = history.hosts()
    assert (first.name, second.name) == ("web-1", "web-2")
    assert (first.metrics, first.at) == ({CPU: 7.0}, NOON)
    assert first.details == {"containers": [{"name": "nginx — ünï"}]}
    assert first.heard_at == NOON + SECOND
    assert history.host("nobody") is None


def test_a_silence_that_was_told_is_remembered(history: SqlHostHistory) -> None:
    history.keep(measured({0: 1.0}), NOON)
    history.tell_silence("web-1", silent=True)
    history.keep(measured({1: 1.0}, key="k2"), NOON + SECOND)
    known = history.host("web-1")
    assert known is not None and known.is_silent


def test_rows_of_server_and_container_are_what_installations_query(engine: Engine) -> None:
    history = SqlHostHistory(engine)
    written = datetime(2026, 3, 2, 12)  # noqa: DTZ001  # as the agents write it
    server = {
        "engine_type": "docker", "agent_id": "agent_1", "ser_cpu_count": 4,
        "ser_cpu_percent": 45.2, "ser_memory_total": 8192, "ser_memory_used": 4096,
        "ser_memory_percent": 50.0, "ser_get_datetime": written,
    }  # fmt: skip
    container = {
        "engine_type": "docker", "agent_id": "agent_1", "node_name": "n1",
        "container_name": "nginx", "status": "running", "con_cpu_percent": 1050.25,
        "con_memory_usage": 50.25, "con_memory_percent": 0.6, "con_get_datetime": written,
    }  # fmt: skip
    history.add(server, [container, container])
    with reading(engine) as connection:
        rows = connection.execute(text("SELECT id, agent_id, ser_cpu_percent FROM server"))
        assert [(r.id, r.agent_id, float(r.ser_cpu_percent)) for r in rows] == [
            (1, "agent_1", 45.2)
        ]
        rows = connection.execute(text("SELECT id, con_cpu_percent FROM container ORDER BY id"))
        assert [(r.id, float(r.con_cpu_percent)) for r in rows] == [(1, 1050.25), (2, 1050.25)]


def test_columns_of_people_are_means(engine: Engine) -> None:
    history = SqlHostHistory(engine)
    send_an_hour(history)
    HistoryKeeper(history, 10**9).roll_up(NOON + HOUR + SOON_AFTER)
    with reading(engine) as connection:
        row = connection.execute(
            text("SELECT timestamp, hostname, cpu_percent, memory_percent, disk_percent"
                 " FROM system_metrics WHERE resolution = 3600")
        ).one()  # fmt: skip
    assert row.hostname == "web-1"
    assert row.cpu_percent == pytest.approx(sum(map(wave, range(3600))) / 3600, abs=0.01)
    assert (row.memory_percent, row.disk_percent) == (None, None)


def test_the_printed_schema_makes_the_very_tables(tmp_path: Path) -> None:
    by_hand = open_database(make_url("sqlite://"))
    printed = open_database(make_url(f"sqlite:///{tmp_path / 'printed.db'}"))
    METADATA.drop_all(printed)
    with printed.connect() as connection:
        for statement in statements("sqlite"):
            connection.exec_driver_sql(statement)
        connection.commit()
    for table in METADATA.tables:
        columns = [inspect(engine).get_columns(table) for engine in (by_hand, printed)]
        assert [str(c["type"]) for c in columns[0]] == [str(c["type"]) for c in columns[1]]


@pytest.mark.slow
def test_the_printed_schema_makes_the_very_tables_of_mysql(mariadb: str) -> None:
    engine = open_database(database_url({"DATABASE_URL": mariadb}))
    METADATA.drop_all(engine)
    with engine.begin() as connection:
        for statement in statements("mysql"):
            connection.exec_driver_sql(statement)
        kinds = connection.execute(text("SHOW COLUMNS FROM container")).all()
    assert [(row[0], row[1]) for row in kinds] == [
        ("id", "bigint(20)"), ("engine_type", "varchar(50)"), ("agent_id", "varchar(100)"),
        ("node_name", "varchar(100)"), ("container_name", "varchar(100)"),
        ("status", "varchar(50)"), ("con_cpu_percent", "decimal(7,2)"),
        ("con_memory_usage", "decimal(10,2)"), ("con_memory_percent", "decimal(5,2)"),
        ("con_get_datetime", "datetime"),
    ]  # fmt: skip
    engine.dispose()


def test_a_history_that_is_too_large_loses_the_oldest_of_the_finest_first(tmp_path: Path) -> None:
    history = SqlHostHistory(open_database(make_url(f"sqlite:///{tmp_path / 'history.db'}")))
    send_an_hour(history)
    HistoryKeeper(history, 10**9).tend(NOON + timedelta(hours=2, minutes=2))
    before = used_bytes(history.engine)
    HistoryKeeper(history, before - 20_000).bound()
    assert used_bytes(history.engine) <= before - 20_000
    tens = history.rows("web-1", NOON, NOON + HOUR, limit=500, seconds=10)
    assert 0 < len(tens) < 360 and tens[-1].at == NOON + HOUR - 10 * SECOND
    assert len(history.rows("web-1", NOON, NOON + HOUR, limit=500, seconds=60)) == 60


def test_trends_are_read_from_the_hours_of_each_host(tmp_path: Path) -> None:
    history = SqlHostHistory(open_database(make_url(f"sqlite:///{tmp_path / 'history.db'}")))
    for hours in range(0, 7 * 24, 3):
        for host, slope in (("web-1", 2.0), ("web-2", 0.0)):
            values = {hours * 3600: 60 + slope * hours / 24}
            history.keep(measured(values, host, "disk_used_percent", str(hours)), NOON)
    history.keep(measured({6 * 86400: 50.0}, "web-3", "disk_used_percent"), NOON)
    now = NOON + timedelta(days=7)
    HistoryKeeper(history, 10**9).roll_up(now + SOON_AFTER)
    found = trends(history, {"disk_used_percent": 95.0, "cpu": 90.0}, now, WEEK)
    assert [type(each) for each in found] == [Trend, Trend, TooShort]
    (near,) = approaching(found)
    assert (near.target, near.limit) == ("web-1", 95)
    assert near.change_per_day == pytest.approx(2, abs=0.1)
    assert near.days_left is not None and 9 < near.days_left < 13


DYING = """
import os, sys
from tests.hub_world import NOON, SECOND, measured
from local_runtime.hub import open_history
history = open_history(os.environ)
for number in range(10_000):
    history.keep(measured({number: 1.0}, key=str(number)), NOON)
    print(number, flush=True)
"""


def test_a_hub_that_is_killed_at_any_moment_has_kept_all_that_it_answered(tmp_path: Path) -> None:
    variables = {**os.environ, "AUTORECOVERY_HOME": str(tmp_path), "PYTHONPATH": ":".join(sys.path)}
    process = subprocess.Popen(
        [sys.executable, "-c", DYING], env=variables, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    answered = [int(process.stdout.readline()) for _ in range(150)][-1]
    process.kill()
    process.communicate()
    found = SqlHostHistory(open_database(database_url({"AUTORECOVERY_HOME": str(tmp_path)})))
    assert len(found.rows("web-1", NOON, NOON + 3 * HOUR, limit=20_000, seconds=1)) > answered


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, "sqlite:///./data/automation.db"),
        ({"AUTORECOVERY_HOME": "/srv/hub"}, "sqlite:////srv/hub/data/automation.db"),
        ({"DATABASE_URL": "mysql://hub@db/hub"}, "mysql+pymysql://hub@db/hub"),
        ({"DATABASE_URL": "mariadb://hub@db/hub"}, "mysql+pymysql://hub@db/hub"),
    ],
)
def test_the_database_is_where_the_environment_says(given: dict[str, str], expected: str) -> None:
    assert str(database_url(given)) == expected


def test_an_address_that_is_none_is_not_repeated() -> None:
    with pytest.raises(ConfigurationError) as caught:
        database_url({"DATABASE_URL": "hunter2@"})
    assert "hunter2" not in str(caught.value)


def test_times_are_utc(history: SqlHostHistory) -> None:
    assert history.keep(measured({0: 1.0}), NOON)
    (host,) = history.hosts()
    assert host.heard_at.tzinfo is UTC
