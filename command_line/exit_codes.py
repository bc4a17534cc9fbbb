"""What a shell script can rely on."""

from enum import IntEnum


class ExitCode(IntEnum):
    """The exit codes of every command."""

    OK = 0
    UNEXPECTED = 1
    USAGE = 2
    CONFIG_INVALID = 3
    ENVIRONMENT = 4
    PROBLEMS_FOUND = 5
    RECOVERY_FAILED = 6
    INTERRUPTED = 130
