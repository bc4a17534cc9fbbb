"""`make demo` as a stranger runs it: a real service is healed, and nothing is left behind."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.slow

NO_AWS = """
import boto3, botocore.session, runpy, sys
def forbidden(*_, **__): raise AssertionError("an AWS client was made")
boto3.Session.client = boto3.Session.resource = forbidden
botocore.session.Session.create_client = forbidden
sys.argv = ["local_runtime.demo"]
runpy.run_module("local_runtime.demo", run_name="__main__")
"""


def start() -> subprocess.Popen[str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("AWS")}
    return subprocess.Popen(
        [sys.executable, "-c", NO_AWS], cwd=ROOT, env=kept, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )  # fmt: skip


def left_behind() -> list[str]:
    return [
        " ".join(process.info["cmdline"])
        for process in psutil.process_iter(["cmdline"])
        if any("autorecovery-demo-" in part for part in process.info["cmdline"] or [])
    ]


def test_the_demo_heals_proves_it_and_leaves_nothing_behind() -> None:
    demo = start()
    output, errors = demo.communicate(timeout=90)
    assert demo.returncode == 0, output + errors
    words = re.findall(r"^ *[\d.]+ s  (\w+)", output, re.MULTILINE)
    story = [
        "overload",
        "noticed",
        "announced",
        "decided",
        "restarting",
        "restarted",
        "verified",
        "healed",
    ]
    assert [word for word in dict.fromkeys(words) if word in story] == story
    old, new = re.findall(r"process (\d+) is gone, (\d+) serves", output)[0]
    assert old != new
    assert left_behind() == []
    assert len(output.splitlines()) < 20, "the story is told, and nothing else"


def test_the_demo_interrupted_leaves_nothing_behind() -> None:
    demo = start()
    assert demo.stdout is not None
    for line in demo.stdout:
        if "overload" in line:
            break
    demo.send_signal(signal.SIGINT)
    demo.communicate(timeout=20)
    assert demo.returncode == 130
    end = time.monotonic() + 5
    while left_behind() and time.monotonic() < end:
        time.sleep(0.1)
    assert left_behind() == []
