from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scripts.machine import Machine, tool_of_this_environment
from tests.scripts.supervisord import running_supervisord


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    home = tmp_path / "machine"
    home.mkdir()
    return Machine(home)


@pytest.fixture(scope="session")
def supervisor_config(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_supervisord(tmp_path_factory.mktemp("s")) as configuration:
        yield str(configuration)


@pytest.fixture
def supervised(machine: Machine) -> Machine:
    """A machine with Supervisor's own client."""
    machine.link("supervisorctl", tool_of_this_environment("supervisorctl"))
    return machine
