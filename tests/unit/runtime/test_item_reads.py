from typing import Any

import pytest

from constructs_lib.runtime.deadline import Deadline
from constructs_lib.runtime.item_reads import BatchReads, Unread, Wanted
from tests.standins.dynamodb import FakeDynamoDB, Faults
from tests.unit.runtime.fakes import FakeContext, FakeTime


def _wanted(*names: str, table: str = "orders") -> list[Wanted]:
    return [Wanted(table, {"id": {"S": name}}) for name in names]


def _database(*names: str) -> FakeDynamoDB:
    database = FakeDynamoDB()
    for name in names:
        database.put("orders", {"id": {"S": name}, "n": {"N": "1"}})
    return database


def _read(client: Any, wanted: list[Wanted], *, consistent: bool = True) -> list[Any]:
    time = FakeTime()
    reads = BatchReads(client=client, sleep=time.sleep)
    found = reads.items(wanted, Deadline(FakeContext(time)), consistent=consistent)
    return [found[one.address] for one in wanted]


def test_items_are_found_by_their_keys_and_absent_ones_are_none() -> None:
    database = _database("o-1", "o-2")
    database.put("others", {"id": {"S": "o-1"}, "n": {"N": "2"}})
    wanted = [*_wanted("o-2", "o-3"), *_wanted("o-1", table="others")]
    item, absent, other = _read(database.client(), wanted)
    assert (item["n"], absent, other["n"]) == ({"N": "1"}, None, {"N": "2"})
    assert dict(database.usage.calls) == {"batch_get_item": 1}


def test_two_ways_to_say_one_key_are_one_key() -> None:
    """The store gives numbers back in its own spelling."""
    one, other = (Wanted("orders", {"id": {"S": "x"}, "n": {"N": text}}) for text in ("1.0", "1"))
    assert one.address == other.address
    assert one.address != Wanted("orders", {"id": {"S": "x"}, "n": {"S": "1"}}).address


def test_an_item_asked_for_twice_is_read_once() -> None:
    database = _database("o-1")
    first, second = _read(database.client(), _wanted("o-1", "o-1"))
    assert (first, database.usage.reads) == (second, 1)


def test_a_hundred_keys_share_a_call() -> None:
    database = _database()
    assert _read(database.client(), _wanted(*(f"o-{index}" for index in range(250))), consistent=False) == [None] * 250
    assert (database.usage.calls["batch_get_item"], database.usage.reads) == (3, 125)


def test_what_a_call_leaves_out_is_asked_for_again() -> None:
    """It must not be taken for an item that is not there."""
    database = _database("o-1", "o-2")
    left = [True, True]
    faults = Faults(refuse=lambda action: (left and left.pop() and "ThrottlingError") or None)
    assert [item is not None for item in _read(database.client(faults), _wanted("o-1", "o-2"))] == [True, True]


def test_what_is_left_out_to_the_end_is_unread() -> None:
    faults = Faults(refuse=lambda action: "ThrottlingError" if action.key == {"id": {"S": "o-1"}} else None)
    unread, item = _read(_database("o-1", "o-2").client(faults), _wanted("o-1", "o-2"))
    assert isinstance(unread, Unread)
    assert (unread.invalid, item["n"]) == (False, {"N": "1"})


@pytest.mark.parametrize("reach", ["refused", "lost", "late"])
def test_a_store_that_is_away_leaves_all_unread(reach: Any) -> None:
    """It is not asked for each of the further chunks: each would take seconds."""
    tried: list[str] = []

    def unreachable(operation: str) -> str:
        tried.append(operation)
        return str(reach)

    client = _database("o-1").client(Faults(unreachable=unreachable))
    results = _read(client, _wanted(*(f"o-{index}" for index in range(500))))
    assert ({type(result) for result in results}, len(tried)) == ({Unread}, 1)


def test_a_key_that_does_not_fit_its_table_is_unread_alone() -> None:
    wanted = _wanted(*(f"o-{index}" for index in range(9)))
    wanted[4] = Wanted("orders", {"id": {"N": "1"}, "other": {"S": "x"}})
    results = _read(_database("o-1").client(), wanted)
    assert isinstance(results[4], Unread)
    assert results[4].invalid
    assert [result is not None for result in results] == [index in (1, 4) for index in range(9)]
