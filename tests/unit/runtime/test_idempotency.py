"""The guard against copies, over a real persistence layer and a table in memory."""

import time
from functools import partial
from typing import TYPE_CHECKING

import boto3
import pytest
from aws_lambda_powertools.utilities.idempotency import DynamoDBPersistenceLayer

from constructs_lib.runtime.failures import PermanentFailure, Unavailable
from constructs_lib.runtime.idempotency import Once, unguarded
from tests.unit.runtime.fakes import FakeContext

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient

DAY = 86_400


@pytest.fixture
def table(aws: None) -> "DynamoDBClient":
    client = boto3.client("dynamodb")
    client.create_table(
        TableName="done",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    return client


def once(client: "DynamoDBClient", *, table: str = "done") -> Once:
    """Return the guard of one execution environment."""
    return Once(DynamoDBPersistenceLayer(table_name=table, boto3_client=client), remember_seconds=DAY)


def test_effect_happens_once_however_often_the_message_comes(table: "DynamoDBClient") -> None:
    """Copies that come to other environments are not handled again; other messages are."""
    effects: list[str] = []
    for _ in range(3):
        once(table)(lambda: effects.append("a"), message_id="a", context=FakeContext())
    once(table)(lambda: effects.append("b"), message_id="b", context=FakeContext())
    assert effects == ["a", "b"]


def test_one_guard_serves_many_messages(table: "DynamoDBClient") -> None:
    """An environment's guard keeps nothing of one message for the next."""
    guard = once(table)
    effects: list[str] = []
    for message in ("a", "b", "a", "c", "b"):
        guard(partial(effects.append, message), message_id=message, context=FakeContext())
    assert effects == ["a", "b", "c"]


def test_message_is_forgotten_after_the_time_to_remember(table: "DynamoDBClient") -> None:
    """The store holds the end of the time asked for, and an item past it counts for nothing."""
    effects: list[int] = []
    once(table)(lambda: effects.append(1), message_id="a", context=FakeContext())
    [item] = table.scan(TableName="done")["Items"]
    assert int(item["expiration"]["N"]) == pytest.approx(time.time() + DAY, abs=60)
    table.put_item(TableName="done", Item={**item, "expiration": {"N": str(int(time.time()) - 2)}})
    once(table)(lambda: effects.append(2), message_id="a", context=FakeContext())
    assert effects == [1, 2]


def test_key_does_not_depend_on_the_names_of_function_or_code(
    table: "DynamoDBClient", monkeypatch: pytest.MonkeyPatch
) -> None:
    """Renaming a function or moving its code forgets nothing."""
    effects: list[int] = []
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "one")
    once(table)(lambda: effects.append(1), message_id="a", context=FakeContext())
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "two")

    def another_function() -> None:
        effects.append(2)

    once(table)(another_function, message_id="a", context=FakeContext())
    assert effects == [1]


@pytest.mark.requirement("IDM-04")
def test_copy_that_comes_meanwhile_waits(table: "DynamoDBClient") -> None:
    """While one copy is being worked on, another is refused for now, and never run beside it."""
    effects: list[str] = []

    def first() -> None:
        with pytest.raises(Unavailable, match="another copy"):
            once(table)(lambda: effects.append("second"), message_id="a", context=FakeContext())
        effects.append("first")

    once(table)(first, message_id="a", context=FakeContext())
    once(table)(lambda: effects.append("third"), message_id="a", context=FakeContext())
    assert effects == ["first"]


class Crash(BaseException):
    """The process ends."""


@pytest.mark.requirement("IDM-05")
def test_claim_of_a_crashed_invocation_ends_with_it(table: "DynamoDBClient") -> None:
    """A crash leaves the message claimed until its invocation would have ended; then a redelivery takes over."""
    effects: list[str] = []

    def crash() -> None:
        raise Crash

    with pytest.raises(Crash):
        once(table)(crash, message_id="long", context=FakeContext(timeout_seconds=60))
    with pytest.raises(Unavailable, match="another copy"):
        once(table)(lambda: effects.append("too early"), message_id="long", context=FakeContext())
    [item] = table.scan(TableName="done")["Items"]
    assert int(item["in_progress_expiration"]["N"]) == pytest.approx((time.time() + 60) * 1_000, abs=30_000)

    with pytest.raises(Crash):
        once(table)(crash, message_id="over", context=FakeContext(timeout_seconds=-1))
    once(table)(lambda: effects.append("taken over"), message_id="over", context=FakeContext())
    assert effects == ["taken over"]


def test_failed_effect_may_be_tried_again(table: "DynamoDBClient") -> None:
    """What the effect raises comes through, and the message is not remembered."""
    effects: list[int] = []

    def fail() -> None:
        raise PermanentFailure("no")

    with pytest.raises(PermanentFailure, match="no"):
        once(table)(fail, message_id="a", context=FakeContext())
    once(table)(lambda: effects.append(1), message_id="a", context=FakeContext())
    assert effects == [1]


@pytest.mark.requirement("IDM-10")
def test_nothing_runs_unguarded_when_the_store_does_not_answer(table: "DynamoDBClient") -> None:
    """A message whose copies cannot be ruled out is not handled."""
    effects: list[int] = []
    with pytest.raises(Unavailable, match="does not answer"):
        once(table, table="no-such-table")(lambda: effects.append(1), message_id="a", context=FakeContext())
    assert not effects


def test_message_without_an_id_is_an_error(table: "DynamoDBClient") -> None:
    """A missing key is never taken for "no guard needed"."""
    effects: list[int] = []
    with pytest.raises(Exception, match="idempotency_key"):
        once(table)(lambda: effects.append(1), message_id="", context=FakeContext())
    assert not effects


def test_handler_without_a_guard_runs_every_time() -> None:
    """Where no table is set, each delivery has its effect."""
    effects: list[int] = []
    for _ in range(2):
        unguarded(lambda: effects.append(1), message_id="a", context=FakeContext())
    assert effects == [1, 1]
