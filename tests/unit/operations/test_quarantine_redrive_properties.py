"""What holds of a redrive wherever it is interrupted, whatever the stream refuses."""

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from itertools import count, groupby
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from constructs_lib.local.event_source_mapping.messages import Record
from constructs_lib.operations.quarantine.items import BY_LAMBDA, BY_RUNTIME
from constructs_lib.operations.quarantine.search import Filter
from tests.unit.operations.world import Crash, Mode, World, data_of

pytestmark = pytest.mark.requirement("MSG-08", "ISO-06")

# Who quarantined a record, and its key.
records = st.lists(
    st.tuples(st.sampled_from(["runtime", "lambda", "both"]), st.sampled_from("abc")), min_size=1, max_size=12
)
MODES: tuple[Mode, ...] = get_args(Mode)
troubles = st.lists(st.tuples(st.integers(0, 60), st.sampled_from(MODES)), max_size=4)


def fill(world: World, kinds: Sequence[tuple[str, str]]) -> list[Record]:
    """Quarantine one record for each of *kinds*; Lambda's come in batches of at most four."""
    made = [(who, world.record(key)) for who, key in kinds]
    by_lambda = [record for who, record in made if who != "runtime"]
    for start in range(0, len(by_lambda), 4):
        world.by_lambda(by_lambda[start : start + 4])
    for who, record in made:
        if who != "lambda":
            world.by_runtime(record)
    return [record for _, record in made]


def check(world: World, made: Sequence[Record], interruptions: int) -> None:
    """Everything is there, unchanged, in the order of each key; what is there twice stands side by side."""
    for key in {record.key for record in made}:
        there = [each.data for each in world.stream.taken if each.partition_key == key]
        assert [data for data, _ in groupby(there)] == [data_of(record) for record in made if record.key == key]
        assert sum(number - 1 for number in Counter(there).values()) <= interruptions
    assert {each.partition_key for each in world.stream.taken} == {record.key for record in made}
    assert world.desk().items(Filter()) == ()


def interrupted(world: World, at: int, mode: Mode, rate: float) -> bool:
    """Redrive, and let the call of that number go wrong; False where that stopped nothing."""
    world.calls.wrong(at, mode)
    try:
        world.redrive(rate=rate)
    except (Crash, ConnectionError):
        return True
    finally:
        # A lease that could not be given back ends by itself.
        world.clock.time += timedelta(minutes=3)
    return False


@settings(deadline=None, max_examples=150)
@given(
    kinds=records, troubles=troubles, refusals=st.lists(st.booleans(), max_size=20), rate=st.sampled_from([1, 3, 500])
)
def test_all_are_sent_in_the_order_of_each_key_through_any_interruption(
    kinds: list[tuple[str, str]], troubles: list[tuple[int, Mode]], refusals: list[bool], rate: float
) -> None:
    """Killed any number of times at any call, before or after its effect, and refused in part by the stream."""
    world = World()
    made = fill(world, kinds)
    originals = {key: body for key, body in world.bucket.objects.items() if key.startswith((BY_RUNTIME, BY_LAMBDA))}
    to_come = iter(refusals)
    world.stream.accepts = lambda _: not next(to_come, False)
    interruptions = sum([interrupted(world, at, mode, rate) for at, mode in troubles])
    world.calls.wrong(None)
    world.redrive(rate=rate)
    check(world, made, interruptions)
    assert originals.items() <= world.bucket.objects.items()


@pytest.mark.parametrize("mode", MODES)
def test_it_may_be_interrupted_at_each_of_its_calls(mode: Mode) -> None:
    """One fixed quarantine, every single point of interruption."""
    kinds = [("runtime", "a"), ("lambda", "a"), ("both", "b"), ("lambda", "c"), ("runtime", "a"), ("runtime", "b")]
    for at in count():
        world = World()
        made = fill(world, kinds)
        reached = interrupted(world, at, mode, rate=2)
        world.calls.wrong(None)
        world.redrive(rate=2)
        check(world, made, 1)
        if not reached and at > world.calls.number:
            break
    assert at > 20, "the calls were counted"
