"""Whether triage expects a recovery of a candidate. Touches nothing; the gates decide for real."""

from datetime import datetime, timedelta

from autorecovery.models.incident import Breach
from autorecovery.models.reason import Reason
from autorecovery.ports import Presence


def hold_reason(
    breach: Breach, presence: Presence | None, now: datetime, max_event_age: timedelta
) -> Reason | None:
    """Return why no recovery of this breach is to be expected, or None where one is.

    `presence` is None where the directory was not asked or did not answer.
    """
    if breach.rule is None:
        return Reason.NO_RULE
    if breach.signal.claimed_identity is not None:
        return Reason.WRONG_IDENTITY
    if not breach.rule.recover:
        return Reason.NOTHING_TO_RUN
    if now - breach.signal.at > max_event_age:
        return Reason.STALE_EVENT
    if presence is not None and presence.only_sends:
        return Reason.NO_WAY_TO_RUN
    if presence is not None and not presence.opted_in:
        return Reason.NOT_OPTED_IN
    return None
