"""What must be true after every schedule, judged on what the modelled world saw.

Each invariant is one generator of complaints. What it allows, and why, stands beside it; what our
own code says about itself counts only where its words are the subject (the timeline, the notices).
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import combinations

from autorecovery.config import Limits
from autorecovery.models.incident import EntryKind, Incident
from autorecovery.models.notice import NoticeKind
from autorecovery.models.reason import IncidentState, Reason
from autorecovery.models.rule import Rule, Rung
from autorecovery.response.health import SILENCE
from autorecovery.response.recover import START_WITHIN
from tests.prove.engine import SLOWEST_CALL
from tests.prove.machines import SICK, WELL, Command
from tests.prove.world import World

ALLOWED = START_WITHIN + 3 * SLOWEST_CALL
"""How old a decision may be when SSM takes the command. Facts may change between the look and the
act; a script refuses to start later than START_WITHIN after its plan, and a few calls before that
may be slow. What a gate forbade during all of this time was acted on against the gate."""

PERIOD = timedelta(minutes=1)

LONG_AGO = timedelta(hours=3)

Complaints = Iterator[str]


@dataclass(frozen=True, slots=True)
class Violation:
    """One invariant that did not hold, and how."""

    invariant: str
    what: str


def one_send_per_attempt(world: World) -> Complaints:
    """SSM took at most one command per attempt, and no script ran more than once."""
    taken = Counter(command.token for command in world.machines.commands)
    yield from (f"{token} was taken {n} times" for token, n in taken.items() if n > 1)
    for command in world.machines.commands:
        if command.runs > 1:
            yield f"{command.token} ran {command.runs} times"


def one_attempt_per_host(world: World) -> Complaints:
    """No host had two attempts at once, from SSM's taking the one to the real end of its script.

    A command whose script never did anything counts as nothing: it touched no host.
    """
    for one, other in combinations(_that_ran(world), 2):
        if one.host == other.host and _overlap(one, other):
            yield f"{one.token} and {other.token} on {one.host}"


def an_end_or_a_human(world: World) -> Complaints:
    """With all trouble over, each incident is closed, or people were told that it is theirs.

    Allowed: somebody said that they are on it. Whoever acknowledges knows, and is not reminded.
    """
    for incident in world.open_incidents():
        if incident.state is not IncidentState.HANDED_OVER:
            yield f"{incident.id} is still {incident.state}"
        elif not world.is_with_people(incident) and incident.id not in world.truth.acknowledged:
            yield f"{incident.id} was handed over, and nobody knows"


def somebody_was_told(world: World) -> Complaints:
    """Every incident is named in at least one notice that really reached people.

    Allowed: an incident that a person closed or acknowledged, who knew of it; an echo, closed while
    its machine really was well. And a one-machine mode that died after it closed the incident: it
    does not remember what it wanted to say.
    """
    named = {notice.incident_id for _, notice in world.board.delivered}
    for incident in world.all_incidents():
        excused = incident.id in (world.truth.closed.keys() | world.truth.acknowledged)
        excused = excused or (world.scenario.one_machine and incident.is_closed)
        if incident.id not in named and not excused and not _was_an_echo(world, incident):
            yield f"nobody ever heard of {incident.id}"


def _was_an_echo(world: World, incident: Incident) -> bool:
    """Return whether it was closed as told late, of a machine that was well not long before."""
    cases = world.stores.incidents.cases(incident.rule_name, incident.opened_at - LONG_AGO, 1000)
    case = next((c for c in cases if c.incident_id == incident.id), None)
    if case is None or case.ended is not Reason.ECHO or case.ended_at is None:
        return False
    metric = getattr(incident.rule.when, "metric", "") if incident.rule else ""
    here = (c.ended_at for c in cases if c.target_key == incident.target.key and c is not case)
    since = max((at for at in here if at and at <= incident.opened_at), default=case.opened_at)
    history, slack = world.machines.values[incident.target.name, metric], world.truth.jumped
    # What began to be sick a moment before it was closed could not be measured yet.
    return not history.ever(SICK, since + PERIOD + slack, case.ended_at - PERIOD - slack)


def nothing_is_dropped(world: World) -> Complaints:
    """Every breach that was delivered has an incident; what nobody understands is kept."""
    known = {
        (i.rule_name.removesuffix(" (identity)"), i.target.name) for i in world.all_incidents()
    }
    for breach in world.truth.breaches:
        if (breach.rule, breach.host) not in known:
            yield f"no incident of {breach.rule} on {breach.host}"
    nonsense = [each for each in world.scenario.happenings if each.what == "nonsense"]
    with world.stores.letters.hold(1) as letters:
        kept = list(letters)
    if nonsense and not kept:
        yield "an event that nobody understands was not kept"
    if nonsense and all(each.rule for each in world.all_incidents()):
        yield "nobody was told of an event that nobody understands"


def one_incident_per_trouble(world: World) -> Complaints:
    """There were never two open incidents of one rule on one target."""
    yield from world.truth.doubles


def budget_kept(world: World) -> Complaints:
    """No group had more machines under recovery at once, or begun per window, than allowed.

    As the machines saw it: scripts that ran, from SSM's taking them to their real end. The window
    is shorter by ALLOWED: a start is counted when it is decided, and SSM takes it a little later.
    """
    limits = [
        world.configuration(v).limits.fleet for v in range(len(world.scenario.configurations))
    ]
    for group in sorted(set(world.scenario.groups.values())):
        size = sum(1 for of in world.scenario.groups.values() if of == group)
        most = max(limit.at_once.allowed(size) for limit in limits)
        ran = [each for each in _that_ran(world) if world.scenario.groups[each.host] == group]
        for command in ran:
            at_once = {c.host for c in ran if _is_on(c, command.accepted_at)}
            if len(at_once) > most:
                yield f"group {group!r}: {', '.join(sorted(at_once))} at once, allowed {most}"
        yield from _too_many_starts(world, group, max(limit.hosts.count for limit in limits))


def _too_many_starts(world: World, group: str, most: int) -> Complaints:
    window = world.configuration(0).limits.fleet.hosts.window - ALLOWED - world.truth.jumped
    taken = [c for c in world.machines.commands if world.scenario.groups[c.host] == group]
    for command in taken:
        since = command.accepted_at - window
        lately = [c for c in taken if since < c.accepted_at <= command.accepted_at]
        if len(lately) > most:
            yield f"group {group!r}: {len(lately)} starts by {command.token}, allowed {most}"


def budget_given_back(world: World) -> Complaints:
    """Once a response is through with its ladder, its leases are back.

    Allowed: after the one-machine mode died, a lease of before may run out by itself.
    """
    yield from (f"the lease of {token} is still out" for token in sorted(set(world.truth.leaks)))


def gates_hold(world: World) -> Complaints:
    """Nothing was sent that a gate forbade, by the facts as the world had them all the while."""
    for command in world.machines.commands:
        incident = world.stores.incidents.get(command.incident_id)
        if incident is None or incident.rule is None:
            yield f"{command.token} belongs to no incident with a rule"
            continue
        for gate, forbids in GATES.items():
            if forbids(world, command, incident, incident.rule):
                yield f"{command.token} was sent against the gate: {gate}"


Gate = Callable[[World, Command, Incident, Rule], bool]


def _since(command: Command) -> datetime:
    return command.accepted_at - ALLOWED


def _halted(world: World, command: Command, incident: Incident, rule: Rule) -> bool:
    """No allowance: the flag is read in the very step that sends."""
    history = world.truth.halted
    return bool(history.at(command.begun_at)) and not history.ever(
        0.0, command.begun_at, command.accepted_at
    )


def _opted_out(world: World, command: Command, incident: Incident, rule: Rule) -> bool:
    history = world.machines.opted_in[command.host]
    return not history.ever(1.0, _since(command), command.accepted_at)


def _maintained(world: World, command: Command, incident: Incident, rule: Rule) -> bool:
    history = world.truth.maintained[command.host]
    return not history.ever(0.0, _since(command), command.accepted_at)


def _without_a_word(world: World, command: Command, incident: Incident, rule: Rule) -> bool:
    """No allowance: a rule that observes or asks sends nothing but after a person's word."""
    said = world.truth.approvals.get(command.token)
    yes = said is not None and said[1] and said[0] <= command.accepted_at
    return rule.autonomy != "auto" and not yes


def _closed(world: World, command: Command, incident: Incident, rule: Rule) -> bool:
    closed = world.truth.closed.get(incident.id)
    return closed is not None and closed < _since(command)


def _stale(world: World, command: Command, incident: Incident, rule: Rule) -> bool:
    """Old evidence, of the first rung; a person's yes is evidence too."""
    if command.number > 1 or command.token in world.truth.approvals:
        return False
    seen = [b.at for b in world.truth.breaches if _concerns(b.rule, b.host, incident)]
    oldest = max(limits.max_event_age for limits in _limits(world)) + ALLOWED + world.truth.jumped
    return all(command.accepted_at - at > oldest for at in seen)


def _forged(world: World, command: Command, incident: Incident, rule: Rule) -> bool:
    """Everything that speaks of this trouble names another machine than its stream."""
    about = [b for b in world.truth.breaches if _concerns(b.rule, b.host, incident)]
    return command.host != incident.target.name or all(b.is_forged for b in about)


def _given_away(world: World, command: Command, incident: Incident, rule: Rule) -> bool:
    """People were told that it is theirs, and why nothing more is run; nobody has asked since."""
    asked = [at for at in world.truth.orders.get(incident.id, ()) if at <= command.begun_at]
    return any(
        notice.kind is NoticeKind.HANDED_OVER and max(asked, default=at) <= at < command.begun_at
        for at, notice in world.board.delivered
        if notice.incident_id == incident.id
    )


def _too_soon(world: World, command: Command, incident: Incident, rule: Rule) -> bool:
    """Another incident's command went to this host within the cooldown."""
    shortest = min(
        rule.cooldown if rule.cooldown is not None else limits.cooldown
        for limits in _limits(world)
    )  # fmt: skip
    return any(
        other.incident_id != command.incident_id
        and other.host == command.host
        and timedelta() < command.accepted_at - other.accepted_at
        < shortest - ALLOWED - world.truth.jumped
        for other in world.machines.commands
    )  # fmt: skip


def _healthy(world: World, command: Command, incident: Incident, rule: Rule) -> bool:
    """What is measured has been healthy for so long that every look had to see it."""
    metric = getattr(rule.when, "metric", "")
    history = world.machines.values[command.host, metric]
    lasting = _rung_of(rule, command).verify.healthy_for
    since = command.accepted_at - ALLOWED - lasting - 2 * PERIOD - world.truth.jumped
    other = history.ever(SICK, since, command.accepted_at) or history.ever(
        None, since, command.accepted_at
    )
    # What an alarm says of this very time is evidence too; only what came after it can overrule it.
    breaches = [b.at for b in world.truth.breaches if _concerns(b.rule, b.host, incident)]
    other = other or any(at >= since for at in breaches)
    return not other and _could_be_read(world, command, since)


def _rung_of(rule: Rule, command: Command) -> Rung:
    """Return the rung that was tried; attempts are numbered over all climbs of the ladder."""
    return rule.recover[(command.number - 1) % len(rule.recover)]


def _could_be_read(world: World, command: Command, since: datetime) -> bool:
    """Whether the look before this command was not one that failed: unknown is not healthy."""
    reads = ("metrics.datapoints", "metrics.lines")
    return not any(
        d.actor == command.sent_by and d.call in reads for d in world.troubles.happened
    )  # fmt: skip


GATES: dict[str, Gate] = {
    "halt": _halted,
    "opt-in": _opted_out,
    "maintenance": _maintained,
    "autonomy": _without_a_word,
    "closed": _closed,
    "handed over": _given_away,
    "stale event": _stale,
    "identity": _forged,
    "cooldown": _too_soon,
    "still sick": _healthy,
}


def ladder_by_evidence(world: World) -> Complaints:
    """A rung was sent only after the one before ran, ended, and was seen to have failed.

    The first of a climb that a person asked for follows on nothing.
    """
    for command in world.machines.commands:
        if command.number == 1 or _begins_a_climb(world, command):
            continue
        before = [c for c in world.machines.of_incident(command.incident_id)
                  if c.number == command.number - 1]  # fmt: skip
        ended = before[0].ends_at if before else None
        if ended is None or ended > command.accepted_at:
            yield f"{command.token} was sent before the rung before it had ended"
        elif not _was_sick(world, command, ended):
            yield f"{command.token} was sent, and nothing showed that the rung before had failed"


def _begins_a_climb(world: World, command: Command) -> bool:
    incident = world.stores.incidents.get(command.incident_id)
    orders = world.truth.orders.get(command.incident_id, ())
    rungs = len(incident.rule.recover)
    climb, rung = divmod(command.number - 1, rungs)
    return rung == 0 and 0 < climb <= len(orders)


def _was_sick(world: World, command: Command, since: datetime) -> bool:
    incident = world.stores.incidents.get(command.incident_id)
    metric = getattr(incident.rule.when, "metric", "")
    return world.machines.values[command.host, metric].ever(SICK, since, command.accepted_at)


def timeline_is_true(world: World) -> Complaints:
    """Every command is in its incident's story, and the story says of none what is not so.

    Allowed: to say that something is unknown. And the one-machine mode, which forgets where it was
    when it dies, does not write the end of a script down whose incident a person closed meanwhile.
    """
    taken = {command.token: command for command in world.machines.commands}
    for command in taken.values():
        story = {entry.key for entry in world.story(command.incident_id)}
        forgets = world.scenario.one_machine and command.incident_id in world.truth.closed
        for key in (f"intended {command.number}", f"ended {command.number}"):
            if key not in story and not (forgets and key.startswith("ended")):
                yield f"{command.token}: the timeline lacks {key!r}"
    for incident in world.all_incidents():
        for entry in world.story(incident.id):
            if entry.kind in (EntryKind.STARTED, EntryKind.ENDED):
                number = entry.key.rpartition(" ")[2]
                token = f"{incident.id}-r{number}"
                if lie := _lie(entry.key.partition(" ")[0], entry.text, taken.get(token)):
                    yield f"{token}: the timeline says {entry.text!r}, and {lie}"


def _lie(chapter: str, text: str, command: Command | None) -> str | None:
    """Return what is wrong with a line of a timeline about a command, if anything."""
    if chapter == "started" and command is None:
        return "SSM never took it"
    if chapter != "ended":
        return None
    said = text.partition(": ")[2]
    ran = command is not None and command.starts_at is not None
    if said.startswith("not run") and ran:
        return "it ran"
    if said.startswith(("succeeded", "failed")) and not ran:
        return "it never ran"
    if said.startswith("succeeded") and command and command.exit_code != 0:
        return f"it ended with {command.exit_code}"
    return None


def recovered_is_true(world: World) -> Complaints:
    """Nobody was told "recovered" unless the host was healthy, after the script's real end.

    For as long as the rung asks, at most as long ago as the newest sample may be old.
    """
    for at, notice in world.board.delivered:
        if notice.kind is NoticeKind.RECOVERED and "helped" in notice.headline:
            incident = world.stores.incidents.get(notice.incident_id)
            begun = world.machines.of_incident(notice.incident_id)
            ran = [c for c in begun if c.starts_at and c.starts_at <= at]
            if not ran or ran[-1].ends_at is None or ran[-1].ends_at > at:
                yield f"{notice.incident_id} is called recovered without a script that ended"
            elif not _was_well(world, ran[-1], incident, min(at, _verified_at(world, ran[-1], at))):
                yield f"{notice.incident_id} is called recovered, and it was not"


def _verified_at(world: World, command: Command, told_at: datetime) -> datetime:
    """Return when the verdict fell, at the latest: where the board was down it is told later."""
    key = f"verified {command.number}"
    found = (entry.at for entry in world.story(command.incident_id) if entry.key == key)
    return next((at + world.truth.jumped for at in found), told_at)


def _was_well(world: World, command: Command, incident: Incident, at: datetime) -> bool:
    """Return whether it was measured healthy for long enough since the script's end."""
    assert incident.rule is not None and command.ends_at is not None, "it ran, under a rule"
    lasting = _rung_of(incident.rule, command).verify.healthy_for
    history = world.machines.values[command.host, getattr(incident.rule.when, "metric", "")]
    ends = [moment for moment in (*history.times, at) if command.ends_at <= moment <= at]
    return any(
        not history.ever(SICK, begin, begin + lasting - PERIOD)
        and history.ever(WELL, begin, begin + lasting - PERIOD)
        for end in ends
        if at - end <= SILENCE + 2 * PERIOD
        for begin in [max(command.ends_at, end - lasting)]
        if end - begin >= lasting - PERIOD
    )


def no_surprise(world: World) -> Complaints:
    """Nothing failed in a way that nobody foresaw."""
    yield from world.truth.surprises


def _that_ran(world: World) -> list[Command]:
    return [command for command in world.machines.commands if command.starts_at]


def _is_on(command: Command, moment: datetime) -> bool:
    ends = command.ends_at
    return command.accepted_at <= moment and (ends is None or moment < ends)


def _overlap(one: Command, other: Command) -> bool:
    return _is_on(one, other.accepted_at) or _is_on(other, one.accepted_at)


def _limits(world: World) -> list[Limits]:
    return [world.configuration(v).limits for v in range(len(world.scenario.configurations))]


def _concerns(rule: str, host: str, incident: Incident) -> bool:
    name = incident.rule_name.removesuffix(" (identity)")
    return (rule, host) == (name, incident.target.name)


INVARIANTS: dict[str, Callable[[World], Complaints]] = {
    "one send per attempt": one_send_per_attempt,
    "one attempt per host at a time": one_attempt_per_host,
    "an end or a human": an_end_or_a_human,
    "somebody was told": somebody_was_told,
    "nothing is dropped": nothing_is_dropped,
    "one incident per trouble": one_incident_per_trouble,
    "fleet budget kept": budget_kept,
    "fleet budget given back": budget_given_back,
    "gates hold": gates_hold,
    "ladder by evidence": ladder_by_evidence,
    "timeline is true": timeline_is_true,
    "recovered is true": recovered_is_true,
    "no surprise": no_surprise,
}


def judge(world: World) -> list[Violation]:
    """Return every violation, in the order of the invariants."""
    return [
        Violation(name, complaint)
        for name, holds in INVARIANTS.items()
        for complaint in holds(world)
    ]
