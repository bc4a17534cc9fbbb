"""From the breach to the first notice nothing is measured, asked, analysed or drawn."""

import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from autorecovery.models.notice import NoticeKind
from tests.response_world import RESTART, World, incident, rule

CODE = Path(__file__).resolve().parents[2] / "lambda_functions"

SLOW = (
    "autorecovery.analysis", "autorecovery.notices.slack", "autorecovery.notices.telegram",
    "autorecovery.notices.mail", "autorecovery.adapters.channels", "jinja2", "slack_sdk",
)  # fmt: skip
"""What renders other channels, or explains: the responder never loads it."""


def test_who_tells_first_loads_nothing_that_renders_for_others_or_explains() -> None:
    code = "import incident_responder, sys; print('\\n'.join(sys.modules))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], cwd=CODE, check=True, capture_output=True, text=True
    ).stdout.split()
    assert "autorecovery.response.run" in loaded
    assert [name for name in loaded if name.startswith(SLOW)] == []


class Watched:
    """A port that notes, for each call, how much people had been told by then."""

    def __init__(self, inner: object, world: World, seen: list[int]) -> None:
        self._inner, self._world, self._seen = inner, world, seen

    def __getattr__(self, name: str) -> Any:
        self._seen.append(len(self._world.board.posted))
        return getattr(self._inner, name)


@pytest.mark.parametrize("port", ["reader", "directory", "runner"])
def test_the_first_notice_leaves_before_anything_is_measured_looked_up_or_run(port: str) -> None:
    world, told_by_then = World(incident(rule(RESTART))), list[int]()
    setattr(world, port, Watched(getattr(world, port), world, told_by_then))
    world.respond(lasting=timedelta(minutes=10))
    assert world.told[0] is NoticeKind.OPENED
    assert min(told_by_then) == 1
