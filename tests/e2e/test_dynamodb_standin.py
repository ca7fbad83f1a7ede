"""The DynamoDB of the unit tests and the emulator's give the same answers to the same calls."""

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.session import Session

from constructs_lib.local.emulator import Emulator
from tests.standins.dynamodb import serve

pytestmark = pytest.mark.local_cloud

TABLE = "compared"
ABSENT = {"ConditionExpression": "attribute_not_exists(id)", "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}


def key(name: str) -> dict[str, Any]:
    return {"id": {"S": name}}


def statement(text: str, *parameters: Any, show: bool = False) -> dict[str, Any]:
    asked = {"Statement": text.replace("TABLE", f'"{TABLE}"'), "Parameters": list(parameters)}
    return asked | ({"ReturnValuesOnConditionCheckFailure": "ALL_OLD"} if show else {})


def insert(name: str, number: int) -> dict[str, Any]:
    # `state` and `token` are words that DynamoDB reserves: quoted as values they are none.
    text = "INSERT INTO TABLE VALUE {'id': ?, 'n': ?, 'state': 'new', 'token': ?, 'picture': ?}"
    return statement(text, {"S": name}, {"N": str(number)}, {"L": [{"S": "x"}]}, {"B": b"\x00\xff"})


def put(name: str, **more: Any) -> dict[str, Any]:
    return {"Put": {"TableName": TABLE, "Item": key(name), **more}}


def update(name: str, update: str, condition: str, **values: Any) -> dict[str, Any]:
    return {
        "TableName": TABLE,
        "Key": key(name),
        "UpdateExpression": update,
        "ConditionExpression": condition,
        "ExpressionAttributeNames": {"#state": "state"},
        "ExpressionAttributeValues": {f":{short}": value for short, value in values.items()},
    }


ONE, TWO, TEN = {"N": "1"}, {"N": "2"}, {"N": "10"}
NEW, DONE, MORE = {"S": "new"}, {"S": "done"}, {"L": [{"S": "y"}]}
CHANGE = "SET #state = :done, n = n + :one, l = list_append(if_not_exists(l, :more), :more) ADD k :one"
UPDATE = 'UPDATE TABLE SET n = ?, "state" = ? REMOVE picture WHERE id = ? AND "state" = ? AND n < ?'

CALLS: list[tuple[str, dict[str, Any]]] = [
    ("put_item", {"TableName": TABLE, "Item": {**key("p"), "n": ONE}, **ABSENT}),
    ("put_item", {"TableName": TABLE, "Item": {**key("p"), "n": TWO}, **ABSENT}),
    ("batch_execute_statement", {"Statements": [insert(name, 1) for name in "ab"]}),
    ("batch_execute_statement", {"Statements": [insert(name, 2) for name in "abc"]}),
    (
        "batch_execute_statement",
        {
            "Statements": [
                statement(UPDATE, TWO, DONE, {"S": name}, NEW, TEN, show=name != "b")
                for name in ("a", "b", "p", "none")
            ]
        },
    ),
    (
        "update_item",
        update("c", CHANGE, "#state = :new AND n <= :two", done=DONE, one=ONE, more=MORE, new=NEW, two=TWO),
    ),
    ("update_item", update("c", CHANGE, "#state = :new OR n < :two", done=DONE, one=ONE, more=MORE, new=NEW, two=TWO)),
    (
        "transact_write_items",
        {"TransactItems": [put("d", **ABSENT), put("a", **ABSENT), {"Delete": {"TableName": TABLE, "Key": key("b")}}]},
    ),
    ("transact_write_items", {"TransactItems": [put("d", **ABSENT), put("e", **ABSENT)]}),
    ("transact_write_items", {"TransactItems": [put("f"), put("f")]}),
    (
        "batch_execute_statement",
        {
            "Statements": [
                statement("DELETE FROM TABLE WHERE id = ?", {"S": "d"}),
                statement('DELETE FROM TABLE WHERE id = ? AND "state" = ?', {"S": "a"}, NEW, show=True),
                statement('DELETE FROM TABLE WHERE id = ? AND "state" = ?', {"S": "none"}, NEW),
            ]
        },
    ),
    (
        "batch_execute_statement",
        {"Statements": [statement("SELECT * FROM TABLE WHERE id = ?", {"S": name}) for name in ("p", "none")]},
    ),
    ("batch_execute_statement", {"Statements": [insert(f"x{number}", 1) for number in range(26)]}),
    (
        "batch_get_item",
        {"RequestItems": {TABLE: {"Keys": [key(name) for name in ("a", "c", "none")], "ConsistentRead": True}}},
    ),
    (
        "batch_write_item",
        {"RequestItems": {TABLE: [{"PutRequest": {"Item": key("w")}}, {"DeleteRequest": {"Key": key("e")}}]}},
    ),
    ("batch_write_item", {"RequestItems": {TABLE: [{"DeleteRequest": {"Key": key("w")}}] * 2}}),
    ("put_item", {"TableName": TABLE, "Item": key("")}),
    ("delete_item", {"TableName": TABLE, "Key": key("c"), "ReturnValues": "ALL_OLD"}),
    ("get_item", {"TableName": TABLE, "Key": key("c")}),
    ("scan", {"TableName": TABLE}),
]


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    running = Emulator(tmp_path_factory.mktemp("emulator"), port=0)
    running.start()
    try:
        client = connect(running.url)
        client.create_table(
            TableName=TABLE,
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        yield client
    finally:
        running.stop()


def connect(url: str) -> Any:
    return Session().create_client(
        "dynamodb",
        endpoint_url=url,
        region_name="eu-west-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}),
    )


def answers(client: Any) -> list[Any]:
    """What each call is answered with, without texts of errors and without an order of items."""
    return [_answer(client, operation, request) for operation, request in CALLS]


def _answer(client: Any, operation: str, request: dict[str, Any]) -> Any:
    try:
        answer = getattr(client, operation)(**request)
    except ClientError as error:
        response: Any = error.response
        reasons = [{**reason, "Message": ""} for reason in response.get("CancellationReasons", ())]
        return type(error).__name__, response["Error"]["Code"], response.get("Item"), reasons
    answer.pop("ResponseMetadata")
    for each in answer.get("Responses", ()) if operation == "batch_execute_statement" else ():
        each.get("Error", {}).pop("Message", None)
    if operation == "batch_get_item":
        answer["Responses"][TABLE].sort(key=str)
    if "Items" in answer:
        answer["Items"].sort(key=str)
    return answer


def test_both_answer_alike(emulator: Any) -> None:
    with serve() as service:
        double = answers(connect(service.url))
    for (operation, request), theirs, ours in zip(CALLS, answers(emulator), double, strict=True):
        assert ours == theirs, (operation, request)
