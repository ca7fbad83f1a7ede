"""Working off what is parked: what becomes of each record, whose turn it is, and what a crash costs."""

import itertools
from typing import Any

import pytest

from constructs_lib.runtime import DependencyUnavailable, PermanentFailure, TenantUnavailable
from constructs_lib.runtime.stream_ports import Go, Outcome, Probe, Wait
from tests.unit.runtime.events import ARRIVED
from tests.unit.runtime.fakes import MemoryQuarantine, RecordingWatch
from tests.unit.runtime.parking_world import HOLD_SECONDS, Actors, OpenGate, World, parked
from tests.unit.runtime.stream_batches import raising


def pile(world: World, number: int, *, tenant: str = "acme", first: int = 1) -> None:
    world.park(*(parked(position, tenant=tenant, key=f"{tenant}-key") for position in range(first, first + number)))


def test_pile_is_worked_off_in_order_and_forgotten() -> None:
    """Nothing is left of it, and the tenant's next record goes the direct way again."""
    world = World()
    pile(world, 60)
    world.drain()
    assert world.done == [str(position) for position in range(1, 61)]
    assert world.store.waiting(["acme"]) == frozenset()
    assert set(world.table.rows) == {("status", "status")}
    assert world.watch.published == {"RecordsDone": 60, "RecordsUnparked": 60}
    assert world.gate.told == [(Outcome.ANSWERED, None, False)] * 60


def test_nothing_parked_is_one_question() -> None:
    """And the gauges say so, so that their silence means that nobody looks."""
    world = World()
    world.drain()
    assert world.table.calls == 1
    assert world.watch.gauges == {"TenantsParked": (0, "Count"), "OldestParkedAge": (0.0, "Seconds")}


def test_tenant_is_left_alone_until_its_time() -> None:
    """What the other side asked for is honoured; the invocation waits for it where it has the time."""
    world = World()
    world.park(parked(1), until=ARRIVED + 30)
    world.park(parked(2, tenant="globex"), until=ARRIVED + 3_600)
    world.drain()
    assert world.done == ["1"]
    assert world.time.seconds >= ARRIVED + 30
    assert world.waits("globex") == ["2"]
    assert world.watch.gauges["TenantsParked"] == (1, "Count")


def test_nobody_is_waited_for_whose_time_comes_too_late() -> None:
    """An invocation that could not begin anything any more ends at once."""
    world = World(timeout_seconds=10)
    world.park(parked(1), until=ARRIVED + 9)
    world.park(parked(2, tenant="globex"), until=ARRIVED + 3_600)
    world.drain()
    assert world.time.pauses == []


def test_tenant_that_is_still_away_waits_on_and_nobody_else_does() -> None:
    """One call, then its time begins anew; nothing of its pile is touched."""
    world = World(away={"acme"}, timeout_seconds=2)
    pile(world, 3)
    pile(world, 3, tenant="globex", first=10)
    world.drain()
    assert world.called.count("1") == 1
    assert world.done == ["10", "11", "12"]
    assert world.waits() == ["1", "2", "3"]
    marker = world.store.markers()["=acme"]
    assert (marker.owner, marker.misses) == ("", 1)
    assert marker.until == pytest.approx(world.time.seconds + 2, abs=2)
    assert not world.quarantine.cases


def test_pauses_grow_for_a_tenant_that_says_nothing_and_begin_anew_when_it_is_back() -> None:
    """A removed app is not asked for every second for a week."""
    world = World(behaviour={"1": raising(*[TenantUnavailable("gone")] * 9, None)})
    at: list[float] = []
    behave = world.behaviour["1"]

    def be_asked() -> None:
        at.append(world.time.seconds)
        behave()

    world.behaviour["1"] = be_asked
    pile(world, 1)
    while not world.done and world.time.seconds < ARRIVED + 3_600:
        begun = world.time.seconds
        world.drain()
        world.time.seconds = max(world.time.seconds, begun + 60)
    pauses = [later - earlier for earlier, later in itertools.pairwise(at)]
    assert len(pauses) == 9
    assert all(pause >= 2**number for number, pause in enumerate(pauses))
    assert world.store.waiting(["acme"]) == frozenset()


def test_permanent_failure_goes_to_quarantine_and_the_next_record_continues() -> None:
    """As on the direct way."""
    world = World(behaviour={"1": raising(PermanentFailure("channel_not_found"))})
    pile(world, 2)
    world.drain()
    [case] = world.quarantine.cases
    assert (case.kind, case.reason, case.attempts, case.function) == (
        "permanent",
        "channel_not_found",
        1,
        "notify-slack",
    )
    assert world.done == ["2"]
    assert world.watch.published == {"RecordsDone": 1, "RecordsQuarantined": 1, "RecordsUnparked": 2}


def test_record_that_fails_for_no_known_reason_has_three_attempts() -> None:
    """Others have their turns in between, and each attempt after the first is paid from the retry budget."""
    world = World(behaviour={"1": raising(KeyError("block"))})
    pile(world, 2)
    pile(world, 1, tenant="globex", first=10)
    world.drain()
    assert world.called == ["1", "10", "1", "1", "2"]
    assert world.kinds() == [("1", "unknown")]
    assert world.quarantine.cases[0].attempts == 3
    assert world.gate.asked == [True, True, False, False, True]


def test_attempts_are_counted_across_invocations() -> None:
    """A record whose attempts do not fit into one is not tried for ever."""
    world = World(behaviour={"1": raising(OSError("slow"))}, seconds_per_call=40, timeout_seconds=45)
    pile(world, 1)
    for _ in range(5):
        world.drain()
    assert world.called == ["1", "1", "1"]
    assert world.kinds() == [("1", "unknown")]


def test_retry_waits_for_the_retry_budget() -> None:
    """A dependency that struggles is not asked twice as often."""
    world = World(behaviour={"1": raising(OSError(), None)})
    world.gate.retry_pauses = [20.0]
    pile(world, 1)
    world.drain()
    assert world.done == ["1"]
    assert world.time.seconds >= ARRIVED + 20


def test_handler_that_fails_for_most_keys_quarantines_nothing() -> None:
    """It is the handler, so its records wait, and somebody is told."""
    world = World(behaviour={"1": raising(KeyError("bug"))}, timeout_seconds=30)
    world.suspicion.blames_handler = True
    pile(world, 1)
    world.drain()
    assert world.waits() == ["1"]
    assert not world.quarantine.cases
    assert world.watch.published["HandlerFailing"] >= 1
    world.suspicion.blames_handler = False
    world.behaviour.clear()
    world.time.pass_by(60)
    world.drain()
    assert world.done == ["1"]


def test_open_circuit_stops_all_calls_until_it_may_be_asked_again() -> None:
    """No tenant's turn is used up on a dependency that is away, and a probe that is granted is told as one."""
    world = World()
    world.gate.answers = [Wait(ARRIVED + 20), Probe()]
    pile(world, 1)
    pile(world, 1, tenant="globex", first=10)
    world.drain()
    assert sorted(world.done) == ["1", "10"]
    assert world.time.seconds >= ARRIVED + 20
    assert world.gate.told[0] == (Outcome.ANSWERED, None, True)
    assert len(world.gate.asked) == 3


def test_dependency_that_is_away_costs_no_record_its_attempts() -> None:
    """While the circuit is open, failures are the dependency's; its Retry-After reaches the circuit."""
    world = World(behaviour={"1": raising(*[DependencyUnavailable("503", retry_after=7)] * 20, None)})
    world.gate.is_open = True
    pile(world, 1)
    world.drain()
    assert not world.quarantine.cases
    assert world.gate.told[0] == (Outcome.UNAVAILABLE, 7, False)
    assert world.store.waiting(["acme"]) or world.done == ["1"]


def test_probes_go_round() -> None:
    """A record that alone makes the dependency fail does not take every probe."""
    world = World(behaviour={"1": raising(DependencyUnavailable("500"))}, timeout_seconds=20)
    world.gate.is_open = True
    world.gate.answers = [Probe(), Wait(ARRIVED + 5), Probe()]
    pile(world, 2)
    pile(world, 1, tenant="globex", first=10)
    world.drain()
    assert world.called[:2] == ["1", "10"]


def test_record_that_the_dependency_never_answers_is_given_up_while_others_are_answered() -> None:
    """One payload that makes a provider answer 500 must not hold its tenant for days."""
    world = World(behaviour={"1": raising(DependencyUnavailable("500"))})
    pile(world, 2)
    for _ in range(20):
        pile(world, 1, tenant="globex", first=10)
        world.drain()
    assert world.kinds() == [("1", "unavailable")]
    assert "2" in world.done


def test_no_record_is_given_up_for_an_outage_that_the_circuit_has_not_seen() -> None:
    """Nobody else is answered; so far as anybody can know the dependency is away."""
    world = World(behaviour={"1": raising(*[DependencyUnavailable("503")] * 40, None)})
    pile(world, 2)
    for _ in range(20):
        world.drain()
    assert world.called.count("1") == 41
    assert world.done == ["1", "2"]
    assert not world.quarantine.cases


def test_an_answer_from_before_the_first_failure_proves_nothing() -> None:
    """Outages begin at some time, and here it may be in between."""
    world = World(behaviour={"1": raising(DependencyUnavailable("503"))}, seconds_per_call=0.1)
    pile(world, 1)
    for _ in range(5):
        pile(world, 3, tenant="aaa", first=10)
        world.drain()
    assert world.called.count("1") > 20
    assert len(world.done) == 15
    assert not world.quarantine.cases


class GateOfMany(OpenGate):
    """A gate that every fifth failure opens, and that somebody else's probe closes four seconds later."""

    closes_at = 0.0

    def ask(self, now: float, *, first: bool = True) -> Go | Probe | Wait:
        self.is_open &= now < self.closes_at
        return Wait(now + 1) if self.is_open else Go()

    def tell(self, now: float, outcome: Outcome, **given: Any) -> None:
        super().tell(now, outcome, **given)
        if len(self.told) % 5 == 0:
            self.is_open, self.closes_at = True, now + 4


def test_a_circuit_that_closes_proves_that_others_are_answered() -> None:
    """A record parked alone opens it, and somebody else's probe closes it: so it is that record's own trouble."""
    world = World(behaviour={"1": raising(DependencyUnavailable("500"))}, gate=GateOfMany())
    pile(world, 2)
    for _ in range(10):
        world.drain()
    assert world.kinds() == [("1", "unavailable")]
    assert world.done == ["2"]


def test_what_has_waited_too_long_goes_to_quarantine() -> None:
    """Though its tenant is not to be asked for, and wherever it stands in the pile; what is younger stays."""
    world = World(away={"acme"})
    world.park(
        parked(1, arrived=ARRIVED), parked(2, arrived=ARRIVED - 500), parked(3, arrived=ARRIVED), until=ARRIVED + 1e9
    )
    world.drain()
    assert not world.quarantine.cases
    world.time.seconds = ARRIVED - 500 + HOLD_SECONDS + 1
    world.drain()
    assert world.kinds() == [("2", "expired")]
    assert world.waits() == ["1", "3"]
    assert not world.called
    assert world.store.markers()["=acme"].oldest == ARRIVED
    assert world.watch.gauges["OldestParkedAge"][0] == pytest.approx(HOLD_SECONDS - 499, abs=60)
    world.time.seconds = ARRIVED + HOLD_SECONDS + 1
    world.drain()
    assert world.kinds() == [("2", "expired"), ("1", "expired"), ("3", "expired")]
    assert world.store.waiting(["acme"]) == frozenset()
    assert world.watch.published == {"RecordsQuarantined": 3, "RecordsUnparked": 3}


def test_large_pile_that_has_waited_too_long_leaves_room_for_others() -> None:
    """Giving up is bounded per turn too."""
    world = World()
    pile(world, 300)
    world.time.seconds = ARRIVED + HOLD_SECONDS + 1
    world.park(parked(1_000, tenant="globex", arrived=world.time.seconds))
    at: list[int] = []
    world.behaviour["1000"] = lambda: at.append(len(world.quarantine.cases))
    world.drain()
    assert at == [100]
    assert len(world.quarantine.cases) == 300


def test_record_that_cannot_be_put_into_quarantine_stays() -> None:
    """Parked it is safe; the drainer neither spins nor goes on with what is behind it."""
    world = World(behaviour={"1": raising(PermanentFailure("no"))}, quarantine=MemoryQuarantine(failures=3))
    pile(world, 2)
    world.drain()
    assert world.called.count("1") == 4
    assert world.kinds() == [("1", "permanent")]
    assert world.done == ["2"]


def test_expired_record_that_cannot_be_put_into_quarantine_stays() -> None:
    """It is tried once per drain, not in a loop."""
    world = World(away={"acme"}, quarantine=MemoryQuarantine(failures=1))
    world.park(parked(1), until=ARRIVED + 1e9)
    world.time.seconds = ARRIVED + HOLD_SECONDS + 1
    asked = world.store.markers()["=acme"].until
    world.drain()
    assert world.waits() == ["1"]
    assert world.store.markers()["=acme"].until == asked
    world.drain()
    assert world.kinds() == [("1", "expired")]
    assert not world.called


@pytest.mark.requirement("ISO-15")
def test_pile_of_ten_thousand_does_not_starve_a_pile_of_three() -> None:
    """The small one is done after one turn of the large one, long before that one is."""
    world = World(seconds_per_call=0.1)
    world.table.checks = False  # which would take as long as the pile is
    pile(world, 10_000, tenant="chatty")
    pile(world, 3, tenant="quiet", first=20_000)
    world.drain()
    assert world.done.index("20002") < 2 * 25 + 3
    assert world.store.waiting(["chatty", "quiet"]) == {"chatty"}


def test_tenant_whose_last_turn_is_longest_ago_comes_first() -> None:
    """Also in the next invocation: with time for one turn each time, everybody has one."""
    world = World(seconds_per_call=1, timeout_seconds=26)
    for index, tenant in enumerate(["a", "b", "c"]):
        pile(world, 100, tenant=tenant, first=1_000 * index)
    for _ in range(3):
        world.drain()
        world.time.pass_by(60)
    assert {len(position) and int(position) // 1_000 for position in world.done} == {0, 1, 2}


def test_work_stops_before_the_deadline_and_before_the_next_drainer() -> None:
    """What does not fit stays parked, and the lease is given back."""
    short, long = World(seconds_per_call=4, timeout_seconds=20), World(seconds_per_call=4, timeout_seconds=900)
    for world, most in ((short, 20), (long, 56)):
        pile(world, 100)
        world.drain()
        assert 0 < world.time.seconds - ARRIVED <= most
        assert world.store.markers()["=acme"].owner == ""


def test_failure_of_one_tenants_rows_leaves_the_others_alone() -> None:
    """Whatever is wrong with them, the next tenant has its turn."""
    world = World()
    pile(world, 1)
    pile(world, 1, tenant="globex", first=10)
    for key, item in world.table.rows.items():
        if key[0] == "tenant#=acme":
            del item["payload"]
    world.drain()
    assert world.done == ["10"]
    assert [line.level for line in world.watch.lines if "turn" in line.message] == ["error"]


def test_row_deleted_by_hand_holds_its_tenant_for_no_longer_than_a_lease() -> None:
    """The count is wrong then; the pile is worked off, and the marker goes when nobody finds a row any more."""
    world = World()
    world.table.checks = False
    pile(world, 2)

    def delete() -> None:
        [slot] = [sk for pk, sk in world.table.rows if pk.startswith("tenant#") and sk.endswith("-1")]
        del world.table.rows["tenant#=acme", slot]

    world.behaviour["1"] = delete
    before = world.table.calls
    world.drain()
    assert world.table.calls - before < 20
    for _ in range(3):
        world.time.pass_by(180)
        world.drain()
    assert world.done == ["1", "2"]
    assert world.store.waiting(["acme"]) == frozenset()


def crash_in(world: World, *, calls: int) -> None:
    """Drain until the environment dies at its so manieth step from now."""
    left = iter(range(calls))
    actors = Actors(choose=lambda names: (names[0], next(left, None) is None))
    world.table.step = actors.step
    actors.run({"drainer": lambda: world.drain(watch=RecordingWatch())})
    world.table.step = lambda: None


def test_crash_after_the_handlers_success_repeats_that_record_only() -> None:
    """Wherever a drainer dies, what follows is done once, in order, and at most one record twice."""
    repeated: set[str] = set()
    for calls in range(1, 60):
        world = World()
        pile(world, 3)
        crash_in(world, calls=calls)
        world.time.pass_by(121)
        world.drain()
        assert world.store.waiting(["acme"]) == frozenset(), calls
        twice = [position for position in ("1", "2", "3") if world.done.count(position) > 1]
        assert len(twice) <= 1
        assert len(world.done) == 3 + len(twice)
        assert sorted(set(world.done)) == ["1", "2", "3"]
        repeated.update(twice)
    assert repeated == {"1", "2", "3"}


def test_record_that_ends_the_function_goes_to_quarantine_and_takes_no_other_with_it() -> None:
    """Which of them did it shows when each attempt is noted before it begins; those beside it are done."""
    world = World()
    actors = Actors(choose=lambda names: (names[0], False))

    def die() -> None:
        actors._doomed.add("drainer")
        actors.step()

    pile(world, 5)
    pile(world, 2, tenant="globex", first=10)
    world.behaviour["3"] = die
    crashes = 0
    for _ in range(8):
        world.table.step = actors.step
        actors.crashed.clear()
        actors.run({"drainer": lambda: world.drain(watch=RecordingWatch())})
        crashes += len(actors.crashed)
        world.time.pass_by(180)
    assert crashes == 4
    assert world.kinds() == [("3", "crashed")]
    assert world.done == ["1", "2", "10", "11", "4", "5"]


def test_attempt_that_ended_is_not_taken_for_a_crash() -> None:
    """Crashes of the environment between attempts that end well do not add up to a record that is to blame."""
    world = World()
    actors = Actors(choose=lambda names: (names[0], False))
    attempts = itertools.count()

    def die_or_be_away() -> None:
        if next(attempts) % 2:
            raise TenantUnavailable("429", retry_after=600)
        actors._doomed.add("drainer")
        actors.step()

    pile(world, 1)
    world.behaviour["1"] = die_or_be_away
    for _ in range(12):
        world.table.step = actors.step
        actors.run({"drainer": lambda: world.drain(watch=RecordingWatch())})
        world.time.pass_by(700)
    assert len(actors.crashed) == 6
    assert world.waits() == ["1"]
    assert not world.quarantine.cases


def test_second_drainer_leaves_alone_what_the_first_one_works_on() -> None:
    """Though its clock is ahead by as much as clocks may differ."""
    world = World(timeout_seconds=60)
    pile(world, 2)

    def second() -> None:
        world.drain(ahead=59)

    world.behaviour["1"] = second
    world.drain()
    assert world.called == ["1", "2"]
    assert world.done == ["1", "2"]


def test_clock_that_is_wrong_by_an_hour_costs_a_repetition_at_most() -> None:
    """A drainer that takes a running turn for a dead one: nothing is lost, and the first one stops."""
    world = World()
    pile(world, 3)
    seen: list[str] = []

    def second() -> None:
        if not seen:
            seen.append("once")
            world.drain(ahead=3_600, watch=RecordingWatch())

    world.behaviour["1"] = second
    world.drain()
    assert sorted(set(world.done)) == ["1", "2", "3"]
    assert world.done.count("1") == 2
    assert len(world.done) == 4
    assert world.store.waiting(["acme"]) == frozenset()
    assert "another drainer works for this tenant" in [line.message for line in world.watch.lines]


def test_clock_behind_waits_longer_and_loses_nothing() -> None:
    """A drainer whose clock is behind finds the tenant's time not come yet."""
    world = World()
    world.park(parked(1), until=ARRIVED)
    world.drain(ahead=-3_600)
    assert world.called == []
    world.drain()
    assert world.done == ["1"]


def test_several_lanes_work_for_several_tenants_and_keep_each_ones_order() -> None:
    """With real threads: all is done once, in each tenant's order, and the table in memory stays whole."""
    world = World()
    for index in range(8):
        pile(world, 40, tenant=f"tenant-{index}", first=1_000 * (index + 1))
    world.drain(lanes=4)
    assert len(world.done) == 320
    for index in range(8):
        mine = [int(position) for position in world.done if int(position) // 1_000 == index + 1]
        assert mine == sorted(mine)
    assert set(world.table.rows) == {("status", "status")}
