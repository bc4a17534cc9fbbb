"""The same world under Hypothesis: it chooses what happens next, and shrinks what fails."""

from contextlib import ExitStack

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from tests.prove.invariants import judge
from tests.prove.kinds import HOSTS, LADDER, RULES, scenario
from tests.prove.schedule import Happening, Schedule
from tests.prove.ssm import FATES, SEND
from tests.prove.stores import stores_for
from tests.prove.trouble import ANSWER_LOST, DIES_AFTER, DIES_BEFORE, MEANWHILE, REFUSED
from tests.prove.world import World

PLACES = [f"{host} {name}" for host in HOSTS[:2] for name in ("cpu", "mem")]
TROUBLES = (DIES_BEFORE, DIES_AFTER, REFUSED, ANSWER_LOST, MEANWHILE, "dies", *SEND, *FATES)
WORDS = ("close", "acknowledge", "approve", "deny", "recover")


class AnyOrder(RuleBasedStateMachine):
    """Two machines and two rules, one of which asks; whatever Hypothesis thinks of happens."""

    def __init__(self) -> None:
        super().__init__()
        self.number = 0
        self.stack = ExitStack()
        self.world: World

    @initialize(one_machine=st.booleans(), cures=st.booleans())
    def begin(self, one_machine: bool, cures: bool) -> None:
        made = scenario(
            rules={**LADDER, "mem": {"autonomy": "ask"}}, hosts=2, one_machine=one_machine,
            limits={"cooldown": "0s"}, cures=("restart_service",) if cures else (),
        )  # fmt: skip
        schedule = Schedule("stateful", made, "")
        self.world = World(schedule, self.stack.enter_context(stores_for(schedule)))

    @rule(seconds=st.sampled_from((0.3, 1.0, 5.0, 30.0, 90.0, 200.0)))
    def wait(self, seconds: float) -> None:
        self.world.wait(seconds)

    @rule(place=st.sampled_from(PLACES))
    def fall_sick(self, place: str) -> None:
        host, name = place.split()
        self._happen(Happening(0, "sicken", f"{host} {RULES[name]}"))
        self._happen(Happening(0, "alarm", place))

    @rule(place=st.sampled_from(PLACES), word=st.sampled_from(WORDS))
    def say(self, place: str, word: str) -> None:
        self._happen(Happening(0, word, place))

    @rule(what=st.sampled_from(("halt", "resume all")))
    def pull_the_switch(self, what: str) -> None:
        self._happen(Happening(0, what))

    @rule(host=st.sampled_from(HOSTS[:2]), what=st.sampled_from(("opt out", "opt in", "vanish")))
    def change(self, host: str, what: str) -> None:
        self._happen(Happening(0, what, host))

    @rule(what=st.sampled_from(TROUBLES))
    def let_go_wrong(self, what: str) -> None:
        self.world.troubles.next = what

    def _happen(self, happening: Happening) -> None:
        self.number += 1
        number = self.number
        self.world.engine.after(
            0, _actor_of(happening, number), lambda: self.world.happen(happening, number)
        )
        self.world.wait(0)

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.world.troubles.next = None
            complaints = judge(self.world.finish())
            assert complaints == []
        self.stack.close()


def _actor_of(happening: Happening, number: int) -> str:
    return f"{'delivery' if happening.what == 'alarm' else 'person'} {happening.what} {number}"


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(
    max_examples=60, stateful_step_count=25, deadline=None, derandomize=True, database=None,
    suppress_health_check=[HealthCheck.too_slow],
)  # fmt: skip
