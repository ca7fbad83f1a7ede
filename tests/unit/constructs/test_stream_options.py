"""What an isolated dependency refuses at synth, and what it leaves for later."""

import json
from pathlib import Path
from typing import Any, cast

import aws_cdk as cdk
import pytest
from aws_cdk import Duration

from constructs_lib.isolated_dependency_stream import CallPolicy, IsolatedDependencyStream, StreamCapacity
from constructs_lib.runtime.settings import BreakerSettings, StreamSettings
from tests.support.functions import consumer, source_folder
from tests.support.synthesis import new_stack, only, resources


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return source_folder(tmp_path_factory.mktemp("functions"))


def add(stack: cdk.Stack, source: Path, *, name: str = "slack", **options: Any) -> IsolatedDependencyStream:
    """A dependency; `timeout` and `reserved_concurrency` are its consumer's."""
    of_function = {key: options.pop(key) for key in ("timeout", "reserved_concurrency") if key in options}
    return IsolatedDependencyStream(stack, name, consumer=consumer(stack, "Notify", source, **of_function), **options)


TIMES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "a hold as long as the retention": (
        {"retention": Duration.days(3), "hold_at_most": Duration.days(3)},
        ["hold_at_most 3 days", "retention 3 days", "1 hour", "raise retention or lower hold_at_most"],
    ),
    "a hold that leaves no time to export": (
        {"retention": Duration.days(3), "hold_at_most": Duration.minutes(3 * 24 * 60 - 59)},
        ["hold_at_most 4261 minutes", "retention 3 days", "at least 1 hour"],
    ),
    "a retention shorter than the default hold": (
        {"retention": Duration.days(5)},
        ["hold_at_most 6 days", "retention 5 days"],
    ),
    "a hold longer than Lambda's limit": (
        {"retention": Duration.days(30), "hold_at_most": Duration.days(8)},
        ["hold_at_most", "5 minutes and 7 days", "got 8 days"],
    ),
    "a hold shorter than a few visits to what is parked": (
        {"hold_at_most": Duration.minutes(4)},
        ["hold_at_most", "5 minutes and 7 days", "got 4 minutes"],
    ),
    "a retention below Kinesis's limit": (
        {"retention": Duration.hours(23), "hold_at_most": Duration.hours(1)},
        ["retention", "1 day and 365 days", "got 23 hours"],
    ),
    "a retention of half an hour more": (
        {"retention": Duration.minutes(24 * 60 + 30), "hold_at_most": Duration.hours(1)},
        ["retention", "whole hours", "1470 minutes", "round it up"],
    ),
    "a hold in which a crashing record is not found": (
        {"hold_at_most": Duration.hours(1), "timeout": Duration.minutes(15)},
        ["hold_at_most 1 hour", "consumer's timeout 15 minutes", "4 times over", "lower the consumer's timeout"],
    ),
    "a hold without a probe": (
        {"hold_at_most": Duration.minutes(5), "calls": CallPolicy(probe_every=Duration.minutes(5))},
        ["hold_at_most 5 minutes", "probe_every 5 minutes", "lower probe_every"],
    ),
    "a call that cannot become slow": (
        {"timeout": Duration.seconds(20), "calls": CallPolicy(slow_after=Duration.seconds(20))},
        ["the consumer's timeout 20 seconds", "slow_after 20 seconds", "lower slow_after"],
    ),
}

BOUNDS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "a batch too large": ({"batch_size": 10_001}, ["batch_size", "1 and 10000", "got 10001"]),
    "too much parallelization": ({"parallelization": 11}, ["parallelization", "1 and 10", "got 11", "shards"]),
    "a name with a space": ({"name": "my provider"}, ["id", "'my provider'", "letter"]),
    "less concurrency than lanes": (
        {"parallelization": 4, "capacity": StreamCapacity.provisioned(shards=2), "reserved_concurrency": 8},
        ["reserved_concurrency 8", "at least 9", "shards 2", "parallelization 4", "lower shards or parallelization"],
    ),
    "no bound at all": (
        {"capacity": StreamCapacity.on_demand()},
        ["on demand", "reserved_concurrency", "got none", "StreamCapacity.provisioned"],
    ),
}


@pytest.mark.requirement("LIB-04", "ISO-06", "ISO-18")
@pytest.mark.parametrize("case", [*TIMES, *BOUNDS])
def test_a_wrong_option_is_refused_in_words(case: str, source: Path) -> None:
    """The error names the option, or both that collide, what was given, what is allowed and the way out."""
    options, words = (TIMES | BOUNDS)[case]
    with pytest.raises(ValueError, match=words[0]) as refused:
        add(new_stack(), source, **options)
    for word in words:
        assert word in str(refused.value)


@pytest.mark.requirement("LIB-04")
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"at_once": 101}, ["at_once", "1 and 100", "got 101", "parallelization"]),
        ({"open_at_percent": 0}, ["open_at_percent", "1 and 100", "got 0"]),
        ({"minimum_calls": 0}, ["minimum_calls", "1 and 1000", "got 0", "window"]),
        ({"window": Duration.seconds(9)}, ["window", "10 seconds and 1 hour", "got 9 seconds"]),
        ({"slow_after": Duration.millis(99)}, ["slow_after", "100 milliseconds and 15 minutes", "got 99 milliseconds"]),
        ({"probe_every": Duration.millis(500)}, ["probe_every", "1 second and 15 minutes", "got 500 milliseconds"]),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_wrong_call_policy_is_refused_in_words(options: dict[str, Any], words: list[str]) -> None:
    """The error names the option, what was given, what is allowed and the way out."""
    with pytest.raises(ValueError, match=words[0]) as refused:
        CallPolicy(**options)
    for word in words:
        assert word in str(refused.value)


@pytest.mark.requirement("LIB-04")
def test_a_stream_without_shards_is_refused() -> None:
    """The error names the option, what was given, what is allowed and the way out."""
    with pytest.raises(ValueError, match=r"shards must be a whole number between 1 and 1000, got 0; .*one stream"):
        StreamCapacity.provisioned(shards=0)


@pytest.mark.requirement("ISO-18")
def test_each_consumer_is_bounded(source: Path) -> None:
    """By its own stream's shards and lanes, and where Kinesis decides on shards, by concurrency of its own."""
    provisioned, on_demand = new_stack(), new_stack()
    add(provisioned, source, capacity=StreamCapacity.provisioned(shards=2), parallelization=4, reserved_concurrency=9)
    add(on_demand, source, capacity=StreamCapacity.on_demand(), reserved_concurrency=50)
    assert only(provisioned, "AWS::Kinesis::Stream")["ShardCount"] == 2
    assert only(provisioned, "AWS::Lambda::EventSourceMapping")["ParallelizationFactor"] == 4
    assert only(on_demand, "AWS::Lambda::Function")["ReservedConcurrentExecutions"] == 50


def test_the_runtime_understands_its_settings(source: Path) -> None:
    """What the construct writes is what the runtime reads, and both mean the same by default."""
    stack = new_stack()
    add(stack, source)
    variables = only(stack, "AWS::Lambda::Function")["Environment"]["Variables"]
    read = StreamSettings.from_environment(
        {name: value if isinstance(value, str) else "a-reference" for name, value in variables.items()}
    )
    assert (read.dependency, read.state_table, read.concurrency) == ("slack", "a-reference", None)
    assert (read.hold_seconds, read.retention_seconds) == (6 * 86_400, 7 * 86_400)
    # The docstring of CallPolicy names these defaults.
    assert read.breaker == BreakerSettings(
        failure_rate=0.5, minimum_calls=5, window_seconds=60, slow_seconds=None, probe_seconds=5
    )


@pytest.mark.requirement("LIB-04")
def test_values_that_are_resolved_later_are_passed_on_unread(source: Path) -> None:
    """Deploy-time parameters may set capacity, times and calls."""
    stack = new_stack()
    parameter = cast("int", cdk.CfnParameter(stack, "Number", type="Number").value_as_number)
    add(
        stack,
        source,
        capacity=StreamCapacity.provisioned(shards=parameter),
        batch_size=parameter,
        parallelization=parameter,
        retention=Duration.hours(parameter),
        hold_at_most=Duration.seconds(parameter),
        reserved_concurrency=3,
        calls=CallPolicy(
            at_once=parameter,
            minimum_calls=parameter,
            window=Duration.seconds(parameter),
            probe_every=Duration.seconds(parameter),
        ),
    )
    stream, mapping = only(stack, "AWS::Kinesis::Stream"), only(stack, "AWS::Lambda::EventSourceMapping")
    later = {"Ref": "Number"}
    assert stream["ShardCount"] == stream["RetentionPeriodHours"] == later
    assert mapping["BatchSize"] == mapping["ParallelizationFactor"] == mapping["MaximumRecordAgeInSeconds"] == later
    variables = only(stack, "AWS::Lambda::Function")["Environment"]["Variables"]
    assert variables["RESILIENCE_HOLD_SECONDS"] == variables["RESILIENCE_CONCURRENCY"] == later
    written = json.dumps(variables["RESILIENCE_BREAKER"])
    assert written.count('{"Ref": "Number"}') == 3


def test_without_a_known_retention_nothing_watches_what_is_left_of_it(source: Path) -> None:
    """The runtime is not told the retention, so it reports no time to data loss that an alarm could watch."""
    stack = new_stack()
    parameter = cdk.CfnParameter(stack, "Number", type="Number").value_as_number
    add(stack, source, retention=Duration.hours(parameter))
    assert "RESILIENCE_RETENTION_SECONDS" not in only(stack, "AWS::Lambda::Function")["Environment"]["Variables"]
    watched = {alarm["Properties"]["MetricName"] for alarm in resources(stack, "AWS::CloudWatch::Alarm").values()}
    assert "TimeToDataLoss" not in watched


@pytest.mark.requirement("LIB-04")
def test_the_share_at_which_calls_stop_must_be_known() -> None:
    """Half of it is an alarm's threshold, and nobody can halve what is resolved later."""
    later = cast("int", cdk.Token.as_number({"Ref": "Number"}))
    with pytest.raises(ValueError, match=r"open_at_percent must be known at synth.*write it out"):
        CallPolicy(open_at_percent=later)
