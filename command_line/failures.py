"""Failures that were foreseen: what happened, why we think so, what to try, and the exit code."""

from command_line.exit_codes import ExitCode


class Failure(Exception):
    """Ends the command with a sentence for people and a code for programs."""

    def __init__(self, exit_code: ExitCode, message: str) -> None:
        super().__init__(message)
        self.exit_code = exit_code
