"""The DynamoDB of the tests answers as DynamoDB is documented to."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, EndpointConnectionError, ParamValidationError, ReadTimeoutError
from botocore.session import Session

from tests.standins.dynamodb import FakeDynamoDB, Moment, serve

INSERT = "INSERT INTO \"t\" VALUE {'id': ?, 'n': ?}"


@pytest.fixture
def database() -> FakeDynamoDB:
    return FakeDynamoDB()


@pytest.fixture
def client(database: FakeDynamoDB) -> Any:
    return database.client()


def insert(*ids: str, number: int = 1) -> list[dict[str, Any]]:
    return [{"Statement": INSERT, "Parameters": [{"S": each}, {"N": str(number)}]} for each in ids]


def key(name: str) -> dict[str, Any]:
    return {"id": {"S": name}}


def put(name: str, **more: Any) -> dict[str, Any]:
    return {"Put": {"TableName": "t", "Item": key(name), **more}}


def codes(answer: dict[str, Any]) -> list[str | None]:
    return [each.get("Error", {}).get("Code") for each in answer["Responses"]]


def refused(call: Callable[[], object]) -> str:
    with pytest.raises(ClientError) as caught:
        call()
    return caught.value.response["Error"]["Code"]


def test_a_duplicate_in_a_batch_fails_alone(client: Any, database: FakeDynamoDB) -> None:
    client.batch_execute_statement(Statements=insert("b"))
    answer = client.batch_execute_statement(Statements=insert("a", "b", "c", number=2))
    assert codes(answer) == [None, "DuplicateItem", None]
    assert {item["id"]["S"]: item["n"]["N"] for item in database.items("t")} == {"a": "2", "b": "1", "c": "2"}


def test_a_statement_without_its_condition_shows_the_item_if_asked(client: Any) -> None:
    client.batch_execute_statement(Statements=insert("a"))
    statement = {
        "Statement": 'UPDATE "t" SET n = ? WHERE id = ? AND n = ?',
        "Parameters": [{"N": "3"}, {"S": "a"}, {"N": "2"}],
    }
    (silent,) = client.batch_execute_statement(Statements=[statement])["Responses"]
    statement["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
    (telling,) = client.batch_execute_statement(Statements=[statement])["Responses"]
    assert "Item" not in silent["Error"]
    assert telling["Error"]["Item"] == {"id": {"S": "a"}, "n": {"N": "1"}}


def test_an_update_statement_makes_no_item_and_a_delete_statement_needs_none(
    client: Any, database: FakeDynamoDB
) -> None:
    answer = client.batch_execute_statement(
        Statements=[
            {"Statement": 'UPDATE "t" SET n = ? WHERE id = ?', "Parameters": [{"N": "3"}, {"S": "a"}]},
            {"Statement": 'DELETE FROM "t" WHERE id = ? AND n = ?', "Parameters": [{"S": "b"}, {"N": "3"}]},
        ]
    )
    assert codes(answer) == ["ConditionalCheckFailed", None]
    assert database.items("t") == []


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("n = :two", True),
        ("n < :ten AND attribute_exists(id)", True),
        ("n > :ten OR attribute_not_exists(#state)", True),
        ("NOT (n <= :two)", False),
        # Numbers compare as numbers, and what is not there with nothing.
        ("n >= :ten", False),
        ("#state < :ten", False),
        ("#state <> :ten", True),
        # Values of two types are neither equal nor in order.
        ("id > :two", False),
        ("id = :two", False),
    ],
)
def test_conditions_hold_as_documented(client: Any, condition: str, holds: bool) -> None:
    client.put_item(TableName="t", Item={**key("a"), "n": {"N": "2"}})
    names = {"#state": "state"} if "#state" in condition else None
    values = {name: {"N": number} for name, number in ((":two", "2"), (":ten", "10")) if name in condition}
    asked: dict[str, Any] = {"ConditionExpression": condition}
    asked |= {"ExpressionAttributeNames": names} if names else {}
    asked |= {"ExpressionAttributeValues": values} if values else {}

    def put_again() -> None:
        client.put_item(TableName="t", Item=key("a"), **asked)

    if holds:
        put_again()
    else:
        assert refused(put_again) == "ConditionalCheckFailedException"


def test_an_update_sees_the_item_as_it_was_before(client: Any) -> None:
    client.put_item(TableName="t", Item={**key("a"), "n": {"N": "2"}, "l": {"L": [{"S": "x"}]}})
    answer = client.update_item(
        TableName="t",
        Key=key("a"),
        UpdateExpression="SET n = if_not_exists(z, :one), m = n + :one, l = list_append(l, :more) ADD k :one REMOVE q",
        ExpressionAttributeValues={":one": {"N": "1"}, ":more": {"L": [{"S": "y"}]}},
        ReturnValues="ALL_NEW",
    )
    assert answer["Attributes"] == {
        **key("a"),
        "n": {"N": "1"},
        "m": {"N": "3"},
        "k": {"N": "1"},
        "l": {"L": [{"S": "x"}, {"S": "y"}]},
    }


def test_reserved_words_need_a_placeholder_or_quotes(client: Any) -> None:
    condition = "attribute_not_exists(token)"
    assert (
        refused(lambda: client.put_item(TableName="t", Item=key("a"), ConditionExpression=condition))
        == "ValidationException"
    )
    bare = {"Statement": 'DELETE FROM "t" WHERE id = ? AND token = ?', "Parameters": [{"S": "a"}, {"S": "b"}]}
    quoted = {
        **bare,
        "Statement": 'DELETE FROM "t" WHERE id = ? AND "token" = ?',
        "Parameters": [{"S": "c"}, {"S": "b"}],
    }
    assert codes(client.batch_execute_statement(Statements=[bare, quoted])) == ["ValidationError", None]


def test_a_transaction_happens_as_a_whole_or_not_at_all(client: Any, database: FakeDynamoDB) -> None:
    client.put_item(TableName="t", Item=key("b"))
    absent = {"ConditionExpression": "attribute_not_exists(id)", "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
    with pytest.raises(client.exceptions.TransactionCanceledException) as caught:
        client.transact_write_items(TransactItems=[put("a", **absent), put("b", **absent)])
    assert caught.value.response["CancellationReasons"] == [
        {"Code": "None"},
        {"Code": "ConditionalCheckFailed", "Message": "The conditional request failed", "Item": key("b")},
    ]
    assert database.items("t") == [key("b")]


def test_the_same_transaction_with_its_token_is_done_once_for_ten_minutes() -> None:
    now = [0.0]
    client = FakeDynamoDB(now=lambda: now[0]).client()
    actions = [put("a", ConditionExpression="attribute_not_exists(id)")]
    for now[0] in (0.0, 599.0):
        client.transact_write_items(TransactItems=actions, ClientRequestToken="1")
    assert refused(lambda: client.transact_write_items(TransactItems=[put("b")], ClientRequestToken="1")) == (
        "IdempotentParameterMismatchException"
    )
    now[0] = 600.0
    assert refused(lambda: client.transact_write_items(TransactItems=actions, ClientRequestToken="1")) == (
        "TransactionCanceledException"
    )


@pytest.mark.parametrize(
    ("operation", "arguments"),
    [
        ("batch_execute_statement", {"Statements": insert(*map(str, range(26)))}),
        ("batch_execute_statement", {"Statements": insert("a", "a")}),
        ("batch_get_item", {"RequestItems": {"t": {"Keys": [key(str(number)) for number in range(101)]}}}),
        ("batch_get_item", {"RequestItems": {"t": {"Keys": [key("a"), key("a")]}}}),
        (
            "batch_write_item",
            {"RequestItems": {"t": [{"DeleteRequest": {"Key": key(str(number))}} for number in range(26)]}},
        ),
        ("transact_write_items", {"TransactItems": [put(str(number)) for number in range(101)]}),
        ("transact_write_items", {"TransactItems": [put("a"), put("a")]}),
        ("put_item", {"TableName": "t", "Item": key("")}),
        ("put_item", {"TableName": "t", "Item": {"id": {"N": "1"}, "x": {"S": "x" * 400 * 1_024}}}),
        ("put_item", {"TableName": "t", "Item": {"other": {"S": "a"}}}),
        ("get_item", {"TableName": "t", "Key": key("x" * 2_049)}),
    ],
)
def test_what_is_too_much_or_twice_or_no_key_is_refused(client: Any, operation: str, arguments: Any) -> None:
    assert refused(lambda: getattr(client, operation)(**arguments)) == "ValidationException"


def test_a_scan_goes_on_where_its_page_ended(client: Any) -> None:
    for name in "dacb":
        client.put_item(TableName="t", Item={**key(name), "n": {"N": "1" if name in "ab" else "2"}})
    pages: list[list[str]] = []
    start: dict[str, Any] = {}
    for _ in range(3):
        page = client.scan(
            TableName="t", Limit=2, FilterExpression="n < :two", ExpressionAttributeValues={":two": {"N": "2"}}, **start
        )
        pages.append([item["id"]["S"] for item in page["Items"]])
        if "LastEvaluatedKey" not in page:
            break
        start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}
    # The filter comes after the limit, and the last page may be empty.
    assert pages == [["a", "b"], [], []]


def test_arguments_are_checked_as_botocore_does(client: Any) -> None:
    with pytest.raises(ParamValidationError):
        client.put_item(TableName="t", Item={"id": "text"})
    with pytest.raises(NotImplementedError, match="Segment"):
        client.scan(TableName="t", Segment=1, TotalSegments=2)


def test_units_are_those_of_dynamodb(client: Any, database: FakeDynamoDB) -> None:
    usage = database.usage

    def cost(call: Callable[[], object]) -> tuple[float, float]:
        usage.reset()
        call()
        return usage.writes, usage.reads

    large = {**key("a"), "x": {"S": "x" * 4_097}}
    absent = {"ConditionExpression": "attribute_not_exists(id)"}
    assert cost(lambda: client.put_item(TableName="t", Item=large)) == (5, 0)
    # The larger of before and after, a refusal as much as a success, a transaction twice.
    assert cost(lambda: refused(lambda: client.put_item(TableName="t", Item=key("a"), **absent))) == (5, 0)
    assert cost(lambda: client.transact_write_items(TransactItems=[put("b"), put("c")])) == (4, 0)
    assert cost(lambda: client.batch_execute_statement(Statements=insert("c", "d"))) == (2, 0)
    assert cost(lambda: client.get_item(TableName="t", Key=key("a"), ConsistentRead=True)) == (0, 2)
    # One that is not there is read too, and of a batch each item by itself.
    keys = [key("a"), key("b"), key("nowhere")]
    assert cost(lambda: client.batch_get_item(RequestItems={"t": {"Keys": keys}})) == (0, 2)
    assert cost(lambda: client.delete_item(TableName="t", Key=key("nowhere"))) == (1, 0)
    assert usage.calls == {"delete_item": 1}


def test_one_item_can_be_refused(database: FakeDynamoDB) -> None:
    def refuse(action: Any) -> str | None:
        return "ThrottlingError" if action.key == key("b") else None

    client = database.client(refuse=refuse)
    assert codes(client.batch_execute_statement(Statements=insert("a", "b"))) == [None, "ThrottlingError"]
    assert refused(lambda: client.put_item(TableName="t", Item=key("b"))) == "ThrottlingException"
    read = client.batch_get_item(RequestItems={"t": {"Keys": [key("a"), key("b")]}})
    assert (len(read["Responses"]["t"]), read["UnprocessedKeys"]) == (1, {"t": {"Keys": [key("b")]}})
    writes = [{"DeleteRequest": {"Key": key(each)}} for each in "ab"]
    assert client.batch_write_item(RequestItems={"t": writes})["UnprocessedItems"] == {"t": writes[1:]}
    assert refused(lambda: client.batch_write_item(RequestItems={"t": writes[1:]})) == (
        "ProvisionedThroughputExceededException"
    )
    with pytest.raises(ClientError) as caught:
        client.transact_write_items(TransactItems=[put("a"), put("b")])
    assert [reason["Code"] for reason in caught.value.response["CancellationReasons"]] == ["None", "ThrottlingError"]
    assert database.items("t") == []


@pytest.mark.parametrize(
    ("how", "error", "there"),
    [("refused", EndpointConnectionError, 0), ("late", ReadTimeoutError, 0), ("lost", ReadTimeoutError, 1)],
)
def test_an_answer_can_be_missing_with_and_without_the_effect(
    database: FakeDynamoDB, how: Any, error: type[Exception], there: int
) -> None:
    client = database.client(unreachable=how)
    with pytest.raises(error):
        client.put_item(TableName="t", Item=key("a"))
    assert len(database.items("t")) == there
    client.faults.unreachable = None
    assert len(client.scan(TableName="t")["Items"]) == there


@pytest.mark.parametrize("after", [False, True])
def test_a_crash_comes_before_or_after_the_effect(database: FakeDynamoDB, after: bool) -> None:
    def crash(moment: Moment) -> None:
        if moment.after == after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        database.client(crash=crash).put_item(TableName="t", Item=key("a"))
    assert len(database.items("t")) == after


def test_an_eventually_consistent_read_may_miss_what_is_there(database: FakeDynamoDB) -> None:
    database.put("t", key("a"))
    client = database.client(stale=lambda _action: True)
    assert "Item" not in client.get_item(TableName="t", Key=key("a"))
    assert "Item" in client.get_item(TableName="t", Key=key("a"), ConsistentRead=True)


def test_a_real_client_is_answered_the_same() -> None:
    with serve() as service:
        client: Any = Session().create_client(
            "dynamodb",
            endpoint_url=service.url,
            region_name="eu-west-1",
            aws_access_key_id="any",
            aws_secret_access_key="any",
            config=Config(retries={"total_max_attempts": 1}, read_timeout=5),
        )
        item = {**key("a"), "raw": {"B": b"\x00\xff"}, "more": {"BS": [b"1"]}}
        client.put_item(TableName="t", Item=item)
        assert client.get_item(TableName="t", Key=key("a"))["Item"] == item
        assert service.database.items("t") == [item]
        with pytest.raises(client.exceptions.ConditionalCheckFailedException) as caught:
            client.put_item(
                TableName="t",
                Item=item,
                ConditionExpression="attribute_not_exists(id)",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        assert caught.value.response["Item"] == item
        assert codes(client.batch_execute_statement(Statements=insert("a", "b"))) == ["DuplicateItem", None]
        assert service.database.usage.calls["put_item"] == 2
