"""What is about to be deployed: the configuration and the scripts, or a message and exit code 3."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from autorecovery.config import Configuration, InvalidConfigurationError, load
from autorecovery.scripts import Script, ScriptError, shipped_scripts

PROJECT = Path(__file__).resolve().parent.parent
CONFIG_FILE = PROJECT / "config.yaml"
SCRIPTS_FOLDER = PROJECT / "recovery_scripts"

INVALID = 3
"""The exit code of everything that refuses a configuration."""


class RefusedError(ValueError):
    """What was configured is valid, but cannot be deployed; the message says what to change."""


class UnsupportedRuleError(RefusedError):
    """A valid rule of which no CloudWatch alarm can be made."""

    def __init__(self, rule: str, why: str) -> None:
        super().__init__(f"rules.{rule}.when: {why}")


@dataclass(frozen=True, slots=True)
class Deployment:
    """A valid configuration and the recovery scripts it speaks of."""

    configuration: Configuration
    scripts: Mapping[str, Script]


def load_deployment(
    environment: Mapping[str, str], path: Path = CONFIG_FILE, scripts_folder: Path = SCRIPTS_FOLDER
) -> Deployment:
    """Return what the file says, as the environment overrides it.

    Raises:
        InvalidConfigurationError: with line, column, expectation and suggestion.
        ScriptError: if the header of a script is wrong.
    """
    scripts = shipped_scripts(scripts_folder)
    return Deployment(load(path, environment, scripts).configuration, scripts)


def load_or_exit(environment: Mapping[str, str], path: Path = CONFIG_FILE) -> Deployment:
    """Return what is to be deployed; where it is invalid, say why on stderr and exit."""
    try:
        return load_deployment(environment, path)
    except (InvalidConfigurationError, ScriptError) as error:
        refuse(error)


def refuse(error: Exception) -> NoReturn:
    """Show what a user has to change, without a traceback, and exit."""
    sys.stderr.write(f"{error}\n")
    sys.exit(INVALID)
