"""Whether a rung worked: only datapoints that began after the script ended are asked."""

from dataclasses import replace
from datetime import datetime, timedelta

from autorecovery.models.actions import InstanceAction
from autorecovery.models.incident import Attempt, EntryKind, Incident, Judgement
from autorecovery.models.reason import IncidentState
from autorecovery.models.rule import Rung, Verification
from autorecovery.ports import Workflow
from autorecovery.response.health import Reading, describe_samples, judge, moved_to
from autorecovery.response.stage import Response
from autorecovery.response.vigil import rest

SHORTEST_LOOK = timedelta(seconds=1)
LONGEST_LOOK = timedelta(seconds=30)

MOST_LOOKS = 60
"""However long a rung gives: an execution has a bounded number of operations."""


def verify(
    incident: Incident, attempt: Attempt, rung: Rung, number: int, flow: Workflow, app: Response
) -> Attempt:
    """Return the attempt with the verdict that fresh data allowed, in the time the rung gives."""
    between = pause_between_looks(rung.verify)
    look, woken = 0, False
    while True:
        judged = flow.step(
            f"verify {number}.{look}", lambda: _judge(incident, attempt, rung, number, app), Attempt
        )
        if judged.judgement is not None:
            return judged
        name = f"verification {number}.{look}"
        woken = rest(incident.id, name, between, flow, app, deaf=woken)
        look += 1


def pause_between_looks(proof: Verification) -> timedelta:
    """Return how long to wait between two looks at fresh data."""
    usual = min(max(proof.healthy_for / 2, SHORTEST_LOOK), LONGEST_LOOK)
    return max(usual, proof.within / MOST_LOOKS)


def _judge(incident: Incident, attempt: Attempt, rung: Rung, number: int, app: Response) -> Attempt:
    if attempt.judgement is not None:
        return attempt  # judged by an earlier life: what heals later was not healed by this script
    ended = attempt.status.ended_at
    assert ended is not None, "a finished attempt has an end"
    now = app.clock()
    reading = _read(incident, attempt, ended, app)
    verdict = judge(
        reading, rung.verify.healthy_for, now, time_is_up=now >= ended + rung.verify.within
    )
    if verdict is None:
        app.incidents.move(incident.id, IncidentState.VERIFYING)
        return attempt
    successor = attempt.status.successor
    proof = describe_samples(reading.samples) + (f", of {successor}" if successor else "")
    judged = replace(attempt, judgement=Judgement(verdict, now, proof))
    app.attempts.complete(judged)
    app.note(
        incident.id, f"verified {number}", EntryKind.VERIFIED, f"{rung.run}: {verdict} ({proof})",
        samples=[[sample.at.isoformat(), sample.value] for sample in reading.samples[-20:]],
    )  # fmt: skip
    return judged


def _read(incident: Incident, attempt: Attempt, since: datetime, app: Response) -> Reading:
    """Return fresh samples of the machine that now does the work.

    A machine that is being replaced is drained, and looks healthier than it ever was: only its
    successor can prove anything, and where none is known nothing is.
    """
    if successor := attempt.status.successor:
        return app.read(moved_to(successor, incident), since)
    if attempt.script == InstanceAction.REPLACE:
        return Reading((), timedelta())
    return app.read(incident, since)
