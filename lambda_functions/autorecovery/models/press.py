"""What a button in a chat says when it is pressed: renderers write it, `web` reads it."""

import json
from dataclasses import dataclass
from enum import StrEnum


class Word(StrEnum):
    """What a person can say with a button; also the button's `action_id`."""

    APPROVE = "approve"
    DENY = "deny"
    ACKNOWLEDGE = "acknowledge"
    SILENCE = "silence"


@dataclass(frozen=True, slots=True)
class Subject:
    """What a button is about."""

    incident_id: str
    attempt: str = ""
    """The very question that it answers: an old message must not answer a newer one."""

    @property
    def value(self) -> str:
        """Return the text that travels with the button."""
        return json.dumps({"incident": self.incident_id, "attempt": self.attempt})

    @classmethod
    def read(cls, value: str) -> "Subject":
        """Return what a button's text says; ValueError where no renderer of ours wrote it."""
        content = json.loads(value)
        incident = content.get("incident") if isinstance(content, dict) else None
        attempt = content.get("attempt", "") if isinstance(content, dict) else None
        if not isinstance(incident, str) or not isinstance(attempt, str) or not incident:
            raise ValueError("expected an incident, and perhaps an attempt")
        return cls(incident, attempt)
