"""One world, played once: the real triage, response and people's words, in a modelled outside."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import cache, partial
from json import dumps, loads
from pathlib import Path
from typing import Any

import command_listener
import metric_processor
from autorecovery import people
from autorecovery.adapters.aws.commands import SsmCommandRunner
from autorecovery.adapters.simulated.workflow import (
    CrashedError,
    SimulatedWorkflow,
    SuspendedError,
)
from autorecovery.config import Configuration
from autorecovery.errors import AutoRecoveryError, NoticeError, ReadError, StoreError
from autorecovery.models.controls import DeclaredWindow, Halt, WindowKind
from autorecovery.models.incident import Entry, Incident
from autorecovery.models.limits import MaintenanceWindow
from autorecovery.models.order import orders_in
from autorecovery.notices.compose import YOURS
from autorecovery.response.run import run
from autorecovery.response.stage import Response
from autorecovery.scripts import shipped_scripts
from autorecovery.triage.run import Triage
from tests.prove.engine import Boundary, Engine
from tests.prove.machines import METRICS, SICK, WELL, Command, Machines
from tests.prove.outside import (
    ModelledBoard,
    ModelledDirectory,
    ModelledMetrics,
    alarm_event,
    lines_event,
)
from tests.prove.schedule import CALM_AFTER, HORIZON, START, Happening, Schedule
from tests.prove.ssm import ModelledSsm, documents
from tests.prove.stores import Stores, store_trouble
from tests.prove.trouble import Troubles
from tests.prove.truth import Breach, Life, Truth

SCRIPTS = shipped_scripts(Path(__file__).parents[2] / "recovery_scripts")
DOCUMENTS = documents(SCRIPTS)

PATIENCE = 30
"""Tries of a step whose store does not answer, as the durable workflow has them."""

LAMBDA_RETRIES = (60.0, 120.0)
"""After how many seconds Lambda repeats an event that failed; then it is a dead letter."""

PARTS = {
    "the store": {"incidents", "attempts", "controls", "budget", "dynamodb"},
    "the board": {"board"},
    "the directory": {"directory"},
    "the measurements": {"metrics"},
}
"""What can be out of order as a whole, for a while."""

RESTART_AFTER = 20.0
"""Seconds until a machine that died is up again."""

command_listener._log.setLevel("CRITICAL")


class World:
    """Everything a schedule needs, put together as bootstrap does it."""

    def __init__(self, schedule: Schedule, stores: Stores, *, traced: bool = False) -> None:
        scenario = schedule.scenario
        self.schedule, self.scenario = schedule, scenario
        self.troubles = Troubles(schedule)
        self.engine = Engine(self.troubles, one_machine=scenario.one_machine)
        self.engine.is_traced = traced
        self.machines, self.truth, self.lives = Machines.of(scenario), Truth(), {}
        self.version = 0
        self.stores = stores
        self.board = ModelledBoard(self.engine)
        self.is_down = False
        self.undelivered: dict[str, Callable[[], None]] = {}
        self._wire(stores)

    lives: dict[str, Life]

    def _wire(self, stores: Stores) -> None:
        engine, machines = self.engine, self.machines
        store = store_trouble if stores.fails_inside is None else None
        through = partial(Boundary, engine)
        kept = stores.behind(engine)
        self.incidents = through("incidents", kept.incidents, store) if store else kept.incidents
        self.attempts = through("attempts", kept.attempts, store) if store else kept.attempts
        self.controls = through("controls", kept.controls, store) if store else kept.controls
        self.budget = through("budget", kept.controls, store) if store else kept.controls
        self.letters = through("letters", stores.letters, store_trouble)
        self.directory = through(
            "directory", ModelledDirectory(engine, machines, self.scenario.groups), ReadError
        )
        self.metrics = through("metrics", ModelledMetrics(engine, machines), ReadError)
        self.notices = through("board", self.board, NoticeError)
        self.starter = through("responses", self, store_trouble)
        ssm: Any = ModelledSsm(engine, machines, SCRIPTS, self._hear, self._cure)
        self.commands = SsmCommandRunner(ssm, ssm, SCRIPTS, DOCUMENTS)

    # the applications, as bootstrap makes them

    def configuration(self, version: int | None = None) -> Configuration:
        """Return the configuration of a version; the newest one without."""
        index = self.version if version is None else version
        return configured(dumps(self.scenario.configurations[index]))

    def response(self, life: Life) -> Response:
        """Return what the response of a life stands on."""
        return Response(
            configuration=self.configuration(life.version),
            incidents=self.incidents,
            attempts=self.attempts,
            commands=self.commands,
            targets=self.directory,
            metrics=self.metrics,
            controls=self.controls,
            budget=self.budget,
            noticeboard=self.notices,
            responses=self.starter,
            clock=self.engine.wall_clock,
        )

    def triage(self) -> Triage:
        """Return what triage stands on."""
        return Triage(
            configuration=self.configuration(),
            incidents=self.incidents,
            responses=self.starter,
            targets=self.directory,
            dead_letters=self.letters,
            clock=self.engine.wall_clock,
        )

    @property
    def people(self) -> people.People:
        """Return what people's commands stand on."""
        return people.People(
            self.incidents, self.controls, self.starter, self.engine.wall_clock
        )  # fmt: skip

    # playing

    def play(self) -> "World":
        """Let everything happen, to the end."""
        for number, each in enumerate(self.scenario.happenings):
            moment = START + timedelta(seconds=each.after)
            self.engine.at(moment, _actor_of(each, number), partial(self.happen, each, number))
        return self.finish()

    def finish(self) -> "World":
        """Let everything that is still to come happen."""
        self.engine.run(START + HORIZON, self._is_over, self._power_fails)
        return self

    def wait(self, seconds: float) -> None:
        """Let everything happen that is due in the next seconds."""
        until = self.engine.now + timedelta(seconds=seconds)
        self.engine.run(until, lambda: False, self._power_fails)

    def _is_over(self) -> bool:
        if self.engine.now < START + self.scenario.watched_for:
            return False
        if not self.engine.is_idle("response"):
            return False
        if not all(life.is_over or life.watches for life in self.lives.values()):
            return False
        return all(self.is_with_people(open_one) for open_one in self.open_incidents())

    def open_incidents(self) -> list[Incident]:
        """Return every incident that is not closed."""
        found = (self.stores.incidents.get(o.incident_id) for o in self._open())
        return [each for each in found if each]

    def _open(self) -> Any:
        return self.stores.incidents.open_incidents()

    def is_with_people(self, incident: Incident) -> bool:
        """Return whether people really were told that this one is theirs."""
        return any(
            YOURS in " ".join(notice.lines)
            for _, notice in self.board.delivered
            if notice.incident_id == incident.id
        )

    # responses

    def start(self, incident_id: str) -> None:
        """See ResponseStarter.start."""
        if incident_id in self.lives:
            return
        self.lives[incident_id] = Life(incident_id, self.version)
        self.engine.note(f"response of {incident_id} starts", "world")
        self._resume_in(0.5, self.lives[incident_id])

    def wake(self, token: str) -> None:
        """See ResponseStarter.wake."""
        life = self.lives.get(token.rpartition("/")[0])
        if life and life.execution.wake(token) and self._name(life) not in self.engine.actors:
            self._resume_in(0.1, life)

    def _resume_in(self, seconds: float, life: Life) -> None:
        life.generation += 1
        self.engine.after(seconds, self._name(life), partial(self._resume, life, life.generation))

    def _resume(self, life: Life, generation: int) -> None:
        if life.generation != generation or life.is_over:
            return
        flow = SimulatedWorkflow(
            life.execution, self.engine.clock, life.incident_id, self.engine.crashes
        )
        try:
            life.ending = run(life.incident_id, flow, self.response(life))
        except SuspendedError:
            due = life.execution.due
            assert due is not None, "only waits suspend"
            self._resume_in(max(0.0, (due - self.engine.now).total_seconds()), life)
        except CrashedError:
            self.engine.note("died")
            self._resume_in(5, life)
        except StoreError as error:
            life.troubles += 1
            self.engine.note(f"the store failed: {error}")
            if life.troubles > PATIENCE or not error.retryable:
                self._surprise(f"{life.incident_id}: gave up: {error}")
            else:
                self._resume_in(min(300.0, 2.0**life.troubles), life)
        except (AutoRecoveryError, AssertionError, LookupError, ValueError, TypeError) as error:
            self._surprise(f"response of {life.incident_id}: {error!r}")
        self._look_for_leaks(life)

    def _look_for_leaks(self, life: Life) -> None:
        """Note every lease that a response left behind, once it is through with its ladder."""
        if life.is_searched or not (life.is_over or life.watches):
            return
        life.is_searched = True
        for group in set(self.scenario.groups.values()):
            for lease in self.stores.controls.ledger(group).running(self.engine.wall_clock()):
                if lease.token.startswith(f"{life.incident_id}-r"):
                    self.truth.leaks.append(lease.token)

    def _name(self, life: Life) -> str:
        return f"response {life.incident_id}"

    def _surprise(self, what: str) -> None:
        self.engine.note(f"SURPRISE: {what}")
        self.truth.surprises.append(what)

    def _power_fails(self) -> None:
        """Forget all that was in memory, and take up what the store remembers."""
        self.engine.note("the machine dies", "world")
        gone = {"restart", *self.undelivered}
        self.engine.forget(lambda actor: actor.startswith("response") or actor in gone)
        self.lives.clear()
        self.is_down = True
        self.engine.after(RESTART_AFTER, "restart", self._take_up)

    def _take_up(self) -> None:
        self.engine.note("the machine is up again", "world")
        self.is_down = False
        for each in self._open():
            life = self.lives[each.incident_id] = Life(
                each.incident_id, self.version, is_searched=True
            )
            self._resume_in(0.5, life)
        for name, again in self.undelivered.items():
            self.engine.after(1.0, name, again)

    # events

    def _deliver(self, name: str, event: Any, tries: int = 0) -> None:
        self.undelivered[name] = partial(self._deliver, name, event)
        if self.is_down:
            return  # it comes again when the machine is up
        try:
            metric_processor.handle(event, self.triage())
        except (CrashedError, StoreError) as error:
            if tries < len(LAMBDA_RETRIES):
                wait = LAMBDA_RETRIES[tries]
                self.engine.note(f"fails ({error}), comes again")
            else:
                # A dead letter, which a person replays when the trouble is over.
                wait = (START + CALM_AFTER - self.engine.now).total_seconds() + 300
                self.engine.note(f"fails ({error}), is a dead letter")
            self.engine.after(max(wait, 60), name, partial(self._deliver, name, event, tries + 1))
        except (AssertionError, LookupError, ValueError, TypeError) as error:
            self._surprise(f"triage: {error!r}")
        else:
            self.undelivered.pop(name, None)
        self._look_for_doubles()

    def _look_for_doubles(self) -> None:
        keys = [each.key for each in self._open()]
        self.truth.doubles += [f"{key}" for key in set(keys) if keys.count(key) > 1]

    def _hear(self, command_id: str, status: str, tries: int = 0) -> None:
        """Let EventBridge tell the command listener of an end."""
        event = {
            "detail-type": "EC2 Command Invocation Status-change Notification",
            "detail": {"command-id": command_id, "status": status},
        }
        listener = command_listener.Listener(self.attempts, self.incidents, self.starter)
        try:
            command_listener.handle(event, listener)
        except (CrashedError, StoreError):
            if tries < len(LAMBDA_RETRIES):
                again = partial(self._hear, command_id, status, tries + 1)
                self.engine.after(LAMBDA_RETRIES[tries], self.engine.actor, again)

    def _cure(self, command: Command) -> None:
        for metric, cures in self.scenario.cures.items():
            history = self.machines.values[command.host, metric]
            if command.script in cures and history.at(self.engine.now) == SICK:
                history.set(self.engine.now, WELL)
                self._all_clear(command.host, metric)

    def _all_clear(self, host: str, metric: str) -> None:
        """Let the alarms of this metric go back to OK, a minute later."""
        for rule in self._rules_on(metric):
            at = self.engine.now + timedelta(seconds=61)
            name = f"delivery ok {rule} {host} {at.timestamp():.0f}"
            event = alarm_event(rule, metric, host, "OK", at)
            self.engine.after(62, name, partial(self._deliver, name, event))

    def _rules_on(self, metric: str) -> Iterator[str]:
        for name, rule in self.scenario.configurations[0]["rules"].items():
            if rule["when"].get("metric") == metric:
                yield name

    # what happens by itself, and what people do

    def happen(self, happening: Happening, number: int) -> None:
        """Let something happen now; its number tells it from others of its kind."""
        self.engine.note(str(happening), "world")
        act = getattr(self, f"_{happening.what.replace(' ', '_')}")
        act(happening, _actor_of(happening, number))

    def _breach(self, rule: str, host: str, value: float, *, is_forged: bool) -> datetime:
        """Return since when something is wrong, as the event tells it."""
        now = self.engine.now
        at = (now - timedelta(seconds=2 + value)).replace(microsecond=0)
        self.truth.breaches.append(Breach(now, at, rule, host, is_forged))
        return at

    def _metric_of(self, rule: str) -> str:
        return str(self.scenario.configurations[0]["rules"][rule]["when"]["metric"])

    def _alarm(self, happening: Happening, actor: str) -> None:
        host, rule = happening.about.split()
        at = self._breach(rule, host, happening.value, is_forged=False)
        event = alarm_event(rule, self._metric_of(rule), host, "ALARM", at)
        self._deliver(actor, event)

    def _lines(self, happening: Happening, actor: str) -> None:
        host, rule = happening.about.split()
        for each in self._rules_on(self._metric_of(rule)):
            at = self._breach(each, host, happening.value, is_forged=False)
        self._deliver(actor, lines_event(host, host, self._metric_of(rule), SICK, at, 2))

    def _forged_lines(self, happening: Happening, actor: str) -> None:
        host, named, rule = happening.about.split()
        for each in self._rules_on(self._metric_of(rule)):
            at = self._breach(each, host, happening.value, is_forged=True)
        self._deliver(actor, lines_event(host, named, self._metric_of(rule), SICK, at, 2))

    def _nonsense(self, happening: Happening, actor: str) -> None:
        self._deliver(actor, {"what": "is this", "number": happening.value})

    def _sicken(self, happening: Happening, actor: str) -> None:
        host, metric = happening.about.split()
        self.machines.values[host, metric].set(self.engine.now, SICK)

    def _heal(self, happening: Happening, actor: str) -> None:
        host, metric = happening.about.split()
        history = self.machines.values[host, metric]
        if history.at(self.engine.now) == SICK:
            history.set(self.engine.now, WELL)
            self._all_clear(host, metric)

    def _fall_silent(self, happening: Happening, actor: str) -> None:
        for metric in METRICS:
            self.machines.values[happening.about, metric].set(self.engine.now, None)

    def _opt_out(self, happening: Happening, actor: str) -> None:
        self.machines.opted_in[happening.about].set(self.engine.now, 0.0)

    def _opt_in(self, happening: Happening, actor: str) -> None:
        self.machines.opted_in[happening.about].set(self.engine.now, 1.0)

    def _vanish(self, happening: Happening, actor: str) -> None:
        self.machines.reachable[happening.about].set(self.engine.now, 0.0)

    def _reappear(self, happening: Happening, actor: str) -> None:
        self.machines.reachable[happening.about].set(self.engine.now, 1.0)

    def _clock_jumps(self, happening: Happening, actor: str) -> None:
        self.engine.wall_offset += timedelta(seconds=happening.value)
        self.truth.jumped += timedelta(seconds=abs(happening.value))

    def _goes_down(self, happening: Happening, actor: str) -> None:
        self.engine.out_of_order |= PARTS[happening.about]

    def _comes_back(self, happening: Happening, actor: str) -> None:
        self.engine.out_of_order -= PARTS[happening.about]

    def _deploy(self, happening: Happening, actor: str) -> None:
        self.version = min(self.version + 1, len(self.scenario.configurations) - 1)

    def _halt(self, happening: Happening, actor: str) -> None:
        halt = Halt("Kim", "just in case", self.engine.wall_clock())
        with self._by_person(actor, happening, self._look_at_controls):
            self.controls.set_halt(halt)

    def _resume_all(self, happening: Happening, actor: str) -> None:
        with self._by_person(actor, happening, self._look_at_controls):
            self.controls.set_halt(None)

    def _maintain(self, happening: Happening, actor: str) -> None:
        now = self.engine.wall_clock()
        content = {
            "name": f"work on {happening.about}", "from": now - timedelta(seconds=1),
            "until": now + timedelta(hours=3), "targets": (happening.about,),
        }  # fmt: skip
        window = DeclaredWindow(MaintenanceWindow.model_validate(content), "Kim", now)
        with self._by_person(actor, happening, self._look_at_controls):
            self.controls.declare(window)

    def _end_maintenance(self, happening: Happening, actor: str) -> None:
        with self._by_person(actor, happening, self._look_at_controls):
            self.controls.end_window(WindowKind.MAINTENANCE, f"work on {happening.about}")

    def _look_at_controls(self) -> None:
        now, controls = self.engine.now, self.stores.controls
        self.truth.halted.set(now, 1.0 if controls.halt() else 0.0)
        open_now = {
            target
            for each in controls.windows(WindowKind.MAINTENANCE)
            for target in each.window.targets
        }
        for host in self.scenario.hosts:
            self.truth.maintained[host].set(now, 1.0 if host in open_now else 0.0)

    def _approve(self, happening: Happening, actor: str) -> None:
        self._answer(happening, actor, approved=True)

    def _deny(self, happening: Happening, actor: str) -> None:
        self._answer(happening, actor, approved=False)

    def _answer(self, happening: Happening, actor: str, *, approved: bool) -> None:
        if incident := self._meant(happening):
            with self._by_person(actor, happening, partial(self._look_at_answers, incident)):
                people.decide(incident, "Kim", self.people, approved=approved)

    def _look_at_answers(self, incident: Incident) -> None:
        for number in range(1, 9):
            token = f"{incident.id}-r{number}"
            if stands := self.stores.controls.approval(token):
                self.truth.approvals.setdefault(token, (self.engine.now, stands.approved))

    def _close(self, happening: Happening, actor: str) -> None:
        if incident := self._meant(happening):
            with self._by_person(actor, happening, partial(self._look_whether_closed, incident)):
                people.close(incident, "Kim", self.people)

    def _look_whether_closed(self, incident: Incident) -> None:
        present = self.stores.incidents.get(incident.id)
        if present and present.is_closed:
            self.truth.closed.setdefault(incident.id, self.engine.now)

    def _acknowledge(self, happening: Happening, actor: str) -> None:
        if incident := self._meant(happening):
            with self._by_person(actor, happening, lambda: None):
                people.acknowledge(incident, "Kim", self.people)
                self.truth.acknowledged.add(incident.id)

    def _recover(self, happening: Happening, actor: str) -> None:
        if incident := self._meant(happening):
            with self._by_person(actor, happening, partial(self._look_at_orders, incident)):
                people.recover(incident, "Kim", self.people)

    def _look_at_orders(self, incident: Incident) -> None:
        """See which orders stand: each approves the first rung of the climb that follows it."""
        rungs = len(incident.rule.recover) if incident.rule else 0
        orders = orders_in(self.stores.incidents.timeline(incident.id))
        for order in orders[len(self.truth.orders.get(incident.id, ())) :]:
            self.truth.orders.setdefault(incident.id, []).append(self.engine.now)
            token = f"{incident.id}-r{order.number * rungs + 1}"
            self.truth.approvals.setdefault(token, (self.engine.now, True))

    def _meant(self, happening: Happening) -> Incident | None:
        host, rule = happening.about.split()
        meant = (each for each in self.open_incidents() if each.target.name == host)
        return next((each for each in meant if each.rule_name == rule), None)

    @contextmanager
    def _by_person(
        self, actor: str, happening: Happening, look: Callable[[], None]
    ) -> Iterator[None]:
        """Let a person see the command fail, and type it again a minute later.

        `look` notes what really came of it, however the command ended.
        """
        try:
            yield
        except (CrashedError, StoreError) as error:
            self.engine.note(f"fails ({error}), will be typed again")
            number = int(actor.rpartition(" ")[2])
            self.engine.after(60, actor, partial(self.happen, happening, number))
        finally:
            look()

    def story(self, incident_id: str) -> list[Entry]:
        """Return the timeline of an incident."""
        return list(self.stores.incidents.timeline(incident_id))

    def all_incidents(self) -> list[Incident]:
        """Return every incident there ever was, in the order of their ids."""
        return sorted(self.stores.incidents.recent(100), key=lambda each: each.id)


def _actor_of(happening: Happening, number: int) -> str:
    sort = {
        "alarm": "delivery", "lines": "delivery", "forged lines": "delivery",
        "nonsense": "delivery",
    }.get(happening.what, "person")  # fmt: skip
    return f"{sort} {happening.what} {number}"


@cache
def configured(text: str) -> Configuration:
    """Return the configuration that this JSON is."""
    return Configuration.model_validate(loads(text))
