"""GET /health: computed from the region's own stores, quick, and never an error."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from constructs_lib.runtime.functions.health.check import HealthCheck, Probe
from constructs_lib.runtime.functions.health.handler import make_handler
from constructs_lib.runtime.functions.health.probes import build, clients

TABLE = {"name": "orders", "kind": "table", "table": "orders", "key": {"id": "health#eu-west-1"}}
QUEUE = {"name": "jobs", "kind": "queue", "queue": "https://sqs.eu-west-1.amazonaws.com/1/jobs"}
STREAM = {"name": "events", "kind": "stream", "stream": "events"}


@pytest.fixture(autouse=True)
def in_a_region(monkeypatch: pytest.MonkeyPatch) -> None:
    """What Lambda sets for every function."""
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")


@pytest.fixture
def forever() -> Iterator[threading.Event]:
    """What a hanging call waits for; let go when the test is over."""
    event = threading.Event()
    yield event
    event.set()


class Clock:
    """Time that passes when a test says so."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


class Store:
    """All three services at once, each call answered from a table of answers."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.made: list[str] = []

    def make(self, service: str) -> "Store":
        self.made.append(service)
        return self

    def __getattr__(self, call: str) -> Any:
        def answer(**_arguments: Any) -> Any:
            given = self.answers.get(call, {})
            if isinstance(given, Exception):
                raise given
            return given

        return answer


class _Real(Store):
    """The SDK's own clients, which moto answers."""

    def make(self, service: str) -> Any:
        return clients()(service)


def works() -> None:
    """A probe that comes back."""


def breaks() -> None:
    raise ConnectionError("arn:aws:dynamodb:eu-west-1:123456789012:table/orders refused")


def ask(**probes: Probe) -> dict[str, Any]:
    return make_handler(lambda: HealthCheck(probes=probes))({}, None)


def tried(settings: list[dict[str, Any]], store: Store) -> tuple[str, ...]:
    return HealthCheck(probes=build(settings, store.make)).failed()


def refused(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": ""}}, "Any")


def test_a_region_that_works_says_so() -> None:
    """200, with the text that the DNS health check looks for."""
    answer = ask(orders=works, jobs=works)
    assert answer["statusCode"] == 200
    assert answer["body"] == '{"status":"healthy","region":"eu-west-1"}'
    assert answer["headers"] == {"content-type": "application/json", "cache-control": "no-store"}


def test_dns_looks_for_what_health_says() -> None:
    """The text in the health check is in the answer of a healthy region, and in no other."""
    from constructs_lib.multi_region_api import HEALTHY

    assert HEALTHY in ask()["body"]
    assert HEALTHY not in ask(orders=breaks)["body"]


def test_a_region_that_fails_names_what_failed_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    """503 and the names; why it failed stands in the log, not in an answer that the public reads."""
    answer = ask(orders=breaks, jobs=works, events=breaks)
    assert answer["statusCode"] == 503
    assert json.loads(answer["body"]) == {"status": "unhealthy", "region": "eu-west-1", "failed": ["orders", "events"]}
    assert "table/orders refused" in caplog.text


def test_an_answer_holds_for_a_few_seconds() -> None:
    """However many checkers ask, a store is tried once in five seconds, and a failure is seen right after."""
    clock, calls = Clock(), []

    def probe() -> None:
        calls.append(clock.now)
        if clock.now > 1_004:
            breaks()

    check = HealthCheck(probes={"orders": probe}, clock=clock)
    assert [check.failed(), check.failed()] == [(), ()]
    clock.now = 1_004.9
    assert check.failed() == ()
    clock.now = 1_005
    assert check.failed() == ("orders",)
    assert calls == [1_000.0, 1_005]


def test_a_clock_set_back_does_not_freeze_the_answer() -> None:
    """An answer from the future is no answer."""
    clock, calls = Clock(), []
    check = HealthCheck(probes={"orders": lambda: calls.append(clock.now)}, clock=clock)
    check.failed()
    clock.now -= 3_600
    check.failed()
    assert len(calls) == 2


def test_a_store_that_hangs_counts_as_failed(forever: threading.Event) -> None:
    """The answer does not wait for it, and what works is not blamed."""
    probes: dict[str, Probe] = {"orders": forever.wait, "jobs": works}
    started = time.monotonic()
    assert HealthCheck(probes=probes, patience=0.05).failed() == ("orders",)
    assert time.monotonic() - started < 5


def test_stores_are_tried_at_once() -> None:
    """The slowest one decides how long the answer takes, not their sum: each waits here for the other."""
    both = threading.Barrier(2, timeout=5)
    probes: dict[str, Probe] = {"orders": both.wait, "jobs": both.wait}
    assert HealthCheck(probes=probes).failed() == ()


@pytest.mark.parametrize("error", [KeyError("RESILIENCE_HEALTH_PROBES"), RuntimeError("no credentials")])
def test_a_health_check_that_breaks_is_no_proof_of_health(error: Exception) -> None:
    """It never raises: an error counts as unhealthy, and the next request tries again."""
    outcomes: list[Exception | HealthCheck] = [error, HealthCheck(probes={})]

    def load() -> HealthCheck:
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    handle = make_handler(load)
    assert handle({}, None)["statusCode"] == 503
    assert json.loads(handle({}, None)["body"])["status"] == "healthy"


def test_a_setting_of_another_version_is_unhealthy_not_an_error() -> None:
    """A kind of probe that this version does not know cannot be vouched for."""
    unknown = [{"name": "cache", "kind": "cache"}]
    answer = make_handler(lambda: HealthCheck(probes=build(unknown, Store().make)))({}, None)
    assert answer["statusCode"] == 503


def test_each_kind_of_store_is_really_asked() -> None:
    """The services themselves accept the calls, and the table's item is there afterwards with what it had before."""
    with mock_aws():
        session = boto3.Session()
        dynamodb = session.client("dynamodb")
        dynamodb.create_table(
            TableName="orders",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        key = {"id": {"S": "health#eu-west-1"}}
        dynamodb.put_item(TableName="orders", Item={**key, "note": {"S": "kept"}})
        queue = session.client("sqs").create_queue(QueueName="jobs")["QueueUrl"]
        session.client("kinesis").create_stream(StreamName="events", ShardCount=1)

        assert tried([TABLE, {**QUEUE, "queue": queue}, STREAM], _Real()) == ()
        item = dynamodb.get_item(TableName="orders", Key=key)["Item"]
        assert item["note"] == {"S": "kept"}
        assert "health_checked_at" in item
        assert tried([{**TABLE, "table": "gone"}, {**STREAM, "stream": "gone"}], _Real()) == ("orders", "events")


def test_a_table_that_does_not_give_back_what_it_took_has_failed() -> None:
    """Writing is not enough: the item must be readable."""
    assert tried([TABLE], Store(get_item={"Item": {}})) == ()
    assert tried([TABLE], Store(get_item={})) == ("orders",)


@pytest.mark.parametrize(("status", "failed"), [("ACTIVE", ()), ("UPDATING", ()), ("DELETING", ("events",))])
def test_a_stream_must_take_records(status: str, failed: tuple[str, ...]) -> None:
    """A stream that is being resharded works; one that goes away does not."""
    summary = {"StreamDescriptionSummary": {"StreamStatus": status}}
    assert tried([STREAM], Store(describe_stream_summary=summary)) == failed


@pytest.mark.parametrize(
    ("code", "failed"),
    [("ThrottlingException", ()), ("LimitExceededException", ()), ("AccessDeniedException", ("jobs",))],
)
def test_too_much_load_does_not_turn_a_region_red(code: str, failed: tuple[str, ...]) -> None:
    """A service that turns a question away for their number is there; one that forbids it is of no use."""
    assert tried([QUEUE], Store(get_queue_attributes=refused(code))) == failed


def test_clients_give_up_quickly_and_are_made_once() -> None:
    """One try, a second to connect and a second to answer; one client per service however many probes use it."""
    config = clients()("sqs").meta.config
    assert (config.connect_timeout, config.read_timeout) == (1, 1)
    assert config.retries["total_max_attempts"] == 1
    store = Store()
    build([QUEUE, {**QUEUE, "name": "more"}, TABLE], store.make)
    assert store.made == ["sqs", "dynamodb"]


def test_importing_the_handler_does_nothing() -> None:
    """No setting is read and no client made before the first request, so an import cannot fail on AWS."""
    code = "from constructs_lib.runtime.functions.health.handler import handle; print(handle({}, None)['statusCode'])"
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "RESILIENCE_"))}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[3],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.returncode) == ("503\n", 0)


def test_the_settings_of_the_construct_are_understood() -> None:
    """What the construct writes into the environment, the function turns into probes of the same names."""
    import aws_cdk as cdk
    from aws_cdk import aws_kinesis as kinesis
    from aws_cdk import aws_sqs as sqs

    from constructs_lib.global_table import GlobalTable
    from constructs_lib.multi_region_api import HealthProbe

    stack = cdk.Stack(cdk.App(), "Stack")
    probes = [
        HealthProbe.table(GlobalTable.in_region(stack, "Orders", "orders"), {"id": "health"}),
        HealthProbe.queue(sqs.Queue(stack, "Jobs")),
        HealthProbe.stream(kinesis.Stream(stack, "Events")),
    ]
    built = build([{"name": probe.name, **probe.setting} for probe in probes], Store().make)
    assert list(built) == ["table Orders", "queue Jobs", "stream Events"]
