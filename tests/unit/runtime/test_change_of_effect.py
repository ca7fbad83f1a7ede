"""A consumer whose effect becomes another kind while messages are under way: what is known stays known."""

import pytest

from constructs_lib.runtime.claim_states import CLOCK_MARGIN_SECONDS
from constructs_lib.runtime.effects import Transact
from constructs_lib.runtime.outcomes import Delivery, Done, Held, Outcome
from constructs_lib.runtime.records import Record
from tests.unit.runtime import item_world
from tests.unit.runtime.claim_world import (
    REMEMBER_SECONDS,
    TABLE,
    TIMEOUT_SECONDS,
    Crash,
    Provider,
    Worker,
    World,
    delivery,
)


def transact(record: Record) -> Transact:
    return Transact([{"Put": {"TableName": "orders", "Item": {"id": record.id}}}])


def settle_by_transaction(world: World, message: Delivery) -> Outcome:
    worker = world.worker()
    items = item_world.World(database=world.database)
    items.time.seconds = worker.now()
    return items.settle(transact, [message], claims_table=TABLE)[message.arrival.position]


def crash() -> object:
    raise Crash


def crashed(world: World) -> Worker:
    """Have a worker end in the middle of m-1."""
    worker = world.worker()
    with pytest.raises(Crash):
        worker.settle([delivery()], Provider(answers={"m-1": crash}).call)
    return worker


@pytest.mark.parametrize("deliveries", [1, 2])
def test_what_was_done_outside_is_not_done_by_a_transaction(deliveries: int) -> None:
    """The item that says so is the same."""
    world = World()
    world.worker().settle([delivery()], Provider().call)
    assert settle_by_transaction(world, delivery(deliveries=deliveries)) == Done(repeated=True)
    assert world.database.items("orders") == []


@pytest.mark.parametrize("deliveries", [1, 2])
def test_what_was_begun_outside_is_done_by_a_transaction_once_that_is_over(deliveries: int) -> None:
    """A claim is no mark: to take it for one would lose the message."""
    world = World()
    crashed(world)
    outcome = settle_by_transaction(world, delivery(deliveries=deliveries))
    assert isinstance(outcome, Held)
    assert outcome.retry_after == pytest.approx(TIMEOUT_SECONDS + CLOCK_MARGIN_SECONDS, abs=0.01)
    world.time.pass_by(TIMEOUT_SECONDS + CLOCK_MARGIN_SECONDS + 1)
    assert settle_by_transaction(world, delivery(deliveries=deliveries)) == Done()
    assert len(world.database.items("orders")) == 1


@pytest.mark.parametrize("deliveries", [1, 2])
def test_what_a_transaction_did_is_not_done_outside(deliveries: int) -> None:
    """For as long as the mark counts."""
    world, provider = World(), Provider()
    settle_by_transaction(world, delivery())
    message = delivery(deliveries=deliveries)
    assert world.worker().settle([message], provider.call) == [Done(None, repeated=True)]
    world.time.pass_by(REMEMBER_SECONDS + 1)
    assert world.worker().settle([message], provider.call) == [Done({"call": 1})]
