"""Batches: what the hub gets. The example of the documentation is made by this code."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from host_agent.batch import Batch
from host_agent.containers import Container
from host_agent.host import Sample
from host_agent.levels import Condition, Level
from host_agent.processes import Process

AT = 1_768_446_252.0
DOCUMENTED = Path(__file__).resolve().parents[2] / "docs" / "agent.md"

WEB = Container(
    "docker", "5f2c" * 16, "web", "nginx:1.29", "running", health="unhealthy", restarts=2,
    oom_killed=False, started_at="2026-01-15T02:58:11.21Z", cpu_host_pct=12.52, cpu_cores=0.5008,
    mem_used=41943040, mem_limit=67108864, mem_used_percent=62.5, read_at=AT,
    rates={"net_bytes_recv": 1204.0, "net_bytes_sent": 880.5},
)  # fmt: skip
STOPPED = Container(
    "docker", "a91b" * 16, "worker", "shop/worker:7", "exited", restarts=0, oom_killed=True,
    exit_code=137, started_at="2026-01-15T01:00:00Z", read_at=AT,
)  # fmt: skip
CONDITION = Condition(
    "limit", Level.WARNING, "disk_used_percent of /data is 91.2, its limit 90", AT,
    "disk_used_percent", "/data", 91.2, 90,
)  # fmt: skip


def sample(second: int, cpu: float) -> Sample:
    disk = {"disk_total": 107374182400, "disk_used": 97905426432, "disk_used_percent": 91.2}
    return Sample(
        AT + second,
        {"cpu_usage_active": cpu, "mem_used_percent": 41.25, "load_1m": 0.7},
        (cpu, cpu),
        {"/data": disk},
        {"nvme0n1": {"diskio_read_bytes_per_second": 4096.0}},
        {"eth0": {"net_bytes_recv_per_second": 1000.0 + second}},
        {},
        {"pressure": "No such file or directory: boot with psi=1 on kernel 4.20 or newer"},
    )


def closed(batch: Batch, **changes: Any) -> dict[str, Any]:
    return batch.close(host="web-1", agent="web-1", interval=15, **changes)


def filled(resolution: int, *values: float) -> Batch:
    batch = Batch(resolution)
    for second, value in enumerate(values):
        batch.add(sample(second, value))
    return batch


def test_every_second_is_a_sample_and_the_summary_spans_them_all() -> None:
    found = closed(filled(1, 10.0, 40.0, 25.0))
    assert [each["metrics"]["cpu_usage_active"] for each in found["samples"]] == [10, 40, 25]
    assert found["summary"]["cpu_usage_active"] == {
        "last": 25, "min": 10, "mean": 25, "max": 40, "count": 3,
    }  # fmt: skip


def test_a_coarser_resolution_sends_means_and_loses_no_second() -> None:
    found = closed(filled(2, 10.0, 40.0, 25.0))
    samples = [(each["seconds"], each["metrics"]["cpu_usage_active"]) for each in found["samples"]]
    assert samples == [(2, 25), (1, 25)]
    assert found["summary"]["cpu_usage_active"]["max"] == 40


def test_mounts_and_interfaces_come_once_with_the_last_sample() -> None:
    first, last = closed(filled(1, 10.0, 40.0))["samples"]
    assert "mounts" not in first
    assert last["interfaces"] == {"eth0": {"net_bytes_recv_per_second": 1000.5}}
    assert last["mounts"]["/data"]["disk_used_percent"] == 91.2


def test_a_mount_that_vanished_is_not_told() -> None:
    batch = filled(1, 10.0)
    batch.add(replace(sample(1, 10.0), mounts={}))
    assert closed(batch)["samples"][-1]["mounts"] == {}


def test_of_what_lasts_the_latest_word_is_told_and_of_what_happened_each() -> None:
    batch = filled(1, 10.0)
    oom = Condition("container_oom", Level.CRITICAL, "killed", AT, name="web", momentary=True)
    batch.tell([CONDITION, oom])
    batch.tell([replace(CONDITION, level=Level.CRITICAL), replace(oom, since=AT + 5)])
    found = [(each["kind"], each["level"]) for each in closed(batch)["conditions"]]
    killed = ("container_oom", "CRITICAL")
    assert found == [("limit", "CRITICAL"), killed, killed]


def test_every_batch_has_a_key_of_its_own() -> None:
    keys = {closed(filled(1, 10.0))["key"] for _ in range(20)}
    assert len(keys) == 20
    assert all(re.fullmatch("[0-9a-f]{32}", key) for key in keys)


def test_what_is_unknown_of_a_container_is_absent_and_never_zero() -> None:
    web, stopped = closed(filled(1, 10.0), containers=(WEB, STOPPED))["containers"]
    assert (web["mem_limit"], web["net_bytes_recv_per_second"]) == (67108864, 1204)
    assert "cpu_cores" not in stopped
    assert (stopped["exit_code"], stopped["mem_limit"]) == (137, "none")


def test_a_limit_that_was_not_read_is_not_called_none() -> None:
    unknown = replace(STOPPED, unread={"details": "not inspected yet"})
    assert "mem_limit" not in closed(filled(1, 10.0), containers=(unknown,))["containers"][0]


def test_the_documented_example_is_what_this_code_sends() -> None:
    batch = filled(1, 21.5, 23.0)
    batch.tell([CONDITION])
    made = closed(
        batch,
        key="0f8c1b6e2d9a4c7f8e3b5a6d7c8f9012",
        containers=(WEB, STOPPED),
        processes=(Process(4711, "nginx", 31457280, 0.42),),
    )
    made |= {"sent_at": "2026-01-15T03:04:14.102Z", "late": False}
    documented = re.search(r"```json\n(.*?)\n```", DOCUMENTED.read_text(), re.DOTALL)
    assert documented, "docs/agent.md has no example"
    assert json.loads(documented[1]) == json.loads(json.dumps(made)), json.dumps(made)
