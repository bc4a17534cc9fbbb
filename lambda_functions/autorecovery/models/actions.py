"""The rungs that are no scripts: what is done to an instance from outside, and asking a person."""

from enum import StrEnum


class InstanceAction(StrEnum):
    """What can be done to an EC2 instance without its help; none takes parameters."""

    REBOOT = "reboot_instance"
    STOP_START = "stop_start_instance"
    """Moves it to another host; what is kept in the instance store is lost."""
    REPLACE = "replace_in_group"
    """Its Auto Scaling group replaces it; it is gone afterwards."""
    SCALE_OUT = "scale_out"
    """Its Auto Scaling group gets one more machine."""


ASK_HUMAN = "ask_human"
"""Asks whether to go on with the next rung, whatever the autonomy; the last rung hands over."""

WITHOUT_SCRIPT = frozenset({*(action.value for action in InstanceAction), ASK_HUMAN})
"""No script may have one of these names."""


_ACTIONS = frozenset(InstanceAction)

IN_DOUBT: dict[str, str] = {
    InstanceAction.REBOOT: "the machine may be rebooting",
    InstanceAction.STOP_START: "the machine may be stopped",
    InstanceAction.REPLACE: "its group may be replacing the machine",
    InstanceAction.SCALE_OUT: "its group may be growing",
}
"""What a person has to look at where nobody knows how an action ended."""


def is_action(run: str) -> bool:
    """Return whether a rung of this name acts on the instance from outside."""
    return run in _ACTIONS
