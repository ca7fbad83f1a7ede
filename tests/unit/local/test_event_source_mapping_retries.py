"""What happens when the function fails: retries, bisecting, backoff, and what does not count."""

import pytest

from constructs_lib.local.event_source_mapping.config import Config
from constructs_lib.local.event_source_mapping.messages import Condition, FunctionFailed, NotInvoked
from constructs_lib.local.event_source_mapping.unknowns import (
    AT_ONCE,
    EVERY_SECOND,
    Backoff,
    RetriedBatch,
    SplitWithoutRetries,
    Unknowns,
    choices,
)
from tests.unit.local.virtual_shard import Answer, VirtualShard, answering, failing, succeeding


def test_a_failed_batch_is_sent_again_as_it_was() -> None:
    """The whole batch, in the same order, until the function succeeds; what follows waits."""
    shard = VirtualShard(Config(batch_size=2), function=failing("2", times=2))
    shard.put(0.0, *"abc")
    shard.run(until=100.0)
    assert shard.batches == [["1", "2"], ["1", "2"], ["1", "2"], ["3"]]
    assert shard.delivered == ["1", "2", "3"]


def test_without_limits_a_poison_record_blocks_its_shard_until_it_expires() -> None:
    """The defaults: nothing behind it moves while the stream keeps the record."""
    shard = VirtualShard(Config(batch_size=1, retention=3600.0), function=failing("1"))
    shard.put(0.0, "a")
    shard.put(100.0, "b")
    shard.run(until=3600.0)
    assert set(map(tuple, shard.batches)) == {("1",)}
    shard.run(until=3700.0)
    assert shard.delivered == ["2"]


@pytest.mark.parametrize("retries", [0, 1, 5])
def test_retries_are_attempts_after_the_first(retries: int) -> None:
    """A limit of n means n + 1 invocations, then the batch is given up and the next one comes."""
    shard = VirtualShard(Config(batch_size=2, retries=retries, destination=True), function=failing("1"))
    shard.put(0.0, *"abc")
    shard.run(until=1000.0)
    assert shard.batches == [["1", "2"]] * (retries + 1) + [["3"]]
    (discard,) = shard.discards
    assert discard.condition is Condition.RETRY_ATTEMPTS_EXHAUSTED
    assert discard.invoke_count == retries + 1
    assert shard.discarded == ["1", "2"]
    assert shard.delivered == ["3"]


def test_tries_that_do_not_reach_the_function_do_not_count() -> None:
    """Throttles and service errors are tried again however often, and use up no retry."""
    shard = VirtualShard(Config(retries=1), function=answering(*[NotInvoked()] * 20, FunctionFailed()))
    shard.put(0.0, "a")
    shard.run(until=5000.0)
    assert shard.batches == [["1"], ["1"]]
    assert shard.delivered == ["1"]


def test_tries_that_do_not_reach_the_function_do_not_split() -> None:
    """Bisecting is for function errors only."""
    shard = VirtualShard(Config(bisect=True), function=answering(NotInvoked(), NotInvoked()))
    shard.put(0.0, *"abcd")
    shard.run(until=100.0)
    assert shard.batches == [["1", "2", "3", "4"]]


def test_bisecting_isolates_a_poison_record() -> None:
    """The batch is halved until the record that fails is alone; the others are delivered in order."""
    shard = VirtualShard(Config(bisect=True, retries=1), function=failing("3"))
    shard.put(0.0, *"abcde")
    shard.run(until=1000.0)
    assert shard.batches == [["1", "2", "3", "4", "5"], ["1", "2"], ["3", "4", "5"], ["3"], ["3"], ["4", "5"]]
    assert shard.discarded == ["3"]
    assert shard.delivered == ["1", "2", "4", "5"]


def test_splitting_uses_up_no_retry() -> None:
    """However often it was split before, a single record has all its retries."""
    shard = VirtualShard(Config(bisect=True, retries=3), function=failing("8"))
    shard.put(0.0, *"abcdefgh")
    shard.run(until=1000.0)
    assert shard.batches.count(["8"]) == 4


@pytest.mark.parametrize(
    ("choice", "discarded"),
    [(SplitWithoutRetries.SPLITS, ["2"]), (SplitWithoutRetries.DISCARDS, ["1", "2"])],
)
def test_unknown_whether_a_batch_without_retries_is_split(choice: SplitWithoutRetries, discarded: list[str]) -> None:
    """With no retries at all, bisecting isolates the record or does not come into play."""
    shard = VirtualShard(
        Config(bisect=True, retries=0, unknowns=Unknowns(split_without_retries=choice)), function=failing("2")
    )
    shard.put(0.0, *"ab")
    shard.run(until=100.0)
    assert shard.discarded == discarded


def test_the_wait_between_tries_grows_to_a_limit() -> None:
    """Exponential backoff, here from one second to eight."""
    backoff = Backoff(first=1.0, factor=2.0, longest=8.0)
    shard = VirtualShard(Config(unknowns=Unknowns(backoff=backoff)), function=failing("1", times=5))
    shard.put(0.0, "a")
    shard.run(until=100.0)
    assert shard.times == [0.0, 1.0, 3.0, 7.0, 15.0, 23.0]


def test_the_wait_after_throttles_grows_and_starts_anew() -> None:
    """Throttles back off by themselves; once the function was reached, the next throttle waits the shortest time."""
    tries: list[float] = []
    answers: list[Answer] = [NotInvoked(), NotInvoked(), FunctionFailed(), NotInvoked()]

    def function(_sequences: list[str]) -> Answer:
        tries.append(shard.now)
        return answers.pop(0) if answers else succeeding([])

    shard = VirtualShard(Config(), function=function)
    shard.put(0.0, "a")
    shard.run(until=100.0)
    assert tries == [0.0, 1.0, 3.0, 4.0, 5.0]


@pytest.mark.parametrize("backoff", choices("backoff"))
def test_unknown_how_long_retries_wait(backoff: Backoff) -> None:
    """Whatever the wait, the number of attempts and the order are the same."""
    shard = VirtualShard(Config(retries=2, unknowns=Unknowns(backoff=backoff)), function=failing("1"))
    shard.put(0.0, "a", "b")
    shard.put(1000.0, "c")
    shard.run(until=2000.0)
    assert shard.batches == [["1", "2"]] * 3 + [["3"]]
    assert (backoff in (AT_ONCE, EVERY_SECOND)) or shard.times[:3] == [0.0, 1.0, 3.0]


@pytest.mark.parametrize(
    ("choice", "second"),
    [(RetriedBatch.SAME_RECORDS, ["1"]), (RetriedBatch.REFILLED, ["1", "2", "3"])],
)
def test_unknown_whether_a_retried_batch_takes_new_records(choice: RetriedBatch, second: list[str]) -> None:
    """What arrived since joins the retried batch, up to its size, or waits for the next."""
    shard = VirtualShard(
        Config(batch_size=3, poll_interval=0.1, unknowns=Unknowns(retried_batch=choice)), function=failing("1", times=1)
    )
    shard.put(0.0, "a")
    shard.put(0.5, *"bcd")
    shard.run(until=10.0)
    assert shard.batches[:2] == [["1"], second]
    assert shard.delivered == ["1", "2", "3", "4"]


def test_a_refilled_batch_keeps_its_limits() -> None:
    """Records that join a retried batch neither renew its attempts nor make it larger than the payload."""
    shard = VirtualShard(
        Config(retries=1, poll_interval=0.1, unknowns=Unknowns(retried_batch=RetriedBatch.REFILLED)),
        function=failing("1"),
    )
    shard.put(0.0, "a", size=4_000_000)
    shard.put(0.5, "b", size=2_000_000)
    shard.put(0.5, "c", size=2_000_000)
    shard.run(until=10.0)
    assert shard.batches == [["1"], ["1", "2"], ["3"]]
    assert shard.discarded == ["1", "2"]


def test_a_split_batch_is_not_refilled() -> None:
    """A half stays a half, or later records would overtake the other half."""
    shard = VirtualShard(
        Config(bisect=True, retries=1, poll_interval=0.1, unknowns=Unknowns(retried_batch=RetriedBatch.REFILLED)),
        function=failing("1"),
    )
    shard.put(0.0, *"ab")
    shard.put(0.5, *"cd")
    shard.run(until=10.0)
    assert shard.batches == [["1", "2"], ["1"], ["1"], ["2"], ["3", "4"]]
    assert shard.discarded == ["1"]


def test_a_batch_without_room_is_not_refilled() -> None:
    """A payload that is nearly full takes no record that would make it too large."""
    shard = VirtualShard(
        Config(poll_interval=0.1, unknowns=Unknowns(retried_batch=RetriedBatch.REFILLED)),
        function=failing("1", times=1),
    )
    shard.put(0.0, "a", size=5_000_000)
    shard.put(0.5, "b", size=2_000_000)
    shard.run(until=10.0)
    assert shard.batches == [["1"], ["1"], ["2"]]
