"""The sweep of an idempotency store without a time to live: what has expired goes, and nothing else."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from constructs_lib.runtime.deadline import Deadline
from constructs_lib.runtime.functions.sweep.handler import Ports, make_handler
from constructs_lib.runtime.functions.sweep.store import POSITION_ID, DynamoDbStore
from constructs_lib.runtime.functions.sweep.sweep import GRACE_SECONDS, SPARE_SECONDS, Swept, sweep
from constructs_lib.runtime.json_watch import JsonWatch
from tests.standins.dynamodb import FakeDynamoDB
from tests.unit.runtime.fakes import FakeContext

TABLE = "store"
NOW = 1_800_000_000
LONG_AGO = NOW - GRACE_SECONDS - 1


class Pages:
    """A client whose scans end after a few items, as those of a large table do."""

    def __init__(self, database: FakeDynamoDB, *, size: int) -> None:
        self._database = database
        self._client = database.client()
        self._size = size
        self.scanned: list[str] = []

    def scan(self, *, Limit: int, ExclusiveStartKey: Any = None, **request: Any) -> dict[str, Any]:  # noqa: N803 - the API's names
        assert Limit >= self._size
        start = ExclusiveStartKey["id"]["S"] if ExclusiveStartKey else ""
        ids = sorted(item["id"]["S"] for item in self._database.items(TABLE) if item["id"]["S"] > start)
        page = ids[: self._size]
        self.scanned += page
        assert request.pop("ProjectionExpression") == "id, expiration"
        found = self._client.scan(**request)["Items"]
        answer = {"Items": [item for item in found if item["id"]["S"] in page]}
        return answer if len(ids) == len(page) else {**answer, "LastEvaluatedKey": {"id": {"S": page[-1]}}}

    def __getattr__(self, operation: str) -> Any:
        return getattr(self._client, operation)


@pytest.fixture
def database() -> FakeDynamoDB:
    return FakeDynamoDB()


def remember(database: FakeDynamoDB, **expirations: int) -> None:
    for name, expiration in expirations.items():
        database.put(TABLE, {"id": {"S": f"message#{name}"}, "expiration": {"N": str(expiration)}})


def left(database: FakeDynamoDB) -> set[str]:
    ids = {item["id"]["S"] for item in database.items(TABLE)} - {POSITION_ID}
    return {name.removeprefix("message#") for name in ids}


def run(client: Any, *, seconds: Iterator[float] | None = None, now: float = NOW) -> Swept:
    store = DynamoDbStore(client=client, table=TABLE, deadline=Deadline(FakeContext()))
    return sweep(store, seconds_left=lambda: next(seconds) if seconds else 900.0, clock=lambda: now)


@pytest.mark.requirement("IDM-03")
def test_what_has_long_expired_goes(database: FakeDynamoDB) -> None:
    """What another region's clock may not call expired yet stays, and so does what has no end."""
    remember(database, old=LONG_AGO, just=NOW - GRACE_SECONDS, fresh=NOW + 60)
    database.put(TABLE, {"id": {"S": "message#endless"}})
    assert run(Pages(database, size=100)) == Swept(deleted=1, age=0)
    assert left(database) == {"just", "fresh", "endless"}


def test_an_item_that_was_renewed_meanwhile_stays(database: FakeDynamoDB) -> None:
    """Between being seen and being deleted it was claimed anew, perhaps in another region."""
    remember(database, old=LONG_AGO, renewed=LONG_AGO)

    class Renewing(Pages):
        def scan(self, **request: Any) -> dict[str, Any]:
            page = super().scan(**request)
            remember(database, renewed=NOW + 60)
            return page

    assert run(Renewing(database, size=100)).deleted == 1
    assert left(database) == {"renewed"}


def test_a_run_ends_in_time_and_the_next_goes_on_where_it_stopped(database: FakeDynamoDB) -> None:
    """A large store takes several runs, and no part of it is looked at twice before all of it was."""
    remember(database, **{f"n{number:02}": LONG_AGO if number % 2 else NOW + 60 for number in range(10)})
    client = Pages(database, size=3)
    assert run(client, seconds=iter([900, 400, SPARE_SECONDS]), now=NOW) == Swept(deleted=3, age=0)
    assert client.scanned == [f"message#n{number:02}" for number in range(6)]
    # The age counts from when the store was last gone through to its end; it never was.
    assert run(client, seconds=iter([900, SPARE_SECONDS]), now=NOW + 50).age == 50
    assert run(client, now=NOW + 100) == Swept(deleted=1, age=0)
    assert [name for name in client.scanned if name != POSITION_ID] == [f"message#n{number:02}" for number in range(10)]
    assert left(database) == {f"n{number:02}" for number in range(0, 10, 2)}


def test_a_finished_pass_begins_again(database: FakeDynamoDB) -> None:
    """What has expired since is found by the next run."""
    client = Pages(database, size=100)
    remember(database, later=NOW)
    assert run(client).deleted == 0
    assert run(client, now=NOW + GRACE_SECONDS + 1).deleted == 1


def test_what_cannot_be_deleted_now_is_left_to_the_next_pass(database: FakeDynamoDB) -> None:
    """A conflict with another region stops neither this run nor the others' items."""
    remember(database, one=LONG_AGO, other=LONG_AGO)

    class Conflict(Pages):
        def batch_execute_statement(self, **request: Any) -> dict[str, Any]:
            kept = [each for each in request["Statements"] if each["Parameters"][0]["S"] != "message#one"]
            answers = iter(database.client().batch_execute_statement(Statements=kept)["Responses"] if kept else [])
            return {
                "Responses": [
                    {"Error": {"Code": "ConditionalCheckFailed", "Message": ""}} if each not in kept else next(answers)
                    for each in request["Statements"]
                ]
            }

    assert run(Conflict(database, size=100)).deleted == 1
    assert left(database) == {"one"}


def test_every_run_tells_what_it_came_to(database: FakeDynamoDB, capsys: pytest.CaptureFixture[str]) -> None:
    """Also one that finds nothing: silence means that nobody sweeps."""
    remember(database, old=int(time.time()) - 2 * GRACE_SECONDS)
    ports = Ports(
        client=Pages(database, size=100),  # type: ignore[arg-type]  # has what is called
        table=TABLE,
        watch=JsonWatch(namespace="Resilience", dimensions={"store": TABLE}),
    )
    handle = make_handler(lambda: ports)
    counted = []
    for _ in range(2):
        handle({}, FakeContext(timeout_seconds=900.0))
        metrics = json.loads(capsys.readouterr().out.splitlines()[-1])
        counted.append((metrics["store"], metrics["ItemsSwept"], metrics["SweepAge"]))
    assert counted == [(TABLE, [1.0], [0.0]), (TABLE, [0.0], [0.0])]
