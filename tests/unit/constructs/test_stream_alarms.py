"""Every alarm of a dependency can fire: it watches a number that is really published, and trouble crosses its line.

The runtime's numbers come out of the runtime's own code, with the settings of the template that holds the alarms. Those
of AWS are listed here as its documentation names them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args
from uuid import uuid4

import aws_cdk as cdk
import pytest
from aws_cdk import Duration

import constructs_lib.runtime
from constructs_lib.isolated_dependency_stream import CallPolicy, IsolatedDependencyStream
from constructs_lib.runtime import stream_wiring
from constructs_lib.runtime.observability import Unit
from tests.support.cloudwatch import Metric, Point, embedded, published_by, state
from tests.support.functions import consumer, source_folder
from tests.support.synthesis import new_stack, resources

DAY = 86_400
HOLD, RETENTION = 6 * DAY, 7 * DAY

# Metric to namespace, dimensions and unit.
# https://docs.aws.amazon.com/streams/latest/dev/monitoring-with-cloudwatch.html
# https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
AWS_METRICS = {
    "GetRecords.IteratorAgeMilliseconds": ("AWS/Kinesis", "StreamName", "Milliseconds"),
    "WriteProvisionedThroughputExceeded": ("AWS/Kinesis", "StreamName", "Count"),
    "IteratorAge": ("AWS/Lambda", "FunctionName", "Milliseconds"),
    "Errors": ("AWS/Lambda", "FunctionName", "Count"),
    "Throttles": ("AWS/Lambda", "FunctionName", "Count"),
    "OnFailureDestinationDeliveredEventCount": ("AWS/Lambda", "EventSourceMappingUUID", "Count"),
    "DroppedEventCount": ("AWS/Lambda", "EventSourceMappingUUID", "Count"),
}
RESOURCES = {
    "StreamName": "AWS::Kinesis::Stream",
    "FunctionName": "AWS::Lambda::Function",
    "EventSourceMappingUUID": "AWS::Lambda::EventSourceMapping",
}


@dataclass(frozen=True, kw_only=True)
class Watched:
    """What one alarm is for.

    Numbers are (minutes ago, value). `silence` is the state that an alarm which has fired comes to when nothing is
    published any more.
    """

    metric: str
    unit: str
    trouble: Sequence[tuple[float, float]]
    well: Sequence[tuple[float, float]]
    silence: str


def counted(metric: str) -> Watched:
    """One such event is one too many; no news is good news."""
    return Watched(metric=metric, unit="Count", trouble=[(1, 1)], well=[], silence="OK")


def aged(percent: int) -> Watched:
    """Records have waited for so much of the longest hold; half an hour without an invocation, and none wait."""
    line = HOLD * 1000 * percent / 100
    return Watched(metric="IteratorAge", unit="Milliseconds", trouble=[(1, line)], well=[(1, line - 1)], silence="OK")


def left(percent: int) -> Watched:
    """So much of the retention is left; half an hour without an invocation, and nothing waits."""
    line = RETENTION * percent / 100
    trouble = [(2, RETENTION), (1, line)]
    return Watched(metric="TimeToDataLoss", unit="Seconds", trouble=trouble, well=[(1, line + 1)], silence="OK")


ALARMS = {
    "LateAlarm": Watched(
        metric="GetRecords.IteratorAgeMilliseconds",
        unit="Milliseconds",
        trouble=[(minute, 900_000) for minute in (2, 7, 12)],
        well=[(minute, 0) for minute in (2, 7, 12)],
        # A stream that is polled has data even when it is empty.
        silence="ALARM",
    ),
    "AtRisk25Alarm": aged(25),
    "AtRisk50Alarm": aged(50),
    "AtRisk80Alarm": aged(80),
    "DataLoss50Alarm": left(50),
    "DataLoss20Alarm": left(20),
    "HeldAlarm": Watched(
        # An invocation of the longest kind waits for the dependency and hands back at its end.
        metric="RecordsHeld",
        unit="Count",
        trouble=[(1, 100), (16, 100)],
        well=[(1, 100)],
        silence="OK",
    ),
    "FailureRateAlarm": Watched(
        metric="CallFailureRate",
        unit="Percent",
        trouble=[(0.5, 25), (2.5, 40)],
        well=[(0.5, 90), (1.5, 24), (2.5, 0)],
        silence="OK",
    ),
    "BreakerOpenAlarm": Watched(
        metric="BreakerOpen", unit="Count", trouble=[(0.5, 1)], well=[(0.5, 0)], silence="ALARM"
    ),
    "HandlerFailingAlarm": counted("HandlerFailing"),
    "ParkedAlarm": Watched(
        metric="OldestParkedAge", unit="Seconds", trouble=[(1, HOLD / 2)], well=[(1, HOLD / 2 - 1)], silence="OK"
    ),
    "NotDrainedAlarm": Watched(
        # Every visit counts, also one that finds nothing parked.
        metric="TenantsParked",
        unit="Count",
        trouble=[],
        well=[(1, 0)],
        silence="ALARM",
    ),
    "QuarantinedAlarm": counted("RecordsQuarantined"),
    "ExpiredAlarm": counted("OnFailureDestinationDeliveredEventCount"),
    "DroppedAlarm": counted("DroppedEventCount"),
    "WriteThrottledAlarm": counted("WriteProvisionedThroughputExceeded"),
    "ErrorsAlarm": counted("Errors"),
    "ThrottlesAlarm": counted("Throttles"),
}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> cdk.Stack:
    stack = new_stack()
    source = source_folder(tmp_path_factory.mktemp("functions"))
    IsolatedDependencyStream(stack, "slack", consumer=consumer(stack, "Notify", source))
    return stack


@pytest.fixture(scope="module")
def alarms(stack: cdk.Stack) -> dict[str, dict[str, Any]]:
    """The template's alarms by construct id."""
    found = {}
    for logical_id, alarm in resources(stack, "AWS::CloudWatch::Alarm").items():
        (name,) = (name for name in ALARMS if name in logical_id)
        assert name not in found
        found[name] = alarm["Properties"]
    return found


@pytest.fixture
def publish(
    stack: cdk.Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[str, float], Metric]:
    """Publish one number the way it is published, and return what CloudWatch files it under."""
    runtime = published_by(Path(constructs_lib.runtime.__file__).parent)
    (function,) = resources(stack, "AWS::Lambda::Function").values()
    for name, value in function["Properties"]["Environment"]["Variables"].items():
        monkeypatch.setenv(name, value if isinstance(value, str) else "a-reference")
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", uuid4().hex)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")

    def by_aws(name: str) -> Metric:
        namespace, dimension, unit = AWS_METRICS[name]
        (resource,) = resources(stack, RESOURCES[dimension])
        return Metric(namespace=namespace, name=name, dimensions={dimension: {"Ref": resource}}, unit=unit)

    def publish(name: str, value: float) -> Metric:
        if name in AWS_METRICS:
            return by_aws(name)
        unit: Unit = next(unit for unit in get_args(Unit) if unit == runtime[name])
        watch = stream_wiring.from_environment().watch
        capsys.readouterr()
        if unit == "Count" and value == int(value) and value > 0:
            watch.count(name, int(value))
        else:
            watch.gauge(name, value, unit)
        watch.flush()
        ((metric, values),) = embedded(capsys.readouterr().out)
        assert values == [value]
        return metric

    return publish


@pytest.mark.requirement("ISO-14", "ISO-15", "MSG-11")
@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_fires_on_its_trouble_and_on_that_only(
    name: str, alarms: Mapping[str, Mapping[str, Any]], publish: Callable[[str, float], Metric]
) -> None:
    """From what is really published: namespace, name, dimensions and unit are right, and the line is crossed."""
    alarm, watched = alarms[name], ALARMS[name]

    def points(numbers: Sequence[tuple[float, float]]) -> list[Point]:
        return [
            Point(metric=publish(watched.metric, value), value=value, minutes_ago=minutes) for minutes, value in numbers
        ]

    trouble, well = points(watched.trouble), points(watched.well)
    assert {point.metric.unit for point in trouble + well} <= {watched.unit}
    assert "Unit" not in alarm, "an alarm that asks for a unit finds no number published with another"
    assert state(alarm, trouble) == "ALARM"
    assert state(alarm, well, before="ALARM") == "OK"
    assert state(alarm, [], before="ALARM") == watched.silence


@pytest.mark.requirement("ISO-15")
@pytest.mark.parametrize(
    "name", ["AtRisk25Alarm", "AtRisk50Alarm", "AtRisk80Alarm", "DataLoss50Alarm", "DataLoss20Alarm"]
)
def test_an_alarm_about_age_stays_for_half_an_hour_after_the_last_old_record(
    name: str, alarms: Mapping[str, Mapping[str, Any]], publish: Callable[[str, float], Metric]
) -> None:
    """While records are held there is an invocation in between; a quiet stream whose last record was old alarms no more."""
    watched = ALARMS[name]

    def trouble(minutes_ago: float) -> list[Point]:
        return [
            Point(metric=publish(watched.metric, value), value=value, minutes_ago=minutes_ago)
            for _, value in watched.trouble
        ]

    assert state(alarms[name], trouble(29), before="ALARM") == "ALARM"
    assert state(alarms[name], trouble(31), before="ALARM") == "OK"


def test_every_alarm_is_tried(alarms: Mapping[str, Any]) -> None:
    """An alarm without a case here might watch nothing."""
    assert set(alarms) == set(ALARMS)


def test_an_alarm_warns_before_calls_stop(alarms: Mapping[str, Mapping[str, Any]], tmp_path: Path) -> None:
    """At half the share of failed calls that stops them, whatever that share is."""
    assert alarms["FailureRateAlarm"]["Threshold"] == 25
    stack = new_stack()
    notify = consumer(stack, "Notify", source_folder(tmp_path))
    IsolatedDependencyStream(stack, "slack", consumer=notify, calls=CallPolicy(open_at_percent=90))
    (threshold,) = (
        alarm["Properties"]["Threshold"]
        for alarm in resources(stack, "AWS::CloudWatch::Alarm").values()
        if alarm["Properties"]["MetricName"] == "CallFailureRate"
    )
    assert threshold == 45


def test_lambda_counts_what_the_alarms_watch(stack: cdk.Stack) -> None:
    """Counts per mapping are published only where the mapping asks for them."""
    (mapping,) = resources(stack, "AWS::Lambda::EventSourceMapping").values()
    assert mapping["Properties"]["MetricsConfig"] == {"Metrics": ["EventCount"]}


def test_alarms_holds_every_alarm(tmp_path: Path) -> None:
    """Whoever wires `alarms` to a topic has wired them all, the consumer's too."""
    stack = new_stack()
    dependency = IsolatedDependencyStream(stack, "slack", consumer=consumer(stack, "Notify", source_folder(tmp_path)))
    paths = {alarm.node.path for alarm in dependency.alarms}
    assert len(paths) == len(resources(stack, "AWS::CloudWatch::Alarm")) == len(ALARMS)


def test_lines_follow_the_times_that_were_given(tmp_path: Path) -> None:
    """A shorter hold or retention moves the lines with it."""
    stack = new_stack()
    notify = consumer(stack, "Notify", source_folder(tmp_path))
    hold, retention = Duration.hours(10), Duration.hours(30)
    IsolatedDependencyStream(stack, "slack", consumer=notify, hold_at_most=hold, retention=retention)
    lines = sorted(
        (alarm["Properties"]["MetricName"], alarm["Properties"]["Threshold"] / 3600)
        for alarm in resources(stack, "AWS::CloudWatch::Alarm").values()
        if alarm["Properties"]["MetricName"] in ("IteratorAge", "TimeToDataLoss", "OldestParkedAge")
    )
    assert lines == [
        *(("IteratorAge", 1000 * hours) for hours in (2.5, 5, 8)),
        ("OldestParkedAge", 5),
        ("TimeToDataLoss", 6),
        ("TimeToDataLoss", 15),
    ]


def test_metrics_are_those_the_alarms_watch(tmp_path: Path, alarms: Mapping[str, Mapping[str, Any]]) -> None:
    """Each metric method gives a metric that has an alarm."""
    stack = new_stack()
    dependency = IsolatedDependencyStream(stack, "slack", consumer=consumer(stack, "Notify", source_folder(tmp_path)))
    metrics = [dependency.metric_iterator_age(), dependency.metric_quarantined(), dependency.metric_expired()]
    metrics += [dependency.metric_dropped(), dependency.metric_write_throttled(), dependency.metric_time_to_data_loss()]
    assert {metric.metric_name for metric in metrics} < {alarm["MetricName"] for alarm in alarms.values()}
