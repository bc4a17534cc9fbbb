"""What every entry point starts from: the time, and what was shipped with this code."""

from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING

from autorecovery.config import Configuration, load_shipped
from autorecovery.settings import CODE, environment

if TYPE_CHECKING:
    from autorecovery.scripts import Script

CONFIGURATION = CODE / "autorecovery_config.json"
"""Where `cdk synth` puts the configuration into the zip."""


def utc_now() -> datetime:
    """Return the present time: the system clock, and the only use of it."""
    return datetime.now(UTC)


@cache
def configuration() -> Configuration:
    """Return the configuration shipped with this code, as the environment overrides it."""
    variables = environment()
    named = scripts() if variables.get("RECOVERY_SCRIPT_PATH") else None  # it must be one of ours
    return load_shipped(CONFIGURATION, variables, named)


@cache
def scripts() -> "dict[str, Script]":
    """Return the recovery scripts shipped with this code."""
    # Here, because triage needs no scripts and its cold starts need not load what reads them.
    from autorecovery.scripts import shipped_scripts

    return shipped_scripts(CODE / "recovery_scripts")
