"""Rules of the circuit that hold however many environments share it, however wrong their clocks are and however their
store fails.

Time is virtual. A world is a dependency that is up or down, some environments that call it, and a plan of what happens
in which order; every call that is made is written down and judged at the end.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, cast

import pytest
from botocore.exceptions import ReadTimeoutError
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from constructs_lib.runtime.breaker_store import DynamoStatus
from constructs_lib.runtime.circuit_breaker import LOOK_AGAIN_SECONDS
from constructs_lib.runtime.circuit_gate import CircuitGate
from constructs_lib.runtime.settings import BreakerSettings
from constructs_lib.runtime.shared_breaker import SharedBreaker
from constructs_lib.runtime.stream_ports import Go, Outcome, Probe, Wait
from tests.unit.runtime.fake_status_table import Mood, StatusClient, StatusTable, TrueTime
from tests.unit.runtime.fakes import RecordingWatch

SETTINGS = BreakerSettings(failure_rate=0.5, minimum_calls=3, window_seconds=60, probe_seconds=5)
# To the table, or back.
LATENCY = 0.01
# From the moment a write is prepared until it is done, though the client tries twice and others act in between.
WAY = 0.5
# How long an environment may act on what it knew.
BLIND = LOOK_AGAIN_SECONDS + WAY

Kind = Literal["call", "work", "end", "fails", "answers", "throttles", "store", "isolate", "restore", "crash"]


@dataclass(frozen=True)
class Step:
    """What happens next: after *seconds*, to environment *who*.

    It begins a `call` about *key*, ends one, or does both at once (`work`); its way to the store changes its mood; it crashes. Or
    the dependency begins to fail, to throttle or to answer. Or a person isolates or restores the circuit. If it is
    *between*, it happens while a question of another environment is on its way to the store.
    """

    kind: Kind
    who: int = 0
    seconds: float = 0.0
    mood: Mood = "well"
    retry_after: float = 0.0
    between: bool = False
    key: str = "k"


@dataclass(frozen=True)
class Call:
    """A call that was made.

    Args:
        begun: When.
        who: Which environment made it.
        probe: Whether it was a probe.
        token: Whether a token had been won for it.
        heard: When its maker had last heard of the store.
        key: What it was about.
    """

    begun: float
    who: int
    probe: bool
    token: bool
    heard: float
    key: str


class Environment:
    """One execution environment, whose clock is *ahead* of the true time."""

    def __init__(self, table: StatusTable, ahead: float, meanwhile: Callable[[], None]) -> None:
        self.table = table
        self.ahead = ahead
        self.client = StatusClient(table, latency=LATENCY, meanwhile=meanwhile)
        self.start()

    @property
    def now(self) -> float:
        return self.table.time.now + self.ahead

    def start(self) -> None:
        """Begin with an empty memory, as at first and after a crash."""
        self.client.heard = float("-inf")
        self.status = DynamoStatus(cast("Any", self.client), "state", clock=lambda: self.now)
        self.gate = CircuitGate(SETTINGS, store=self.status, watch=RecordingWatch(), jitter=lambda: 0.5)
        self.under_way: list[Call] = []
        self.wishes: list[float] = []
        self.reaches_the_store = self.client.usual == "well"
        try:
            status = self.status.read()
        except ReadTimeoutError:
            self.gate.refresh(None, self.now)
        else:
            self.gate.refresh(status, self.now)


class World:
    """Environments around one circuit of a dependency that is up or down."""

    def __init__(self, clocks: Sequence[float]) -> None:
        self.time = TrueTime()
        self.table = StatusTable(self.time)
        self.up = True
        self.retry_after: float | None = None
        self.calls: list[Call] = []
        self.restored: list[float] = []
        # What the dependency asked those for who can tell it to the others, and since when they have told it.
        self.wishes: list[tuple[float, float]] = []
        self.failures = 0
        self.answered_tokens = 0
        self.between: list[Step] = []
        self.at_work: list[int] = []
        self.environments: list[Environment] = []
        for ahead in clocks:
            self.environments.append(Environment(self.table, ahead, self.meanwhile))

    def run(self, steps: Sequence[Step]) -> "World":
        for step in steps:
            if step.between:
                self.between.append(step)
            else:
                self.time.now += step.seconds
                self.do(step)
        return self

    def meanwhile(self) -> None:
        """While one environment waits for the store, let another one do what is to be done in between."""
        if self.between and len(self.at_work) == 1 and self.between[0].who % len(self.environments) not in self.at_work:
            self.do(self.between.pop(0))

    def do(self, step: Step) -> None:
        who = step.who % len(self.environments)
        environment = self.environments[who]
        self.at_work.append(who)
        try:
            match step.kind:
                case "call":
                    self.begin(environment, step.key)
                case "work":
                    self.work(environment, step.key)
                case "end":
                    self.end(environment)
                case "fails":
                    self.up, self.retry_after = False, None
                case "throttles":
                    self.up, self.retry_after = False, step.retry_after
                case "answers":
                    self.up, self.retry_after = True, None
                case "store":
                    environment.client.usual = step.mood
                    environment.reaches_the_store &= step.mood == "well"
                case "isolate" | "restore":
                    self.operate(step.kind)
                case "crash":
                    environment.start()
        finally:
            self.at_work.pop()

    def work(self, environment: Environment, key: str = "k") -> Go | Probe | Wait:
        answer = self.begin(environment, key)
        self.end(environment)
        return answer

    def begin(self, environment: Environment, key: str = "k") -> Go | Probe | Wait:
        """Ask, and begin a call if that is allowed."""
        asked, tokens = environment.now, len(environment.client.tokens)
        answer = environment.gate.ask(asked)
        if isinstance(answer, Wait):
            assert answer.until > asked, "who waits for the past does not wait"
            return answer
        call = Call(
            begun=self.time.now,
            who=self.environments.index(environment),
            probe=isinstance(answer, Probe),
            token=len(environment.client.tokens) > tokens,
            heard=environment.client.heard,
            key=key,
        )
        if call.probe:
            wishes = list(environment.wishes)
            if call.token:
                wishes += [until for told, until in self.wishes if told < environment.client.tokens[-1]]
            assert all(call.begun >= until for until in wishes), "a probe before the dependency's Retry-After"
        self.calls.append(call)
        environment.under_way.append(call)
        return answer

    def end(self, environment: Environment) -> None:
        """Let the oldest call under way end as the dependency is now."""
        if not environment.under_way:
            return
        call = environment.under_way.pop(0)
        self.failures += not self.up
        self.answered_tokens += self.up and call.token
        if self.retry_after:
            environment.wishes.append(self.time.now + self.retry_after)
        environment.gate.tell(
            environment.now,
            Outcome.ANSWERED if self.up else Outcome.UNAVAILABLE,
            key=call.key,
            took=self.time.now - call.begun,
            retry_after=self.retry_after,
            probe=call.probe,
        )
        # Whoever has not heard of a restoring yet takes the next probe to be an interval away, which may be long enough.
        knows = all(self.time.now - moment > BLIND for moment in self.restored)
        if environment.wishes and environment.reaches_the_store and knows:
            self.wishes.append((self.time.now, environment.wishes[-1]))

    def operate(self, kind: Literal["isolate", "restore"]) -> None:
        """What a person does, whose store answers."""
        status = DynamoStatus(cast("Any", StatusClient(self.table)), "state", clock=lambda: self.time.now)
        seen = SharedBreaker.of(status.read().breaker)
        if kind == "isolate":
            assert status.isolate(seen=seen, reason="maintenance").done
            return
        assert status.restore(seen=seen).done
        self.restored.append(self.time.now)
        self.wishes.clear()
        for environment in self.environments:
            environment.wishes.clear()

    def constant_state(self, start: float, end: float) -> str | None:
        """The state that the circuit had all the time between two moments; None if it changed."""
        changes = [(float("-inf"), "closed"), *self.table.changes, (float("inf"), "")]
        # A state that ended at the very moment of the start counts: which of the two came first cannot be told.
        states = {state for (begun, state), (over, _) in pairwise(changes) if begun <= end and over >= start}
        return states.pop() if len(states) == 1 else None

    def known_state(self, call: Call) -> str | None:
        """The state in which the maker of a call had to believe; None if it may have believed in another."""
        # It need not hear of the store more often than this; and who cannot hear goes on with what it heard last.
        return self.constant_state(min(call.heard, call.begun - BLIND), call.begun)


clocks = st.lists(st.floats(-8, 8), min_size=1, max_size=4)
moods = cast("Any", st.sampled_from(["well", "well", "away", "answer lost", "answer lost, tried again"]))


def plans(*kinds: Kind) -> st.SearchStrategy[list[Step]]:
    """Plans of these kinds of steps, which come in runs: one alone rarely changes anything."""
    one = st.builds(
        Step,
        st.sampled_from(kinds),
        st.integers(0, 3),
        st.sampled_from([0.0, 0.01, 0.3, 1.0, 2.5, 5.0, 11.0]),
        moods,
        st.sampled_from([0.5, 4.0, 7.0, 30.0]),
        st.sampled_from([False, False, False, True]),
        st.sampled_from(["k", "k", "l"]),
    )
    runs = st.tuples(st.lists(one, min_size=1, max_size=4), st.integers(1, 6)).map(lambda run: run[0] * run[1])
    return st.lists(runs, max_size=12).map(lambda many: [step for run in many for step in run])


unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

DEPENDENCY: tuple[Kind, ...] = ("call", "work", "work", "work", "end", "fails", "answers", "throttles")
MACHINES: tuple[Kind, ...] = (*DEPENDENCY, "store", "crash")
PEOPLE: tuple[Kind, ...] = (*MACHINES, "isolate", "restore")


@pytest.mark.requirement("ISO-12")
@unhurried
@given(clocks, plans(*PEOPLE))
def test_nobody_calls_an_open_circuit_without_a_token(ahead: list[float], plan: list[Step]) -> None:
    """Whoever can know that the circuit is open calls only with a token; isolated, there is no call at all."""
    world = World(ahead).run(plan)
    for call in world.calls:
        known = world.known_state(call)
        assert known != "isolated"
        assert known != "open" or (call.probe and call.token)


@pytest.mark.requirement("ISO-12")
@unhurried
@given(clocks, plans(*PEOPLE))
def test_tokens_are_an_interval_apart(ahead: list[float], plan: list[Step]) -> None:
    """In all environments together, by the true time, and the first an interval after the opening."""
    world = World(ahead).run(plan)
    openings = [begun for begun, state in world.table.changes if state == "open" and begun not in world.restored]
    # After a person has restored the circuit the first probe may come at once.
    moments = sorted([*((token, True) for token in world.table.tokens), *((moment, False) for moment in openings)])
    for (earlier, _), (later, is_token) in pairwise(moments):
        if is_token and not any(earlier <= moment <= later for moment in world.restored):
            assert later - earlier >= SETTINGS.probe_seconds - WAY


@unhurried
@given(clocks, plans(*PEOPLE))
@example(
    # A call that ends after the restoring, at who still takes the circuit for isolated.
    [0.0, 0.0],
    [
        Step("throttles", retry_after=0.5),
        Step("isolate"),
        Step("call"),
        Step("call", seconds=2.5),
        Step("restore"),
        Step("end", seconds=11.0),
        Step("call", who=1),
    ],
)
def test_no_probe_comes_before_the_retry_after(ahead: list[float], plan: list[Step]) -> None:
    """Neither before the time it was asked for itself, nor before one that another was asked for (`World.begin`)."""
    World(ahead).run(plan)


@pytest.mark.requirement("ISO-12")
@unhurried
@given(clocks, plans("call", "work", "work", "end", "store", "crash"))
def test_a_healthy_circuit_is_never_written_and_never_waits(ahead: list[float], plan: list[Step]) -> None:
    """Whatever becomes of the store: calls that are answered cost no write, and trouble of the store stops no call."""
    world = World(ahead).run(plan)
    assert world.table.writes == 0
    done = [step for step in plan if step not in world.between]
    assert len(world.calls) >= sum(step.kind in ("call", "work") for step in done)


@unhurried
@given(clocks, plans(*PEOPLE))
def test_only_failed_calls_open_and_only_answered_probes_close(ahead: list[float], plan: list[Step]) -> None:
    """No trouble of the store changes the state, and every change has evidence of its own."""
    world = World(ahead).run(plan)
    opened = sum(state == "open" for _, state in world.table.changes) - len(world.restored)
    closed = sum(state == "closed" for _, state in world.table.changes)
    assert opened * SETTINGS.minimum_calls * SETTINGS.failure_rate <= world.failures
    assert closed <= world.answered_tokens


@unhurried
@given(clocks, plans(*MACHINES))
def test_a_lost_store_leaves_an_open_circuit_open(ahead: list[float], plan: list[Step]) -> None:
    """Who knows that it is open makes no call until the store can be asked for a token."""
    world = World(ahead).run(plan)
    for environment in world.environments:
        environment.client.usual = "away"
    state = world.table.state
    known = [world.constant_state(environment.client.heard, world.time.now) for environment in world.environments]
    paused = [
        environment.gate.is_open and now != "open" for environment, now in zip(world.environments, known, strict=True)
    ]
    world.up = True
    for _ in range(20):
        world.time.now += 3
        for environment, known_state, has_pause in zip(world.environments, known, paused, strict=True):
            answer = world.begin(environment)
            assert isinstance(answer, Wait) or known_state != "open"
            assert isinstance(answer, Go) or known_state != "closed" or has_pause
    assert world.table.state == state


@pytest.mark.requirement("ISO-12")
@unhurried
@given(clocks, plans(*MACHINES))
def test_an_answered_probe_closes_everywhere_within_the_age(ahead: list[float], plan: list[Step]) -> None:
    """When all is well again the circuit closes by itself, and a moment later nobody waits any more."""
    world = World(ahead).run(plan)
    world.up, world.retry_after = True, None
    for environment in world.environments:
        environment.client.usual = "well"
    closed_at = None
    for _ in range(250):
        world.time.now += 0.5
        for environment in world.environments:
            answer = world.work(environment)
            if closed_at is not None and world.time.now > closed_at + BLIND:
                assert isinstance(answer, Go)
        if closed_at is None and world.table.state == "closed" and not any(e.gate.is_open for e in world.environments):
            closed_at = world.table.changes[-1][0] if world.table.changes else world.time.now
    assert closed_at is not None


@unhurried
@given(clocks, plans(*PEOPLE))
def test_isolation_stays_until_restored(ahead: list[float], plan: list[Step]) -> None:
    """No environment ends it, whatever it knew before."""
    world = World(ahead).run(plan)
    for (_, before), (moment, after) in pairwise(world.table.changes):
        assert before != "isolated" or after == "isolated" or moment in world.restored
