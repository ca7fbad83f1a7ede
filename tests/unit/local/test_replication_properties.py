"""What must hold whatever happens: any writes, lags, partitions and lost regions, under every reading of the unknowns."""

from itertools import combinations
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from constructs_lib.local.replication.machine import Replication
from constructs_lib.local.replication.unknowns import Backlog, TieBreak, UnchangedWrite, Unknowns
from tests.unit.local.test_replication import AP, EU, US, item, key

REGIONS = (US, EU, AP)
NAMES = ("a", "b")

unknowns = st.builds(
    Unknowns,
    tie_break=st.sampled_from(TieBreak),
    backlog=st.sampled_from(Backlog),
    unchanged_write=st.sampled_from(UnchangedWrite),
)
regions = st.sampled_from(REGIONS)
pairs = st.sampled_from(list(combinations(REGIONS, 2)))
# Waits of nothing make writes of the same moment; without them every write has a time of its own.
steps = st.lists(
    st.one_of(
        st.tuples(st.just("write"), regions, st.sampled_from(NAMES), st.booleans()),
        st.tuples(st.just("arrive"), regions),
        st.tuples(st.just("wait"), st.sampled_from([0.0, 1.0, 7.0])),
        st.tuples(st.just("lag"), st.sampled_from([0.0, 2.0, 20.0])),
        st.tuples(st.sampled_from(["pause", "resume"]), pairs),
        st.tuples(st.sampled_from(["pause_region", "resume_region"]), regions),
    ),
    max_size=40,
)


class Play:
    """Does *steps*, and ends every fault afterwards until nothing is on its way."""

    def __init__(self, unknowns: Unknowns, steps: list[tuple[Any, ...]], between_writes: float) -> None:
        self.replication = Replication(REGIONS, unknowns=unknowns)
        self.now = 0.0
        self.between_writes = between_writes
        self.writes: dict[str, list[tuple[float, str | None]]] = {name: [] for name in NAMES}
        self.arrivals: dict[tuple[str, str, str], list[float]] = {}
        for number, (step, *arguments) in enumerate(steps):
            self.do(number, step, *arguments)
        for pair in combinations(REGIONS, 2):
            self.replication.resume(*pair)
        for region in REGIONS:
            self.replication.resume_region(region)
        self.replication.set_lag(0.0)
        for _ in range(1000):
            if not any(self.arrive(region) for region in REGIONS):
                return
        raise AssertionError("it never becomes quiet")

    def do(self, number: int, step: str, *arguments: Any) -> None:
        match step:
            case "write":
                self.now += self.between_writes
                region, name, deletes = arguments
                image = None if deletes else item(name, str(number))
                if self.replication.write(region, key(name), image, self.now):
                    self.writes[name].append((self.now, None if deletes else str(number)))
            case "arrive":
                self.arrive(*arguments)
            case "wait":
                self.now += arguments[0]
            case "lag":
                self.replication.set_lag(*arguments)
            case "pause" | "resume":
                getattr(self.replication, step)(*arguments[0])
            case _:
                getattr(self.replication, step)(*arguments)

    def arrive(self, region: str) -> bool:
        change = self.replication.arrival(region, self.now)
        if change is None:
            return False
        seen = self.arrivals.setdefault((change.origin, region, str(change.key)), [])
        seen.append(change.written)
        self.replication.accept(region, change, self.now)
        return True

    def value(self, region: str, name: str) -> str | None:
        found = self.replication.items(region).get(key(name))
        return found["value"]["S"] if found else None


@given(unknowns, steps)
def test_replicas_converge_once_it_is_quiet(unknowns: Unknowns, steps: list[tuple[Any, ...]]) -> None:
    """The same items in all regions; of each item, one of those written last."""
    play = Play(unknowns, steps, between_writes=0.0)
    assert play.replication.items(US) == play.replication.items(EU) == play.replication.items(AP)
    assert all(one.waiting == 0 for one in play.replication.status(play.now))
    for name, writes in play.writes.items():
        last = max((time for time, _ in writes), default=0.0)
        assert play.value(US, name) in {value for time, value in writes if time == last} | (
            {None} if not writes else set()
        )


@given(unknowns, steps)
def test_the_last_writer_wins(unknowns: Unknowns, steps: list[tuple[Any, ...]]) -> None:
    """Where every write has a time of its own, the winner is known."""
    play = Play(unknowns, steps, between_writes=0.25)
    for name, writes in play.writes.items():
        assert [play.value(region, name) for region in REGIONS] == [writes[-1][1] if writes else None] * 3


@given(unknowns, steps)
def test_changes_of_an_item_arrive_in_order_and_once(unknowns: Unknowns, steps: list[tuple[Any, ...]]) -> None:
    """From each region to each other one; none comes back to where it was written."""
    play = Play(unknowns, steps, between_writes=0.25)
    for (origin, region, _), times in play.arrivals.items():
        assert origin != region
        assert times == sorted(set(times))
