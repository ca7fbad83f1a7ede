"""Every alarm of a consumer of messages can fire: it watches a number that is really published, and trouble crosses its
line.

The runtime's numbers come out of the runtime's own code, with the settings of the template that holds the alarms. Those
of AWS are listed here as its documentation names them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import Duration
from aws_cdk import aws_sqs as sqs

import constructs_lib.runtime
from constructs_lib.idempotent_consumer import IdempotentConsumer, MessageQueue
from constructs_lib.runtime import queue_wiring
from constructs_lib.runtime.effects import Inherent
from tests.support.cloudwatch import Metric, Point, embedded, published_by, state
from tests.support.functions import consumer, source_folder
from tests.support.synthesis import new_stack, resources

DAY = 86_400
RETENTION = 4 * DAY

# Metric to namespace, dimension and the resource it names.
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
# https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
AWS_METRICS = {
    "ApproximateNumberOfMessagesVisible": ("AWS/SQS", "QueueName", "DeadLetters"),
    "ApproximateAgeOfOldestMessage": ("AWS/SQS", "QueueName", "Queue"),
    "Errors": ("AWS/Lambda", "FunctionName", "Take"),
    "Throttles": ("AWS/Lambda", "FunctionName", "Take"),
}


@dataclass(frozen=True, kw_only=True)
class Watched:
    """What one alarm is for. Numbers are (minutes ago, value)."""

    metric: str
    trouble: Sequence[tuple[float, float]]
    well: Sequence[tuple[float, float]]
    part: str | None = None


def counted(metric: str) -> Watched:
    """One such event is one too many."""
    return Watched(metric=metric, trouble=[(1, 1)], well=[])


def aged(percent: int, part: str | None = None) -> Watched:
    """Messages have waited for so much of the retention."""
    line = RETENTION * percent / 100
    return Watched(metric="ApproximateAgeOfOldestMessage", trouble=[(1, line)], well=[(1, line - 1)], part=part)


ALARMS = {
    "DeadLetterAlarm": counted("ApproximateNumberOfMessagesVisible"),
    **{f"BacklogAge{percent}Alarm": aged(percent) for percent in (25, 50, 80)},
    **{f"SidelineAge{percent}Alarm": aged(percent, "Sideline") for percent in (25, 50, 80)},
    "MismatchAlarm": counted("PayloadMismatches"),
    "ClaimsLostAlarm": counted("ClaimsLost"),
    # Once is a hiccup, and what it concerned is tried again.
    "StoreErrorsAlarm": Watched(metric="StoreErrors", trouble=[(1, 1), (11, 7)], well=[(1, 40)]),
    # What was held is there again, and counted again, after little more than a quarter of an hour at the latest.
    "HeldAlarm": Watched(metric="MessagesHeld", trouble=[(3, 1), (18.5, 1), (34, 1)], well=[(1, 90)]),
    "ErrorsAlarm": counted("Errors"),
    "ThrottlesAlarm": counted("Throttles"),
}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> cdk.Stack:
    stack = new_stack()
    take = consumer(stack, "Take", source_folder(tmp_path_factory.mktemp("functions")))
    IdempotentConsumer(stack, "Orders", consumer=take, sideline_concurrency=2)
    return stack


@pytest.fixture(scope="module")
def alarms(stack: cdk.Stack) -> dict[str, dict[str, Any]]:
    """The template's alarms by construct id."""
    found = {}
    for logical_id, alarm in resources(stack, "AWS::CloudWatch::Alarm").items():
        name = max((name for name in (*ALARMS, "RepeatedAlarm") if name in logical_id), key=len)
        assert name not in found
        found[name] = alarm["Properties"]
    return found


@pytest.fixture
def publish(
    stack: cdk.Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Metric]:
    """Publish one number the way it is published, and return what CloudWatch files it under."""
    runtime = published_by(Path(constructs_lib.runtime.__file__).parent)
    (function,) = resources(stack, "AWS::Lambda::Function").values()
    for name, value in function["Properties"]["Environment"]["Variables"].items():
        monkeypatch.setenv(name, value if isinstance(value, str) else "a-reference")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")

    def by_aws(name: str, part: str | None) -> Metric:
        namespace, dimension, of = AWS_METRICS[name]
        kind = "AWS::SQS::Queue" if dimension == "QueueName" else "AWS::Lambda::Function"
        (resource,) = (found for found in resources(stack, kind) if (part or of) in found)
        value = {"Fn::GetAtt": [resource, "QueueName"]} if dimension == "QueueName" else {"Ref": resource}
        return Metric(namespace=namespace, name=name, dimensions={dimension: value}, unit="Count")

    def publish(name: str, value: float, part: str | None = None) -> Metric:
        if name in AWS_METRICS:
            return by_aws(name, part)
        assert runtime[name] == "Count"
        watch = queue_wiring.from_environment(Inherent())().watch
        capsys.readouterr()
        watch.count(name, int(value))
        watch.flush()
        ((metric, values),) = embedded(capsys.readouterr().out)
        assert values == [value]
        return metric

    return publish


@pytest.mark.requirement("MSG-11", "ISO-15", "IDM-06")
@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_fires_on_its_trouble_and_on_that_only(
    name: str, alarms: Mapping[str, Mapping[str, Any]], publish: Callable[..., Metric]
) -> None:
    """From what is really published: namespace, name and dimensions are right, and the line is crossed. Where nothing
    is published, nothing happens: an empty queue that nobody uses has no data.
    """
    alarm, watched = alarms[name], ALARMS[name]

    def points(numbers: Sequence[tuple[float, float]]) -> list[Point]:
        return [
            Point(metric=publish(watched.metric, value, watched.part), value=value, minutes_ago=minutes)
            for minutes, value in numbers
        ]

    assert "Unit" not in alarm, "an alarm that asks for a unit finds no number published with another"
    assert state(alarm, points(watched.trouble)) == "ALARM"
    assert state(alarm, points(watched.well), before="ALARM") == "OK"
    assert state(alarm, [], before="ALARM") == "OK"


def test_every_alarm_is_tried(alarms: Mapping[str, Any]) -> None:
    """An alarm without a case here might watch nothing."""
    assert set(alarms) == {*ALARMS, "RepeatedAlarm"}


@pytest.mark.parametrize(
    ("done", "repeated", "fires"),
    [(1000, 4, False), (12, 9, False), (100, 10, True), (101, 10, False), (5000, 500, True), (3, 0, False)],
)
def test_many_copies_are_told_and_a_few_are_not(
    done: int, repeated: int, fires: bool, alarms: Mapping[str, Mapping[str, Any]], publish: Callable[..., Metric]
) -> None:
    """One in ten, and ten in a quarter of an hour; those done include the repeated ones."""
    alarm = alarms["RepeatedAlarm"]
    (expression,) = (each["Expression"] for each in alarm["Metrics"] if "Expression" in each)
    published = {"done": ("MessagesDone", done), "repeated": ("MessagesRepeated", repeated)}
    values = {}
    for each in alarm["Metrics"]:
        if "MetricStat" in each:
            watched = each["MetricStat"]["Metric"]
            name, value = published[each["Id"]]
            metric = publish(name, max(value, 1))
            assert (watched["Namespace"], watched["MetricName"]) == (metric.namespace, metric.name)
            assert {of["Name"]: of["Value"] for of in watched["Dimensions"]} == metric.dimensions
            assert (each["MetricStat"]["Stat"], each["MetricStat"]["Period"]) == ("Sum", 900)
            values[each["Id"]] = value
    # CloudWatch's functions: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html
    functions = {"IF": lambda condition, yes, no: yes if condition else no, "FILL": lambda value, _missing: value}
    share = eval(expression, {"__builtins__": {}}, {**functions, **values})
    assert alarm["ComparisonOperator"] == "GreaterThanOrEqualToThreshold"
    assert (share >= alarm["Threshold"]) == fires
    assert (alarm["EvaluationPeriods"], alarm["TreatMissingData"]) == (1, "notBreaching")


def test_lines_follow_the_retention_that_was_given(tmp_path: Path) -> None:
    """Of a queue that is there already too."""
    stack = new_stack()
    take = consumer(stack, "Take", source_folder(tmp_path))
    queue = sqs.Queue.from_queue_arn(stack, "Held", "arn:aws:sqs:eu-west-1:123456789012:held")
    dead = sqs.Queue.from_queue_arn(stack, "Dead", "arn:aws:sqs:eu-west-1:123456789012:dead")
    told = MessageQueue.existing(queue, dead_letter_queue=dead, retention=Duration.days(10), max_receive_count=5)
    IdempotentConsumer(stack, "Orders", consumer=take, queue=told)
    lines = sorted(
        alarm["Properties"]["Threshold"] / DAY
        for alarm in resources(stack, "AWS::CloudWatch::Alarm").values()
        if alarm["Properties"].get("MetricName") == "ApproximateAgeOfOldestMessage"
    )
    assert lines == [2.5, 5, 8]
