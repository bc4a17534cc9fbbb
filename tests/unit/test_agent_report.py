"""The report of one look, against golden files: text, JSON and CSV.

After a change that is meant: `UPDATE_GOLDEN=1 pytest tests/unit/test_agent_report.py`, then read
tests/golden/agent/ before committing.
"""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from host_agent.batch import container_document
from host_agent.containers import Container
from host_agent.host import Sample
from host_agent.levels import Condition, Level, Watch
from host_agent.limits import limits_of
from host_agent.look import Look
from host_agent.processes import Process
from host_agent.report import csv_lines, document, text
from host_agent.service import container_values, host_values

UPDATE = os.environ.get("UPDATE_GOLDEN") == "1"  # noqa: TID251 - the switch named above
GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "agent"
AT = 1_768_446_252.0
LIMITS = limits_of({"container_memory": 90, "mounts": {"/data": {"disk": 97}}})

SAMPLE = Sample(
    AT,
    {
        "cpu_usage_active": 31.24, "cpu_usage_user": 22.0, "cpu_usage_system": 8.0,
        "cpu_usage_iowait": 0.5, "cpu_usage_steal": 1.25, "cpu_count": 2,
        "load_1m": 0.5, "load_5m": 0.42, "load_15m": 0.4,
        "mem_total": 8 << 30, "mem_available": 5 << 30, "mem_used": 3 << 30,
        "mem_used_percent": 37.5, "swap_total": 2 << 30, "swap_used": 1 << 28,
        "disk_used_percent": 91.3, "psi_cpu_some_percent": 1.5, "psi_io_some_percent": 0.0,
        "psi_memory_some_percent": 0.0, "diskio_read_bytes_per_second": 2048.0,
        "diskio_write_bytes_per_second": 3e6,
    },
    (12.0, 50.0),
    {
        "/": {"disk_used_percent": 40.0, "disk_inodes_used_percent": 12.0},
        "/data": {"disk_used_percent": 91.3},
    },
    {"nvme0n1": {"diskio_busy_percent": 3.0}},
    {"eth0": {"net_bytes_recv_per_second": 1.5e6, "net_bytes_sent_per_second": 2e4,
              "net_err_in_per_second": 0.0, "net_drop_in_per_second": 0.5}},
    {"coretemp/Package id 0": 51.0},
)  # fmt: skip

WEB = Container(
    "docker", "5f2c" * 16, "web", "nginx:1.29", "running", health="healthy", restarts=0,
    cpu_host_pct=12.5, cpu_cores=0.25, mem_used=40 << 20, mem_limit=64 << 20,
    mem_used_percent=62.5, oom_killed=False, read_at=AT,
)  # fmt: skip
FREE = replace(WEB, name="cache", mem_limit=None, mem_used_percent=None, health=None, stale=True)
ENDED = Container(
    "docker", "a91b" * 16, "worker", "shop/worker:7", "exited", restarts=4, oom_killed=True,
    exit_code=137,
)  # fmt: skip
UNREADABLE = replace(
    FREE, name="old", stale=False, mem_used=None, cpu_host_pct=None, cpu_cores=None,
    unread={"memory": "the engine tells no memory: the memory cgroup is off"},
)  # fmt: skip
DENIED = {"containers of /run/docker.sock": "/run/docker.sock: permission denied. Let the agent…"}


def look(sample: Sample, *containers: Container, **changes: object) -> Look:
    """Return a look at these, with the conditions that their values make."""
    values = host_values(sample) + container_values(containers)
    conditions = Watch(LIMITS).see(values, AT, 0.0)
    found = Look(
        "web-1", "Debian GNU/Linux 12 (bookworm), kernel 6.1.0, x86_64", LIMITS, sample,
        containers, tuple(conditions), unread={},
    )  # fmt: skip
    return replace(found, **changes)  # type: ignore[arg-type]


HOT = replace(SAMPLE, metrics={**SAMPLE.metrics, "cpu_usage_active": 85.0, "mem_used_percent": 98})
LOOKS = {
    "healthy": look(SAMPLE, WEB),
    "warning": look(
        replace(SAMPLE, metrics={**SAMPLE.metrics, "cpu_usage_active": 81.0}), WEB, FREE
    ),
    "critical": look(
        HOT, WEB, FREE, ENDED, UNREADABLE,
        processes=(Process(4711, "java", 3 << 30, 1.42), Process(12, "tiny\x1b[31m", 4096, None)),
    ),
    "denied": look(SAMPLE, unread=DENIED),
    "hostile": look(SAMPLE, replace(WEB, name="=cmd|'/c calc'!A1", image="\x1b]0;owned\x07x\nOK")),
    "first": look(Sample(AT, {"mem_total": 1.0, "mem_available": 1.0, "mem_used_percent": 0.0})),
}  # fmt: skip


@pytest.mark.parametrize("name", LOOKS)
@pytest.mark.parametrize("form", ["txt", "json", "csv"])
def test_the_report_is_as_the_golden_file_says(name: str, form: str) -> None:
    made = {
        "txt": lambda: text(LOOKS[name]),
        "json": lambda: json.dumps(document(LOOKS[name]), indent=2) + "\n",
        "csv": lambda: csv_lines(LOOKS[name]),
    }[form]()
    golden = GOLDEN / f"{name}.{form}"
    if UPDATE:
        golden.write_text(made)
    assert made == golden.read_text()


@pytest.mark.parametrize(
    ("name", "word"), [("healthy", "● OK"), ("warning", "▲ WARNING"), ("critical", "◆ CRITICAL")]
)
def test_the_last_line_is_the_verdict_in_word_and_shape(name: str, word: str) -> None:
    assert text(LOOKS[name]).splitlines()[-1].startswith(word)


def test_a_name_moves_no_cursor_and_is_no_formula() -> None:
    assert "\x1b" not in text(LOOKS["hostile"])
    assert "\x07" not in text(LOOKS["hostile"])
    assert "\n=" not in csv_lines(LOOKS["hostile"])
    assert ",=" not in csv_lines(LOOKS["hostile"])


def test_a_container_without_a_limit_says_so() -> None:
    assert "40.0 MiB, limit: none" in text(LOOKS["warning"])
    assert container_document(FREE)["mem_limit"] == "none"


def test_a_condition_that_is_no_limit_has_its_own_line() -> None:
    sick = Condition("container_unhealthy", Level.WARNING, "container web is unhealthy", AT)
    shown = text(look(SAMPLE, WEB, conditions=(sick,)))
    assert "▲ WARNING   container web is unhealthy" in shown
    assert shown.splitlines()[-1] == "▲ WARNING: container web is unhealthy"
