"""The sweep of an idempotency store over HTTP: pages, conditions and the note of where it stopped are DynamoDB's."""

from pathlib import Path
from typing import Any

import pytest
from botocore.session import Session

from constructs_lib.local.emulator import Emulator
from constructs_lib.runtime.clients import QUICK
from constructs_lib.runtime.deadline import Deadline
from constructs_lib.runtime.functions.sweep.store import DynamoDbStore
from constructs_lib.runtime.functions.sweep.sweep import SPARE_SECONDS, sweep
from tests.unit.runtime.fakes import FakeContext

pytestmark = pytest.mark.local_cloud

TABLE = "done"
# More than the sweep looks at before it notes where it is.
REMEMBERED = 1_250
NOW = 1_800_000_000


def test_a_large_store_is_swept_in_parts(tmp_path: Path) -> None:
    """What has expired goes, what is fresh stays, and each run begins where the one before it stopped."""
    running = Emulator(tmp_path, port=0)
    running.start()
    try:
        session = Session()
        session.set_credentials("test", "test")
        client: Any = session.create_client("dynamodb", region_name="eu-west-1", endpoint_url=running.url, config=QUICK)
        client.create_table(
            TableName=TABLE,
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        items = [
            {"id": {"S": f"message#{number}"}, "expiration": {"N": str(NOW - 86_400 if number % 10 else NOW + 60)}}
            for number in range(REMEMBERED)
        ]
        for start in range(0, REMEMBERED, 25):
            client.batch_write_item(
                RequestItems={TABLE: [{"PutRequest": {"Item": item}} for item in items[start : start + 25]]}
            )
        store = DynamoDbStore(client=client, table=TABLE, deadline=Deadline(FakeContext(timeout_seconds=900)))
        one_page = iter([900.0, SPARE_SECONDS])
        first = sweep(store, seconds_left=lambda: next(one_page), clock=lambda: NOW)
        assert 0 < first.deleted <= 1_000
        position = store.position()
        assert position is not None
        assert position.after is not None
        second = sweep(store, seconds_left=lambda: 900.0, clock=lambda: NOW)
        assert first.deleted + second.deleted == sum(1 for number in range(REMEMBERED) if number % 10)
        left = client.get_paginator("scan").paginate(TableName=TABLE).build_full_result()["Items"]
        assert {item["id"]["S"] for item in left} == {
            "sweep-position",
            *(f"message#{number}" for number in range(0, REMEMBERED, 10)),
        }
    finally:
        running.stop()
