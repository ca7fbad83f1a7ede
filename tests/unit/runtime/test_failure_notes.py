"""Why a message failed is found by its id."""

import boto3
import pytest
from botocore.exceptions import ClientError

from constructs_lib.runtime.failure_notes import Note, TableNotes


def notes() -> TableNotes:
    client = boto3.client("dynamodb")
    client.create_table(
        TableName="done",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    return TableNotes(client=client, table="done")


def test_newest_reason_is_kept_for_longer_than_a_dead_letter(aws: None) -> None:
    """As many as a batch has, each under its message's id."""
    table = notes()
    table.keep({f"m-{number}": Note("first", 1) for number in range(60)}, 1_795_230_000.0)
    table.keep({"m-7": Note("second", 2)}, 1_795_230_245.9)
    items = {item["id"]["S"]: item for item in table.client.scan(TableName="done")["Items"]}
    assert len(items) == 60
    assert items["failure#m-7"] == {
        "id": {"S": "failure#m-7"},
        "reason": {"S": "second"},
        "deliveries": {"N": "2"},
        "at": {"S": "2026-11-21T03:04:05Z"},
        "expiration": {"N": str(1_795_230_245 + 15 * 86_400)},
    }


def test_table_that_does_not_answer_is_an_error(aws: None) -> None:
    """The caller logs it and goes on."""
    with pytest.raises(ClientError):
        TableNotes(client=boto3.client("dynamodb"), table="none").keep({"m": Note("x", 1)}, 0.0)
