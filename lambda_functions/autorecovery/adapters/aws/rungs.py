"""Every rung a ladder may have: scripts go to Systems Manager, actions to EC2 and Auto Scaling."""

from datetime import timedelta

from autorecovery.models.actions import is_action
from autorecovery.models.incident import Attempt, CommandStatus
from autorecovery.models.signal import Target
from autorecovery.ports import CommandRunner


class ScriptsAndActions:
    """CommandRunner that hands each attempt to the one that can do it."""

    def __init__(self, scripts: CommandRunner, actions: CommandRunner) -> None:
        self._scripts = scripts
        self._actions = actions

    def time_limit(self, script: str) -> timedelta:
        """See CommandRunner.time_limit."""
        return self._runner_of(script).time_limit(script)

    def prepare(self, attempt: Attempt) -> Attempt:
        """See CommandRunner.prepare."""
        return self._runner_of(attempt.script).prepare(attempt)

    def start(self, attempt: Attempt) -> str:
        """See CommandRunner.start."""
        return self._runner_of(attempt.script).start(attempt)

    def find(self, attempt: Attempt) -> str | None:
        """See CommandRunner.find."""
        return self._runner_of(attempt.script).find(attempt)

    def status(self, command_id: str, target: Target) -> CommandStatus:
        """See CommandRunner.status. The id of an action begins with its name, SSM's are UUIDs."""
        return self._runner_of(command_id.partition(":")[0]).status(command_id, target)

    def _runner_of(self, script: str) -> CommandRunner:
        return self._actions if is_action(script) else self._scripts
