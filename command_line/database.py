"""What `db` does."""

import sys

from command_line.exit_codes import ExitCode
from command_line.failures import Failure


def show_schema(dialect: str) -> None:
    """Print the statements that make the hub's tables."""
    from local_runtime.history.schema import DIALECTS, statements

    if dialect not in DIALECTS:
        known = ", ".join(DIALECTS)
        raise Failure(ExitCode.USAGE, f"--dialect: expected one of {known}; found {dialect!r}")
    sys.stdout.writelines(f"{statement};\n" for statement in statements(dialect))
