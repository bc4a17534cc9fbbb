"""Golden decisions: what triage makes of every sample event, with the rules that are shipped.

After a change that is meant: `UPDATE_GOLDEN=1 python -m pytest tests/unit/test_events.py`, then
read the difference in tests/golden/decisions.json before committing it.
"""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from autorecovery.config import load
from autorecovery.ports import Presence
from autorecovery.triage.run import Triage, triage
from tests.fakes import FixedDirectory, ListedDeadLetters, RecordingStarter, WatchedIncidentLog

PROJECT = Path(__file__).resolve().parents[2]
EVENTS = {
    path.stem: path
    for path in sorted((PROJECT / "events").glob("*.json"))
    if path.stem != "local_env"  # no event: variables for the command beside it
}
GOLDEN = PROJECT / "tests" / "golden" / "decisions.json"
UPDATE = os.environ.get("UPDATE_GOLDEN") == "1"  # noqa: TID251 - the switch named above
NOW = datetime(2026, 1, 15, 3, 5, tzinfo=UTC)
CONFIGURATION = load(PROJECT / "config.yaml", {}).configuration


def decision(name: str) -> dict[str, Any]:
    """Return the answer, and what beside it people can find out: rejections, and what was kept."""
    letters = ListedDeadLetters()
    app = Triage(
        configuration=CONFIGURATION,
        incidents=WatchedIncidentLog(),
        responses=RecordingStarter(),
        targets=FixedDirectory(Presence(exists=True, opted_in=True)),
        dead_letters=letters,
        clock=lambda: NOW,
    )
    outcome = triage(json.loads(EVENTS[name].read_text("utf-8")), app)
    assert outcome.failures == []
    rejections = [rejection.why for rejection in outcome.rejections]
    return {**outcome.as_dict(), "rejections": rejections, "kept": len(letters.kept)}


@pytest.mark.parametrize("name", EVENTS)
def test_triage_decides_as_agreed(name: str) -> None:
    agreed = json.loads(GOLDEN.read_text("utf-8")) if GOLDEN.exists() else {}
    if UPDATE:
        agreed = {key: agreed[key] for key in agreed if key in EVENTS} | {name: decision(name)}
        text = json.dumps(agreed, indent=1, ensure_ascii=False, sort_keys=True)
        GOLDEN.write_text(f"{text}\n", "utf-8")
    assert decision(name) == agreed[name]


def test_every_decision_belongs_to_an_event() -> None:
    assert set(json.loads(GOLDEN.read_text("utf-8"))) == set(EVENTS)


def test_the_generated_events_are_what_their_sources_say() -> None:
    command = [sys.executable, str(PROJECT / "events" / "build.py"), "--check"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_the_readme_names_every_event() -> None:
    readme = (PROJECT / "events" / "README.md").read_text("utf-8")
    named = {line.split("`")[1] for line in readme.splitlines() if line.startswith("| `")}
    assert named == {f"{name}.json" for name in (*EVENTS, "local_env")}
