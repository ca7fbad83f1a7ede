import io
import json
import threading
from typing import Any
from uuid import uuid4

import pytest
from aws_lambda_powertools import Logger, Metrics

from constructs_lib.runtime.observability import PowertoolsWatch


def _emitted(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def _watch(stream: io.StringIO | None = None, **dimensions: str) -> PowertoolsWatch:
    # Powertools keeps one logger per service for ever; each test takes its own.
    return PowertoolsWatch(
        Logger(service=uuid4().hex, stream=stream),
        namespace="Resilience",
        dimensions=dimensions or {"dependency": "slack"},
    )


def test_metric_has_the_dimensions_an_alarm_watches(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Namespace, name, unit and dimensions are exactly those asked for; a service set for Powertools adds none."""
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "notify_slack")
    watch = _watch(dependency="slack")
    watch.count("RecordsDone")
    watch.count("RecordsDone", 2)
    watch.flush()
    [blob] = _emitted(capsys)
    assert blob["_aws"]["CloudWatchMetrics"] == [
        {
            "Namespace": "Resilience",
            "Dimensions": [["dependency"]],
            "Metrics": [{"Name": "RecordsDone", "Unit": "Count"}],
        }
    ]
    assert (blob["dependency"], blob["RecordsDone"]) == ("slack", [3.0])


def test_counts_begin_anew_with_every_invocation(capsys: pytest.CaptureFixture[str]) -> None:
    """What was published is not published again, and the dimensions stay."""
    watch = _watch()
    watch.count("RecordsDone")
    watch.flush()
    watch.flush()
    watch.count("RecordsHeld", 5)
    watch.flush()
    first, second = _emitted(capsys)
    assert "RecordsHeld" not in first
    assert "RecordsDone" not in second
    assert (second["RecordsHeld"], second["dependency"]) == ([5.0], "slack")


@pytest.mark.filterwarnings("error")
def test_invocation_that_counted_nothing_publishes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """An empty batch leaves neither a metric nor a warning."""
    _watch().flush()
    assert _emitted(capsys) == []


def test_metrics_of_the_handler_stay_apart(capsys: pytest.CaptureFixture[str]) -> None:
    """A handler may count with Powertools itself without getting our dimensions, or we its metrics."""
    own = Metrics(namespace="Mine", service="mine")
    own.add_metric(name="Posted", unit="Count", value=1)
    watch = _watch()
    watch.count("RecordsDone")
    watch.flush()
    own.flush_metrics()
    ours, mine = _emitted(capsys)
    assert "Posted" not in ours
    assert "dependency" not in mine
    assert "RecordsDone" not in mine


def test_lines_written_by_the_handler_carry_the_keys() -> None:
    """A handler that logs with a Powertools logger of the same service gets the correlation id for nothing."""
    stream = io.StringIO()
    logger = Logger(service=uuid4().hex, stream=stream)
    watch = PowertoolsWatch(logger, namespace="Resilience", dimensions={"dependency": "slack"})
    with watch.about(function_request_id="r-1"):
        with watch.about(correlation_id="c-1"):
            watch.info("record done", attempt=1)
            Logger(service=logger.service).info("posted")
        watch.error("after")
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [
        (line["message"], line["level"], line.get("correlation_id"), line["function_request_id"]) for line in lines
    ] == [
        ("record done", "INFO", "c-1", "r-1"),
        ("posted", "INFO", "c-1", "r-1"),
        ("after", "ERROR", None, "r-1"),
    ]
    assert lines[0]["attempt"] == 1


def test_gauges_publish_their_newest_value_with_their_unit(capsys: pytest.CaptureFixture[str]) -> None:
    """A gauge is one value per invocation, not a sum, and is gone with it."""
    watch = _watch()
    watch.gauge("TimeToDataLoss", 10.0, "Seconds")
    watch.gauge("TimeToDataLoss", 9.0, "Seconds")
    watch.gauge("CallFailureRate", 50.0, "Percent")
    watch.flush()
    watch.flush()
    [blob] = _emitted(capsys)
    assert (blob["TimeToDataLoss"], blob["CallFailureRate"]) == ([9.0], [50.0])
    [metrics] = [each["Metrics"] for each in blob["_aws"]["CloudWatchMetrics"]]
    assert {each["Name"]: each["Unit"] for each in metrics} == {
        "TimeToDataLoss": "Seconds",
        "CallFailureRate": "Percent",
    }


def test_keys_of_one_thread_stay_off_the_lines_of_another() -> None:
    """Records are at work side by side; each one's lines carry its own keys, during and after."""
    log = io.StringIO()
    watch = _watch(log)
    inside, go_on = threading.Event(), threading.Event()

    def work() -> None:
        with watch.about(record_id="m-1"):
            inside.set()
            go_on.wait(10)
            watch.info("in the thread")
        watch.info("after it")

    thread = threading.Thread(target=work)
    thread.start()
    inside.wait(10)
    with watch.about(record_id="m-2"):
        watch.info("beside it")
    go_on.set()
    thread.join()
    lines = {line["message"]: line.get("record_id") for line in map(json.loads, log.getvalue().splitlines())}
    assert lines == {"in the thread": "m-1", "after it": None, "beside it": "m-2"}
