"""What the environment says: the only place that reads it."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from autorecovery.errors import ConfigurationError

CODE = Path(__file__).resolve().parent.parent
"""The root of the zip."""


def environment() -> Mapping[str, str]:
    """Return the process environment."""
    return os.environ


def is_dry_run(variables: Mapping[str, str]) -> bool:
    """Return whether nothing outside this process may be touched."""
    return variables.get("AUTORECOVERY_DRY_RUN", "").strip().lower() in ("1", "true", "yes", "on")


class DocumentVersion(BaseModel):
    """One recovery script as this stack deployed it."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    name: str
    sha256: str
    """Of the document's canonical JSON, as it was at synth."""


class Settings(BaseModel):
    """What every function is told by the stack; each field is a variable of the same name."""

    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)

    table_name: str = Field(min_length=1)
    sns_topic_arn: str = ""
    """Where notices go; missing or wrong, nobody is told, which is logged and counted."""

    @classmethod
    def from_environment(cls, variables: Mapping[str, str]) -> Self:
        """Return the settings; ConfigurationError names what is missing."""
        given = {
            name: variables[name.upper()] for name in cls.model_fields if name.upper() in variables
        }
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            wrong = "; ".join(
                f"{str(e['loc'][0]).upper() if e['loc'] else '?'}: {e['msg']}"
                for e in error.errors()
            )
            raise ConfigurationError(f"environment: {wrong}") from error


class TriageSettings(Settings):
    """What `metric_processor` is told."""

    incident_responder: str = Field(min_length=1)
    """The qualified ARN of the durable function: its alias."""
    dead_letter_queue_url: str = Field(min_length=1)


class ResponseSettings(Settings):
    """What `incident_responder` is told."""

    recovery_documents: dict[str, DocumentVersion]
    """Script name to the document that carries it."""
    aws_lambda_function_name: str = Field(min_length=1)
    """What Lambda calls this function."""
    alias: str = Field(min_length=1)
    """The alias under which its executions are started: also those that tell of a group."""

    @property
    def responder(self) -> str:
        """Return the qualified name of this function."""
        return f"{self.aws_lambda_function_name}:{self.alias}"

    @field_validator("recovery_documents", mode="before")
    @classmethod
    def _read_json(cls, value: Any) -> Any:
        return json.loads(value) if isinstance(value, str) else value
