"""What must hold whatever happens: random streams, faults, settings, pauses, and every reading of the unknowns."""

import random
from collections.abc import Callable
from dataclasses import fields
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from constructs_lib.local.event_source_mapping.config import Config
from constructs_lib.local.event_source_mapping.messages import FunctionFailed, NotInvoked, Responded
from constructs_lib.local.event_source_mapping.unknowns import (
    CheckpointScope,
    DestinationFailure,
    InFlightWhenDisabled,
    Unknowns,
    choices,
)
from tests.unit.local.test_event_source_mapping_filters import kinesis_event, only
from tests.unit.local.virtual_shard import Answer, VirtualShard

END = 20_000.0


@st.composite
def configs(draw: st.DrawFn, /, **fixed: Any) -> Config:
    """Any settings, with any choice for each unknown that is not *fixed*."""
    open_ones = [item.name for item in fields(Unknowns) if item.name not in fixed]
    unknowns = Unknowns(**fixed, **{name: draw(st.sampled_from(choices(name))) for name in open_ones})
    return Config(
        batch_size=draw(st.integers(1, 8)),
        window=draw(st.sampled_from([0.0, 5.0])),
        parallelization=draw(st.integers(1, 4)),
        retries=draw(st.sampled_from([0, 1, 4])),
        record_age=draw(st.sampled_from([-1.0, 60.0, 600.0])),
        bisect=draw(st.booleans()),
        partial_responses=draw(st.booleans()),
        destination=draw(st.booleans()),
        filters=only("yes") if draw(st.booleans()) else None,
        retention=draw(st.sampled_from([1e9, 1e9, 900.0])),
        poll_interval=20.0,
        unknowns=unknowns,
    )


def unreliable(seed: int) -> Callable[[list[str]], Answer]:
    """A function that is slow, throttled, raises and reports at random."""
    chance = random.Random(seed)

    def function(sequences: list[str]) -> Answer:
        seconds = chance.choice([0.0, 0.1, 7.0])
        match chance.randrange(8):
            case 0 | 1:
                return seconds, FunctionFailed()
            case 2:
                return seconds, NotInvoked()
            case 3:
                failed = chance.sample(sequences, chance.randint(1, len(sequences)))
                return seconds, Responded({"batchItemFailures": [{"itemIdentifier": one} for one in failed]})
            case 4:
                return seconds, Responded({"batchItemFailures": [{"itemIdentifier": chance.choice(["", None, "x"])}]})
            case _:
                return seconds, Responded(None)

    return function


@st.composite
def shards(draw: st.DrawFn, /, config: Config, *, pauses: bool) -> VirtualShard:
    """A shard with records of a few keys over some minutes, perhaps paused now and then."""
    seed = draw(st.integers(0, 2**32))
    chance = random.Random(seed)
    shard = VirtualShard(
        config,
        function=unreliable(seed),
        destination=lambda: chance.random() < 0.7,
        latency=draw(st.sampled_from([0.0, 0.05])),
    )
    time = 0.0
    for _ in range(draw(st.integers(1, 40))):
        # Drawn by the seed: what Hypothesis would draw itself is mostly too short and too even to find anything.
        time += chance.choice([0.0, 0.0, 0.0, 0.2, 30.0])
        shard.put(time, chance.choice("abcde"), events=kinesis_event(chance.choice(["yes", "yes", "no"])))
    if pauses:
        moment = 0.0
        for gap, length in draw(st.lists(st.tuples(st.floats(0, 60), st.floats(0, 60)), max_size=4)):
            shard.disable(at=moment + gap)
            moment += gap + length
            shard.enable(at=moment)
    return shard


@st.composite
def runs(draw: st.DrawFn, /, *, pauses: bool, **fixed: Any) -> VirtualShard:
    """A shard that ran until nothing was left to do."""
    return draw(shards(draw(configs(**fixed)), pauses=pauses)).run_until_quiet(at_least=1500.0, limit=END)


@settings(max_examples=60, deadline=None)
@given(runs(pauses=True))
def test_every_record_ends_in_exactly_one_way_or_is_repeated(shard: VirtualShard) -> None:
    """Delivered, filtered, discarded, or dropped by the stream's retention before it was read: none is lost."""
    ended = {*shard.delivered, *shard.filtered, *shard.discarded}
    never_read = {record.sequence for record in shard.stream} - ended
    retention = shard.state.config.retention
    assert all(shard.stream[int(sequence) - 1].arrived + retention < shard.now for sequence in never_read)
    assert retention < END or not never_read
    assert shard.state.checkpoint == (shard.state.read or None)


@settings(max_examples=60, deadline=None)
@given(runs(pauses=False, destination_failure=DestinationFailure.RETRIES))
def test_without_pauses_every_record_ends_once(shard: VirtualShard) -> None:
    """A record is done once; a write to the destination may be tried again, the record is still given up once."""
    given_up: set[str] = set()
    for discard in shard.discards:
        given_up.update(record.sequence for record in discard.records)
    done = shard.delivered + shard.filtered + sorted(given_up)
    assert len(done) == len(set(done))


@settings(max_examples=60, deadline=None)
@given(runs(pauses=False))
def test_records_of_a_key_are_done_in_order(shard: VirtualShard) -> None:
    """Whatever fails: what is delivered of a key is delivered in the order it was written."""
    for key in "abcde":
        of_key = [int(sequence) for sequence in shard.delivered if shard.stream[int(sequence) - 1].key == key]
        assert of_key == sorted(of_key)


@settings(max_examples=60, deadline=None)
@given(runs(pauses=True, in_flight_when_disabled=InFlightWhenDisabled.COUNTS))
def test_records_of_a_key_are_never_run_at_the_same_time_or_backwards(shard: VirtualShard) -> None:
    """A record is first run after all that went before it in its key; only what may be repeated comes again."""
    for key in "abcde":
        of_key = [
            int(sequence)
            for invocation in shard.invocations
            for sequence in invocation.sequences
            if shard.stream[int(sequence) - 1].key == key
        ]
        first_runs = list(dict.fromkeys(of_key))
        assert first_runs == sorted(first_runs)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_the_checkpoint_never_skips(data: st.DataObject) -> None:
    """At every moment, whatever lies at or before the checkpoint is done."""
    shard = data.draw(shards(data.draw(configs(destination_failure=DestinationFailure.RETRIES)), pauses=True))
    for moment in range(0, 400, 3):
        shard.run(until=float(moment))
        done = {*shard.delivered, *shard.filtered, *(r.sequence for discard in shard.discards for r in discard.records)}
        checkpoint = int(shard.state.checkpoint or 0)
        passed = {record.sequence for record in shard.stream[:checkpoint]}
        expired = {
            record.sequence
            for record in shard.stream[:checkpoint]
            if record.arrived + shard.state.config.retention < shard.now
        }
        assert passed <= done | expired


@settings(max_examples=60, deadline=None)
@given(runs(pauses=True, checkpoint_scope=CheckpointScope.SHARD))
def test_resuming_from_any_checkpoint_loses_nothing(shard: VirtualShard) -> None:
    """A crash: another machine starts at the last checkpoint this one reached, and finishes the rest."""
    successor = VirtualShard(Config(), checkpoint=shard.checkpoints[len(shard.checkpoints) // 2])
    successor.stream = [record._replace(arrived=0.0) for record in shard.stream]
    successor.run(until=10.0)
    at_crash = int(shard.checkpoints[len(shard.checkpoints) // 2] or 0)
    assert successor.delivered == [record.sequence for record in shard.stream[at_crash:]]


@settings(max_examples=60, deadline=None)
@given(runs(pauses=True))
def test_no_batch_breaks_its_limits(shard: VirtualShard) -> None:
    """Never more records than the batch size, never an empty batch, never a filtered record."""
    config = shard.state.config
    for batch in shard.batches:
        assert 1 <= len(batch) <= config.batch_size
        assert len(batch) == len(set(batch))
        assert [int(sequence) for sequence in batch] == sorted(int(sequence) for sequence in batch)
        if config.filters:
            assert all(config.filters.admit(shard.stream[int(sequence) - 1].event) for sequence in batch)
