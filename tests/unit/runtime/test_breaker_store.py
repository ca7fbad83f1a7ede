"""The status item in DynamoDB: what is read, and who wins when several write."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from constructs_lib.runtime.breaker_store import STATUS_KEY, Change, DynamoStatus
from constructs_lib.runtime.shared_breaker import SharedBreaker
from constructs_lib.runtime.store_time import StoreTime
from constructs_lib.runtime.stream_ports import Status

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient

HEALTHY = SharedBreaker()
DAY = 86_400.0


@pytest.fixture
def client(aws: None) -> "DynamoDBClient":
    client = boto3.client("dynamodb")
    client.create_table(
        TableName="state",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "sk", "AttributeType": "S"},
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    return client


@pytest.fixture
def status(client: "DynamoDBClient") -> DynamoStatus:
    return DynamoStatus(client, "state")


def opened(status: DynamoStatus, *, probe_seconds: float = 5.0) -> SharedBreaker:
    change = status.open(seen=HEALTHY, probe_seconds=probe_seconds, not_before=0.0)
    assert change.done
    return change.breaker


def shared(status: DynamoStatus) -> SharedBreaker:
    return SharedBreaker.of(status.read().breaker)


def test_a_table_without_the_item_says_that_all_is_well(status: DynamoStatus) -> None:
    """Nothing is written for a healthy dependency, not even at its first invocation."""
    assert status.read() == Status()
    assert shared(status) == HEALTHY


def test_what_is_written_is_what_all_read(status: DynamoStatus, client: "DynamoDBClient") -> None:
    """The answer to a write, and every later read, by anyone."""
    breaker = opened(status)
    assert (breaker.state, breaker.epoch) == ("open", 1)
    assert breaker.since == pytest.approx(time.time(), abs=5)
    assert breaker.probe_at == pytest.approx(time.time() + 5, abs=5)
    assert shared(DynamoStatus(client, "state")) == breaker

    closed = status.close(seen=breaker).breaker
    assert (closed.state, closed.epoch) == ("closed", 2)
    assert shared(status) == closed


def test_the_count_of_parked_tenants_is_read_beside_and_left_alone(
    status: DynamoStatus, client: "DynamoDBClient"
) -> None:
    """The item is shared with the parking place: what that one writes stays."""
    client.put_item(TableName="state", Item={**STATUS_KEY, "parked": {"N": "2"}})
    breaker = opened(status)
    status.close(seen=breaker)
    assert status.read().parked == 2


def test_the_first_probe_waits_as_long_as_the_dependency_asked(status: DynamoStatus) -> None:
    """Where that is longer than the interval."""
    later = time.time() + DAY
    change = status.open(seen=HEALTHY, probe_seconds=5.0, not_before=later)
    assert change.breaker.probe_at == pytest.approx(later)


WRITES: dict[str, Callable[[DynamoStatus, SharedBreaker], Change]] = {
    "open": lambda status, seen: status.open(seen=seen, probe_seconds=5.0, not_before=0.0),
    "close": lambda status, seen: status.close(seen=seen),
    "isolate": lambda status, seen: status.isolate(seen=seen, reason="maintenance"),
    "restore": lambda status, seen: status.restore(seen=seen),
    "take_token": lambda status, seen: status.take_token(seen=seen, probe_seconds=5.0),
    "postpone": lambda status, seen: status.postpone(seen=seen, until=time.time() + DAY),
}


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("past", [HEALTHY, SharedBreaker(state="open", epoch=1)])
def test_nobody_writes_on_a_state_that_is_over(status: DynamoStatus, write: str, past: SharedBreaker) -> None:
    """The write changes nothing, and its answer says what is there instead."""
    there = status.isolate(seen=opened(status), reason="maintenance").breaker
    change = WRITES[write](status, past)
    assert change == Change(done=False, breaker=there)
    assert shared(status) == there


@pytest.mark.requirement("ISO-12")
def test_one_of_many_wins_the_token(client: "DynamoDBClient") -> None:
    """When a probe is due and all reach for it; the next is due an interval later."""
    breaker = opened(DynamoStatus(client, "state"), probe_seconds=-10.0)
    changes = [DynamoStatus(client, "state").take_token(seen=breaker, probe_seconds=DAY) for _ in range(4)]
    assert [change.done for change in changes] == [True, False, False, False]
    assert changes[0].breaker.probe_at == pytest.approx(time.time() + DAY, abs=5)


def test_no_token_is_won_before_its_time(status: DynamoStatus) -> None:
    """Neither before the interval is over nor before the time that the dependency asked for."""
    assert not status.take_token(seen=opened(status, probe_seconds=DAY), probe_seconds=5.0).done

    due = status.restore(seen=shared(status)).breaker
    postponed = status.postpone(seen=due, until=time.time() + DAY)
    assert postponed.done
    assert not status.take_token(seen=due, probe_seconds=5.0).done


def test_what_the_dependency_asks_for_is_only_ever_prolonged(status: DynamoStatus) -> None:
    """A shorter time that comes later does not take back a longer one, whether the circuit is open or closed."""
    until = time.time() + DAY
    assert status.postpone(seen=HEALTHY, until=until).done
    assert not status.postpone(seen=HEALTHY, until=until - 60).done
    assert status.postpone(seen=HEALTHY, until=until + 60).done
    assert shared(status).not_before == pytest.approx(until + 60)


def test_restoring_forgets_what_was_asked_for_and_why_it_was_isolated(status: DynamoStatus) -> None:
    """A probe may come at once."""
    postponed = status.postpone(seen=opened(status, probe_seconds=DAY), until=time.time() + DAY).breaker
    isolated = status.isolate(seen=postponed, reason="maintenance").breaker
    assert (isolated.state, isolated.reason) == ("isolated", "maintenance")
    restored = status.restore(seen=isolated).breaker
    assert (restored.state, restored.reason, restored.restored) == ("open", "", restored.epoch)
    assert status.take_token(seen=restored, probe_seconds=5.0).done


class Between:
    """A client whose next updates meet trouble on their way."""

    def __init__(self, client: Any, *troubles: str) -> None:
        self._client = client
        self._troubles = list(troubles)
        self.exceptions = client.exceptions
        self.get_item = client.get_item

    def update_item(self, **request: Any) -> Any:
        trouble = self._troubles.pop(0) if self._troubles else "none"
        if trouble == "conflict":
            response: Any = {"Error": {"Code": "TransactionConflictException", "Message": "..."}}
            raise self.exceptions.TransactionConflictException(response, "UpdateItem")
        answer = self._client.update_item(**request)
        if trouble == "answer lost":
            raise ReadTimeoutError(endpoint_url="https://dynamodb.example")
        return self._client.update_item(**request) if trouble == "tried again" else answer


def test_a_write_that_meets_itself_has_been_done(client: "DynamoDBClient") -> None:
    """The AWS client tries again when an answer is lost; the second try must not be taken for somebody else's win."""
    status: Any = DynamoStatus(Between(client, "tried again", "tried again"), "state")  # type: ignore[arg-type]
    breaker = opened(status, probe_seconds=-10.0)
    assert status.take_token(seen=breaker, probe_seconds=5.0).done


def test_a_lost_answer_is_an_error(client: "DynamoDBClient") -> None:
    """Nobody goes on as if he knew; what was written is found by the next who looks."""
    status = DynamoStatus(Between(client, "answer lost"), "state")  # type: ignore[arg-type]
    with pytest.raises(ReadTimeoutError):
        opened(status)
    assert shared(status).state == "open"


def test_a_transaction_of_the_parking_place_is_waited_for(client: "DynamoDBClient") -> None:
    """Two conflicts are nothing; more than that is trouble with the store."""
    opened(DynamoStatus(Between(client, "conflict", "conflict"), "state"))  # type: ignore[arg-type]
    with pytest.raises(ClientError, match="TransactionConflict"):
        DynamoStatus(Between(client, *["conflict"] * 3), "state").close(  # type: ignore[arg-type]
            seen=SharedBreaker(state="open", epoch=1)
        )


def test_the_time_at_the_store_is_learned_from_every_answer(client: "DynamoDBClient") -> None:
    """Of reads, of writes and of writes that lost; a clock that is wrong by an hour writes right times all the same."""
    slow = 3_600.0
    for ask in (
        lambda status: status.read(),
        opened,
        lambda status: status.open(seen=HEALTHY, probe_seconds=5.0, not_before=0.0),
    ):
        status = DynamoStatus(client, "state", clock=lambda: time.time() - slow)
        ask(status)
        assert status.time.least <= slow <= status.time.most
    status.restore(seen=shared(status))
    assert shared(status).since == pytest.approx(time.time(), abs=3)


def test_a_fast_clock_wins_nothing_early(client: "DynamoDBClient") -> None:
    """A probe that is due in ten seconds is not due to who believes that it is an hour later; nor to one in doubt."""
    breaker = opened(DynamoStatus(client, "state"), probe_seconds=10.0)
    fast = DynamoStatus(client, "state", clock=lambda: time.time() + 3_600)
    fast.read()
    assert not fast.take_token(seen=breaker, probe_seconds=5.0).done

    just = DynamoStatus(client, "state")
    just.time = StoreTime(least=-2.0, most=60.0)
    due = just.restore(seen=breaker).breaker
    just.time = StoreTime(least=-2.0, most=60.0)
    assert just.postpone(seen=due, until=time.time()).done
    just.time = StoreTime(least=-2.0, most=60.0)
    assert not just.take_token(seen=due, probe_seconds=5.0).done


def test_the_date_of_an_answer_bounds_the_time() -> None:
    """It is true for a second, and was written some time between question and answer."""
    bounds = StoreTime.read("Sat, 21 Nov 2026 12:00:00 GMT", sent=1_795_262_390.0, received=1_795_262_392.0)
    assert bounds.at_least(1_795_262_392.0) == 1_795_262_400.0
    assert bounds.at_most(1_795_262_390.0) == 1_795_262_401.0


def test_attributes_that_make_no_sense_are_an_error() -> None:
    """A state nobody knows is not taken for a closed circuit."""
    with pytest.raises(ValueError, match="breaker_state must be one of closed, open, isolated, got 'half'"):
        SharedBreaker.of({"breaker_state": "half"})
