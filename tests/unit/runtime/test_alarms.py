"""Trouble as it happens, from the failing record to the alarm: the runtime, AWS in memory, and the construct's template.

That each alarm can fire on what is published is shown beside the construct; here it is that trouble publishes it.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from uuid import uuid4

import boto3
import pytest

from constructs_lib.isolated_dependency_stream import IsolatedDependencyStream
from constructs_lib.runtime import DependencyUnavailable, PermanentFailure, TenantUnavailable, stream_consumer
from constructs_lib.runtime.records import Record
from tests.support.cloudwatch import Point, embedded, state
from tests.support.functions import consumer, source_folder
from tests.support.synthesis import new_stack, only, resources
from tests.unit.runtime.events import envelope, kinesis_event

DAY = 86_400
NAMES = {"RESILIENCE_QUARANTINE_BUCKET": "quarantine", "RESILIENCE_STATE_TABLE": "state"}


@dataclass
class ShortInvocation:
    """Lambda's context object of a function with a timeout of two seconds."""

    function_name: str = "notify-slack"
    aws_request_id: str = "request-1"
    _end: float = field(default_factory=lambda: time.monotonic() + 2)

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int((self._end - time.monotonic()) * 1_000))


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Settings and alarms of a dependency, as the construct writes them."""
    stack = new_stack()
    notify = consumer(stack, "Notify", source_folder(tmp_path_factory.mktemp("functions")))
    IsolatedDependencyStream(stack, "slack", consumer=notify)
    variables = only(stack, "AWS::Lambda::Function")["Environment"]["Variables"]
    table = only(stack, "AWS::DynamoDB::Table")
    alarms = {
        name.removeprefix("slack").removesuffix(name[-8:]): alarm["Properties"]
        for name, alarm in resources(stack, "AWS::CloudWatch::Alarm").items()
        if alarm["Properties"]["Namespace"] == "Resilience"
    }
    return variables | {"table": table}, alarms


Firing = Callable[[Callable[[Record], None], float], set[str]]


@pytest.fixture
def firing(
    template: tuple[Mapping[str, Any], Mapping[str, Any]],
    aws: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Firing:
    """Which alarms fire when twenty records so many seconds old meet that handler, delivered again a while later."""
    variables, alarms = template
    for name, value in variables.items():
        if name != "table":
            monkeypatch.setenv(name, NAMES.get(name, value))
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", uuid4().hex)
    boto3.client("s3").create_bucket(Bucket="quarantine", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    keyed = {key: variables["table"][key] for key in ("KeySchema", "AttributeDefinitions", "BillingMode")}
    boto3.client("dynamodb").create_table(TableName="state", **keyed)

    def firing(handle_record: Callable[[Record], None], age: float) -> set[str]:
        handle = stream_consumer(handle_record)
        event = kinesis_event([envelope(f"m-{number}").to_json() for number in range(20)])
        for record in event["Records"]:
            record["kinesis"]["approximateArrivalTimestamp"] = time.time() - age
        # An environment's start takes time that a short invocation would lack.
        handle({"resilience": "drain"}, ShortInvocation())
        points = []
        for minutes_ago in (16, 1.5, 0.5):
            for sent in (event, {"resilience": "drain"}):
                capsys.readouterr()
                handle(sent, ShortInvocation())
                points += [
                    Point(metric=metric, value=value, minutes_ago=minutes_ago)
                    for line in capsys.readouterr().out.splitlines()
                    if '"_aws"' in line
                    for metric, values in embedded(line)
                    for value in values
                ]
        return {name for name, alarm in alarms.items() if state(alarm, points) == "ALARM"}

    return firing


@pytest.mark.requirement("ISO-14")
def test_nothing_fires_while_all_is_well(firing: Firing) -> None:
    """Records are done, and every minute somebody looks after those that are parked."""
    assert firing(lambda record: None, 1) == set()


@pytest.mark.requirement("ISO-14")
def test_a_record_that_can_never_succeed_is_told(firing: Firing) -> None:
    """It is in the quarantine; nothing else is the matter."""

    def refuse(record: Record) -> None:
        raise PermanentFailure("no such channel")

    assert firing(refuse, 1) == {"QuarantinedAlarm"}


@pytest.mark.requirement("ISO-14")
def test_an_outage_is_told(firing: Firing) -> None:
    """Calls are stopped, and records wait."""

    def be_down(record: Record) -> None:
        raise DependencyUnavailable("503")

    fired = firing(be_down, 1)
    assert fired >= {"BreakerOpenAlarm", "HeldAlarm"}
    assert "QuarantinedAlarm" not in fired


@pytest.mark.requirement("ISO-14")
def test_a_rising_failure_rate_is_told_before_calls_stop(firing: Firing) -> None:
    """Two calls of five fail, and what fails is tried again."""
    numbers = count()

    def stagger(record: Record) -> None:
        if next(numbers) % 5 in (2, 4):
            raise DependencyUnavailable("503")

    assert "FailureRateAlarm" in (fired := firing(stagger, 1))
    assert "BreakerOpenAlarm" not in fired


@pytest.mark.requirement("ISO-14")
def test_an_outage_of_days_is_told_before_records_are_lost(firing: Firing) -> None:
    """Half of the retention is gone, and so is more than half of the longest hold."""

    def be_down(record: Record) -> None:
        raise DependencyUnavailable("503")

    fired = firing(be_down, 3.6 * DAY)
    assert "DataLoss50Alarm" in fired
    assert "DataLoss20Alarm" not in fired
    assert "DataLoss20Alarm" in firing(be_down, 5.7 * DAY)


@pytest.mark.requirement("ISO-14")
def test_a_bug_in_the_handler_is_told(firing: Firing) -> None:
    """Records are held for whoever mends it; they do not fill the quarantine."""

    def stumble(record: Record) -> None:
        raise KeyError("blocks")

    fired = firing(stumble, 1)
    assert "HandlerFailingAlarm" in fired
    assert "QuarantinedAlarm" not in fired


def be_limited(record: Record) -> None:
    raise TenantUnavailable("429", retry_after=3_600)


@pytest.mark.requirement("ISO-14")
def test_a_tenant_that_waits_is_nobodys_trouble(firing: Firing) -> None:
    """It does so now and then; the rest goes on."""
    assert firing(be_limited, 1) == set()


@pytest.mark.requirement("ISO-14")
def test_a_tenant_that_waits_for_days_is_told(firing: Firing) -> None:
    """When its records have been parked for half of the longest hold."""
    assert "ParkedAlarm" in firing(be_limited, 3.1 * DAY)
