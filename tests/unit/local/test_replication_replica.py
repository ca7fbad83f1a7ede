"""A replica's follower against a table in memory that races, fails and hangs."""

import random
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from hypothesis import given
from hypothesis import strategies as st

from constructs_lib.local.event_source_mapping.clients import CALL_FAILED
from constructs_lib.local.replication.machine import Item, Replication
from constructs_lib.local.replication.replica import Replica
from tests.unit.local.fake_replica import FakeTable
from tests.unit.local.test_replication import EU, US, item


class World:
    """Two regions, followed step by step; time passes by itself with every look at the clock."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch | None = None) -> None:
        self.now = 1_000.0
        if monkeypatch:
            monkeypatch.setattr(time, "time", self.clock)
        self.tables = {region: FakeTable(self.clock) for region in (US, EU)}
        self.replication = Replication([US, EU])
        lock = threading.Lock()
        self.replicas = {
            region: Replica(
                region,
                "table",
                replication=self.replication,
                lock=lock,
                prepare=lambda: "arn:aws:dynamodb:region:account:table/table/stream/now",
                dynamodb=table,
                streams=table,
                poll_interval=0.0,
            )
            for region, table in self.tables.items()
        }

    def clock(self) -> float:
        self.now += 0.25
        return self.now

    def settle(self) -> None:
        """Let both follow until nothing happens any more."""
        for _ in range(100):
            if not any([self.step(region) for region in (US, EU)]):  # noqa: C419 - both take their step
                return
        raise AssertionError("it never becomes quiet")

    def step(self, region: str) -> bool:
        try:
            return self.replicas[region].step()
        except CALL_FAILED:
            return True

    def assert_alike(self) -> None:
        """Tables and state machine agree."""
        assert self.tables[US].items == self.tables[EU].items
        for region, table in self.tables.items():
            assert {name[0][2]: one for name, one in self.replication.items(region).items()} == table.items


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


def once(action: Callable[[], None], table: FakeTable) -> None:
    """Do *action* right before the next write of ours to *table*."""

    def act() -> None:
        table.before_write = lambda: None
        action()

    table.before_write = act


def test_what_one_stream_tells_is_written_to_the_other_table(world: World) -> None:
    """Once, and our own writes are not taken for the application's."""
    world.tables[US].application_puts(item("1", "us"))
    world.settle()
    world.tables[EU].application_puts(item("1", "eu"))
    world.settle()
    world.tables[US].application_deletes("1")
    world.settle()
    world.assert_alike()
    assert [world.tables[region].calls for region in (US, EU)] == [1, 2]
    assert [len(world.tables[region].records) for region in (US, EU)] == [3, 3]


def test_a_write_that_was_not_seen_yet_is_not_replaced(world: World) -> None:
    """The application writes in the moment before ours: hers is the later one, and stays readable all the time."""
    us, eu = world.tables[US], world.tables[EU]
    us.application_puts(item("1", "us"))
    world.replicas[US].step()
    once(lambda: eu.application_puts(item("1", "eu")), eu)
    world.settle()
    assert eu.items == us.items == {"1": item("1", "eu")}
    assert [record["dynamodb"]["NewImage"] for record in eu.records] == [item("1", "eu")]


def test_an_attribute_added_unseen_is_not_removed(world: World) -> None:
    """What the application adds to an item in that moment is a write too."""
    us, eu = world.tables[US], world.tables[EU]
    us.application_puts(item("1", "first", extra="known"))
    us.application_puts(item("1", "first"))
    world.settle()
    us.application_puts(item("1", "second"))
    world.replicas[US].step()
    once(lambda: eu.application_puts(item("1", "first", extra="added")), eu)
    world.settle()
    assert eu.items == us.items == {"1": item("1", "first", extra="added")}
    assert eu.records[-1]["dynamodb"]["NewImage"] == item("1", "first", extra="added")


def test_a_write_replaced_by_mistake_is_written_again(world: World) -> None:
    """An attribute nobody has seen yet slips through the condition; the later write is there in the end."""
    us, eu = world.tables[US], world.tables[EU]
    us.application_puts(item("1", "first"))
    world.settle()
    us.application_puts(item("1", "second"))
    world.replicas[US].step()
    once(lambda: eu.application_puts(item("1", "first", new="attribute")), eu)
    world.settle()
    world.assert_alike()
    assert us.items == {"1": item("1", "first", new="attribute")}


def test_a_write_without_an_answer_is_tried_again(world: World) -> None:
    """Whether it was done or not; when the stream tells of it, it is known as ours."""
    world.tables[EU].lose_answers = 1
    world.tables[US].application_puts(item("1", "us"))
    world.replicas[US].step()
    with pytest.raises(ReadTimeoutError):
        world.replicas[EU].step()
    world.settle()
    world.assert_alike()
    assert len(world.tables[US].records) == len(world.tables[EU].records) == 1


def test_a_write_after_one_without_an_answer_counts(world: World) -> None:
    """Ours was done after all, and the application has undone it since: that is a change like any other."""
    us, eu = world.tables[US], world.tables[EU]
    us.application_puts(item("1", "us"))
    world.replicas[US].step()
    eu.lose_answers = 1
    with pytest.raises(ReadTimeoutError):
        world.replicas[EU].step()
    eu.application_deletes("1")
    world.settle()
    world.assert_alike()
    assert us.items == {}


def test_a_region_that_refuses_loses_nothing(world: World) -> None:
    """Neither what was written elsewhere nor what was written there."""
    world.tables[EU].application_puts(item("eu", "eu"))
    world.tables[US].application_puts(item("us", "us"))
    world.tables[EU].refuse = "InternalServerError"
    with pytest.raises(ClientError):
        world.replicas[EU].step()
    world.replicas[US].step()
    world.tables[EU].refuse = ""
    world.settle()
    world.assert_alike()
    assert set(world.tables[US].items) == {"eu", "us"}


def test_an_expiry_that_no_stream_tells_of_holds_nothing_up(world: World) -> None:
    """The item is not what it is believed to be, and stays so; later changes of it are written all the same."""
    world.tables[US].application_puts(item("1", "first"))
    world.settle()
    world.tables[EU].expire("1")
    world.tables[US].application_puts(item("1", "second"))
    world.settle()
    assert world.tables[EU].items == {"1": item("1", "second")}


def test_an_item_that_cannot_be_compared_is_written_without_a_condition(world: World) -> None:
    """Equal for us but not for the table: better than never."""
    value: Item = {"id": {"S": "1"}, "odd": {"N": "NaN"}}

    class Odd(FakeTable):
        def put_item(self, **options: Any) -> dict[str, Any]:
            if "odd" in str(options.get("ExpressionAttributeNames")) and "= :" in options["ConditionExpression"]:
                options["ConditionExpression"] += " AND #n0 = :never"
                options["ExpressionAttributeValues"][":never"] = None
            return super().put_item(**options)

    world.tables[EU].__class__ = Odd
    world.tables[US].application_puts(value)
    world.settle()
    world.tables[US].application_puts(item("1", "second"))
    world.settle()
    assert world.tables[EU].items == {"1": item("1", "second")}


def test_an_equal_write_of_the_application_is_no_echo(world: World) -> None:
    """Neither after a write of ours that changed nothing, nor after one that was never done."""
    us, eu = world.tables[US], world.tables[EU]
    us.application_puts(item("1", "same"))
    eu.application_puts(item("1", "same"))
    world.settle()
    us.application_deletes("1")
    us.application_puts(item("1", "same"))
    world.settle()
    assert us.items == eu.items == {"1": item("1", "same")}

    def never_done() -> None:
        raise ReadTimeoutError(endpoint_url="")

    us.application_puts(item("1", "never done"))
    world.replicas[US].step()
    once(never_done, eu)
    with pytest.raises(ReadTimeoutError):
        world.replicas[EU].step()
    eu.application_puts(item("1", "between"))
    eu.application_puts(item("1", "never done"))
    world.settle()
    assert us.items == eu.items == {"1": item("1", "never done")}


@given(st.integers(0, 2**32), st.booleans())
def test_tables_that_race_fail_and_hang_converge(seed: int, alike: bool) -> None:
    """Whatever order calls, answers and writes of the application come in; the last writer wins.

    A write of ours without an answer and an equal one of the application cannot be told apart; so where writes are
    *alike*, tables must converge, on whatever it is.
    """
    chance = random.Random(seed)
    world = World()
    last: dict[str, Any] = {}

    def application(region: str) -> None:
        name = chance.choice("ab")
        if chance.random() < 0.25 and name in world.tables[region].items:
            world.tables[region].application_deletes(name)
            last[name] = None
        else:
            value = chance.choice("xyz") if alike else str(world.now)
            written = item(name, value, **({"extra": "e"} if chance.random() < 0.3 else {}))
            if world.tables[region].items.get(name) != written:
                last[name] = written
            world.tables[region].application_puts(written)

    for _ in range(60):
        region = chance.choice((US, EU))
        table = world.tables[region]
        match chance.randrange(8):
            case 0 | 1:
                application(region)
            case 2:
                once(lambda region=region: application(region), table)  # type: ignore[misc]
            case 3:
                table.lose_answers = chance.randrange(2)
            case 4:
                table.refuse = chance.choice(("", "ProvisionedThroughputExceededException"))
            case _:
                world.step(region)
    for table in world.tables.values():
        table.refuse, table.lose_answers, table.before_write = "", 0, lambda: None
    world.settle()
    world.assert_alike()
    assert alike or world.tables[US].items == {name: written for name, written in last.items() if written is not None}
