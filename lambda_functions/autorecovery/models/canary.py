"""The canary: a synthetic incident, sent round the whole real path to show that the path is there.

Its rule is kept apart from the configured ones, so nothing but its own event can break it, and no
alarm is made of it. It pretends that its machine was reported stopped: what proves the end of its
response is therefore what proves it for any stopped machine, the status check that EC2 measures.
"""

from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator, Field

from autorecovery.models.reason import Autonomy, Reason
from autorecovery.models.rule import Duration, Rule, Rung, Schema, StateCondition, Verification

CANARY = "canary"
"""The name of its rule, which no other may have, and of its target where it has no machine."""

CANARY_EVENT = "AutoRecovery Canary"
"""The detail-type of its event."""

SCRIPT = "noop"

BOOK = "the canary's own book"
"""The group whose budget it takes from: no tag's value, and nobody else's."""

SHORTEST, LONGEST = timedelta(minutes=15), timedelta(hours=12)
"""A beat must be over before the next begins, and an alarm watches two of them within a day."""

HELD_AS_IT_SHOULD_BE = (Reason.HALTED, Reason.MAINTENANCE)
"""What holds everything holds the canary, and that it was held shows that the path is alive."""


def _none(value: object) -> object:
    return None if value == "none" else value


Machine = Annotated[
    str,
    Field(pattern=r"^i-(?:[0-9a-f]{8}|[0-9a-f]{17})$", examples=["i-0a1b2c3d4e5f67890"]),
]
Topic = Annotated[
    str,
    Field(
        pattern=r"^arn:aws[a-z-]*:sns:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]+$",
        examples=["arn:aws:sns:eu-west-1:111122223333:canary"],
    ),
]


class Canary(Schema):
    """How often a synthetic incident is sent round, where it runs, and who hears of it."""

    target: Annotated[Machine | None, BeforeValidator(_none)] = Field(
        None, description="An opted-in instance kept for it; none goes up to the decision."
    )
    every: Duration = timedelta(hours=1)
    topic: Annotated[Topic | None, BeforeValidator(_none)] = Field(
        None, description="Where its notices go; people never get them."
    )

    @property
    def rule(self) -> Rule:
        """Return the rule that its event breaks."""
        proof = Verification(within=timedelta(minutes=10), healthy_for=timedelta(minutes=1))
        return Rule(
            name=CANARY,
            when=StateCondition(state="stopped"),
            autonomy=Autonomy.AUTO,
            recover=(Rung(run=SCRIPT, verify=proof),),
            cooldown=timedelta(),
        )

    def ended_as_expected(self, reason: Reason) -> bool:
        """Return whether a canary that ended for this reason went all the way it could go."""
        if reason is Reason.NOT_OPTED_IN:
            return self.target is None
        return reason is Reason.RECOVERED or reason in HELD_AS_IT_SHOULD_BE
