from typing import Any

import pytest

from constructs_lib.runtime.effects import Insert, Transact
from constructs_lib.runtime.outcomes import PAYLOAD_MISMATCH, Delivery, Done, Failed, Held, Refused
from constructs_lib.runtime.records import Record
from tests.standins.dynamodb import Action, Faults, Moment
from tests.unit.runtime.item_world import MARKS, REMEMBERED_SECONDS, World, delivery


def _adds(account: str, amount: int) -> dict[str, Any]:
    return {
        "Update": {
            "TableName": "accounts",
            "Key": {"id": account},
            "UpdateExpression": "ADD total :amount",
            "ExpressionAttributeValues": {":amount": amount},
        }
    }


def _moves(record: Record) -> Transact:
    """One from the account `source` to the account `target`, by default two accounts of its own."""
    source, target = record.body.get("source", f"{record.id}-from"), record.body.get("target", f"{record.id}-to")
    return Transact([_adds(source, -1), _adds(target, 1)])


def _totals(world: World) -> dict[str, int]:
    return {name: item["total"] for name, item in world.items("accounts").items()}


def test_all_items_are_written_with_a_mark_of_the_event() -> None:
    world = World()
    one = delivery("m-1", source="a", target="b")
    assert world.settle(_moves, [one]) == {"m-1": Done()}
    assert _totals(world) == {"a": -1, "b": 1}
    assert world.items(MARKS) == {
        "message#m-1": {
            "id": "message#m-1",
            "state": "done",
            "digest": one.digest,
            "expiration": int(world.time.seconds) + REMEMBERED_SECONDS,
        }
    }


@pytest.mark.requirement("IDM-01")
@pytest.mark.parametrize("deliveries", [1, 2])
def test_a_copy_changes_nothing(deliveries: int) -> None:
    world = World()
    world.settle(_moves, [delivery("m-1"), delivery("m-2")])
    outcomes = world.settle(_moves, [delivery("m-1", deliveries=deliveries), delivery("m-3")])
    assert outcomes == {"m-1": Done(repeated=True), "m-3": Done()}
    assert set(_totals(world).values()) == {-1, 1}


def test_redelivered_records_are_one_inexpensive_read() -> None:
    world = World()
    many = [delivery(f"m-{index}", deliveries=2) for index in range(60)]
    world.settle(_moves, many)
    world.database.usage.reset()
    assert set(world.settle(_moves, many).values()) == {Done(repeated=True)}
    usage = world.database.usage
    assert (dict(usage.calls), usage.writes, usage.reads) == ({"batch_get_item": 1}, 0, 30)


@pytest.mark.requirement("IDM-06")
@pytest.mark.parametrize("deliveries", [1, 2])
def test_a_known_id_with_another_payload_is_refused(deliveries: int) -> None:
    world = World()
    world.settle(_moves, [delivery("m-1")])
    outcomes = world.settle(_moves, [delivery("m-1", other=1, deliveries=deliveries), delivery("m-2")])
    refused = outcomes["m-1"]
    assert isinstance(refused, Refused)
    assert (refused.code, outcomes["m-2"]) == (PAYLOAD_MISMATCH, Done())


@pytest.mark.parametrize("deliveries", [1, 2])
def test_a_mark_that_has_expired_counts_no_more_even_if_the_table_still_has_it(deliveries: int) -> None:
    world = World()
    copy = delivery("m-1", deliveries=deliveries, source="a", target="b")
    world.settle(_moves, [copy])
    world.time.pass_by(REMEMBERED_SECONDS - 1)
    assert world.settle(_moves, [copy]) == {"m-1": Done(repeated=True)}
    world.time.pass_by(1)
    assert world.settle(_moves, [copy]) == {"m-1": Done()}
    assert _totals(world) == {"a": -2, "b": 2}


def test_nothing_is_refused_on_the_word_of_a_read_that_may_be_late() -> None:
    """The mark it shows may be gone, and its id another event's now."""
    world = World()
    world.settle(_moves, [delivery("m-1")])
    old = world.database.items(MARKS)
    world.database.create(MARKS)
    outcomes = world.settle(_moves, [delivery("m-1", other=1, deliveries=2)], faults=world.late(MARKS, old))
    assert outcomes == {"m-1": Done()}


def test_records_share_transactions_as_long_as_there_is_room() -> None:
    """Three actions for each record, a hundred to a transaction."""
    world = World()
    outcomes = world.settle(_moves, [delivery(f"m-{index}") for index in range(100)])
    assert set(outcomes.values()) == {Done()}
    assert dict(world.database.usage.calls) == {"transact_write_items": 4}


def test_records_of_one_item_go_one_after_the_other() -> None:
    """A transaction cannot touch an item twice."""
    world = World()
    outcomes = world.settle(_moves, [delivery(f"m-{index}", source="a") for index in range(4)])
    assert (set(outcomes.values()), _totals(world)["a"]) == ({Done()}, -4)
    assert dict(world.database.usage.calls) == {"transact_write_items": 4}


def test_puts_of_one_item_that_only_the_store_can_know_of_are_found_by_halves() -> None:
    world = World()

    def puts(record: Record) -> Transact:
        return Transact([{"Put": {"TableName": "accounts", "Item": {"id": record.body["target"], "total": 1}}}])

    outcomes = world.settle(puts, [delivery(f"m-{index}", target=f"a-{index % 5}") for index in range(8)])
    assert (set(outcomes.values()), len(_totals(world))) == ({Done()}, 5)


def test_a_condition_of_the_handlers_own_that_does_not_hold_fails_its_record_only() -> None:
    """It may hold next time; the others of its transaction are written."""
    world = World()

    def checked(record: Record) -> Transact:
        check = {
            "TableName": "accounts",
            "Key": {"id": "limit"},
            "ConditionExpression": "attribute_exists(#open)",
            "ExpressionAttributeNames": {"#open": "open"},
        }
        own = [{"ConditionCheck": check}] if record.id == "m-2" else []
        return Transact([*_moves(record).operations, *own])

    outcomes = world.settle(checked, [delivery(f"m-{index}") for index in range(1, 4)])
    failed = outcomes["m-2"]
    assert isinstance(failed, Failed)
    assert "condition of the transaction's ConditionCheck of accounts" in failed.reason
    assert (outcomes["m-1"], outcomes["m-3"], len(_totals(world))) == (Done(), Done(), 4)


@pytest.mark.parametrize(
    ("operations", "reason"),
    [
        ([], "a transaction has between 1 and 99 operations, got 0"),
        ([_adds(f"a-{index}", 1) for index in range(100)], "between 1 and 99 operations, got 100"),
        ([{"Insert": {}}], "an operation is a dict of one of Put, Update, Delete, ConditionCheck, got Insert"),
        ([{"Put": {"Item": {"id": "x"}}}], "the Put of a transaction needs TableName"),
        ([{"Put": {"TableName": "accounts", "Item": {"id": "x", "total": 0.5}}}], "total: an item holds no float"),
        ([{"Put": {"TableName": "accounts", "Item": {"id": "x"}, "Condition": "y"}}], "Unknown parameter"),
        ([{"Delete": {"TableName": "accounts", "Key": {"id": [1]}}}], "id: a key is made of text, numbers and bytes"),
        ([_adds("a", 1), _adds("a", 2)], "multiple operations on one item"),
        ([{"Update": {"TableName": "accounts", "Key": {"id": "x"}, "UpdateExpression": "PUT 1"}}], "cannot be written"),
    ],
)
def test_operations_that_are_no_transaction_are_refused_alone(operations: Any, reason: str) -> None:
    world = World()
    outcomes = world.settle(
        lambda record: Transact(operations) if record.id == "bad" else _moves(record),
        [delivery("m-1"), delivery("bad"), delivery("m-2"), delivery("m-3")],
    )
    refused = outcomes.pop("bad")
    assert isinstance(refused, Refused)
    assert reason in refused.reason
    assert set(outcomes.values()) == {Done()}


@pytest.mark.parametrize("code", ["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"])
def test_an_item_that_is_busy_for_a_while_is_written_in_the_same_batch(code: str) -> None:
    """The others do not wait for it."""
    world = World()
    left = [code] * 3
    busy = Faults(refuse=lambda action: left.pop() if left and action.key == {"id": {"S": "m-2-to"}} else None)
    outcomes = world.settle(_moves, [delivery(f"m-{index}") for index in range(1, 4)], faults=busy)
    assert (set(outcomes.values()), len(_totals(world))) == ({Done()}, 6)


@pytest.mark.parametrize("code", ["TransactionConflict", "ThrottlingError"])
def test_an_item_that_stays_busy_holds_its_record_only(code: str) -> None:
    world = World()

    def refuse(action: Action) -> str | None:
        return code if action.key == {"id": {"S": "m-2-to"}} else None

    outcomes = world.settle(_moves, [delivery(f"m-{index}") for index in range(1, 4)], faults=Faults(refuse=refuse))
    assert [type(outcome) for outcome in outcomes.values()] == [Done, Held, Done]
    assert (len(_totals(world)), world.counts["StoreErrors"]) == (4, 1)


@pytest.mark.parametrize("reach", ["refused", "lost", "late"])
def test_records_are_held_while_the_store_is_away_and_done_once_when_it_is_back(reach: Any) -> None:
    world = World()
    tried: list[str] = []

    def unreachable(operation: str) -> str:
        tried.append(operation)
        return str(reach)

    batch = [delivery(f"m-{index}") for index in range(100)]
    outcomes = world.settle(_moves, batch, faults=Faults(unreachable=unreachable))
    assert {type(outcome) for outcome in outcomes.values()} == {Held}
    # Each transaction of the batch would take seconds.
    assert len(tried) == 1
    assert {type(outcome) for outcome in world.settle(_moves, batch).values()} == {Done}
    assert sorted(_totals(world).values()) == [-1] * 100 + [1] * 100


def test_what_there_is_no_time_for_any_more_is_held() -> None:
    world = World()

    def slow(record: Record) -> Transact:
        world.time.pass_by(29.5)
        return _moves(record)

    outcomes = world.settle(slow, [delivery("m-1")], timeout_seconds=30)
    assert (type(outcomes["m-1"]), world.items("accounts")) == (Held, {})


@pytest.mark.requirement("IDM-04")
def test_of_two_workers_with_one_record_one_writes() -> None:
    """The other finds its mark, whoever began first."""
    world = World()
    batch = [delivery("m-1"), delivery("m-2")]
    waiting = [lambda: world.settle(_moves, [delivery("m-1"), delivery("m-3")])]

    def meanwhile(moment: Moment) -> None:
        if waiting and not moment.after:
            waiting.pop()()

    outcomes = world.settle(_moves, batch, faults=Faults(crash=meanwhile))
    assert outcomes == {"m-1": Done(repeated=True), "m-2": Done()}
    assert sorted(_totals(world).values()) == [-1, -1, -1, 1, 1, 1]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"strong": True}, "DynamoDB has no transactions on tables that are strongly consistent across Regions"),
        ({"claims_table": None}, "Transact keeps its marks in an idempotency table, and this consumer has none"),
    ],
)
def test_without_a_place_for_marks_a_transaction_fails_by_name(options: Any, reason: str) -> None:
    """What needs no transaction is written all the same."""

    def handler(record: Record) -> object:
        return Insert("orders", {"id": record.id}, {}) if record.id == "insert" else _moves(record)

    world = World()
    batch: list[Delivery] = [delivery("m-1"), delivery("insert")]
    outcomes = world.settle(handler, batch, **options)
    failed = outcomes["m-1"]
    assert isinstance(failed, Failed)
    assert reason in failed.reason
    assert (outcomes["insert"], world.items("accounts")) == (Done(), {})
