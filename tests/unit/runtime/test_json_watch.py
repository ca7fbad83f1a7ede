"""Logs and metrics: one shape, whoever writes them, and Powertools only where the handler brings it."""

import io
import json
import re
import subprocess
import sys
import threading
from typing import Any
from uuid import uuid4

import pytest
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from constructs_lib.runtime.json_watch import JsonWatch


@pytest.fixture(autouse=True)
def _service(monkeypatch: pytest.MonkeyPatch) -> None:
    # Powertools keeps one logger per service for ever, and with it the output of the test that came first.
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", uuid4().hex)
    for name in ("AWS_LAMBDA_LOG_LEVEL", "POWERTOOLS_LOG_LEVEL", "LOG_LEVEL", "_X_AMZN_TRACE_ID"):
        monkeypatch.delenv(name, raising=False)


def _printed(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def _watch(**dimensions: str) -> JsonWatch:
    return JsonWatch(namespace="Resilience", dimensions=dimensions or {"dependency": "slack"})


def test_a_line_has_the_shape_of_powertools(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names, order and values are those of Powertools' logger, so that one query reads both."""
    monkeypatch.setenv("_X_AMZN_TRACE_ID", "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=557abcec3ee5a047;Sampled=1")
    watch = JsonWatch(namespace="Resilience", dimensions={"dependency": "slack"}, keys={"dependency": "slack"})
    theirs = Logger()
    theirs.append_keys(dependency="slack")
    fields = {"attempt": 2, "at": ["a.py:1"], "retry_after": None, "reason": "für später", "error": ValueError("no")}
    with watch.about(correlation_id="c-1"):
        for ours, their in ((watch.info, theirs.info), (watch.warning, theirs.warning), (watch.error, theirs.error)):
            _ = ours("record done", **fields), their("record done", extra=fields)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 6
    for one, other in zip(lines[::2], lines[1::2], strict=True):
        assert list(json.loads(one)) == list(json.loads(other))
        # A moment passes between the two.
        moment = r"(?<=:\d\d:)\d\d,\d{3}(?=[+-])"
        assert re.search(moment, one)
        assert re.sub(moment, "", one) == re.sub(moment, "", other)


def test_metrics_have_the_shape_of_powertools(capsys: pytest.CaptureFixture[str]) -> None:
    """The embedded metric format is written as Powertools writes it, byte for byte but for the time."""
    watch = _watch()
    watch.count("RecordsDone", 2)
    watch.gauge("TimeToDataLoss", 9.5, "Seconds")
    watch.gauge("CallFailureRate", 50, "Percent")
    watch.flush()
    theirs = EphemeralMetrics(namespace="Resilience", service="", default_dimensions={"dependency": "slack"})
    theirs.add_metric(name="RecordsDone", unit=MetricUnit.Count, value=2)
    theirs.add_metric(name="TimeToDataLoss", unit=MetricUnit.Seconds, value=9.5)
    theirs.add_metric(name="CallFailureRate", unit=MetricUnit.Percent, value=50)
    theirs.flush_metrics()
    ours, other = capsys.readouterr().out.splitlines()
    timestamp = r'"Timestamp":\d{13}\b'
    assert re.search(timestamp, ours)
    assert re.sub(timestamp, "", ours) == re.sub(timestamp, "", other)


def test_a_line_says_who_logs_it(capsys: pytest.CaptureFixture[str]) -> None:
    """The location is the caller's, not that of the watch."""
    _watch().info("record done")
    [line] = _printed(capsys)
    assert re.fullmatch(r"test_a_line_says_who_logs_it:\d+", line["location"])


def test_a_line_outside_a_trace_has_no_trace_id(capsys: pytest.CaptureFixture[str]) -> None:
    """Where Lambda traces nothing, nothing is made up."""
    _watch().info("record done")
    [line] = _printed(capsys)
    assert "xray_trace_id" not in line


@pytest.mark.parametrize(
    ("environment", "written"),
    [
        ({}, ["INFO", "WARNING", "ERROR"]),
        ({"POWERTOOLS_LOG_LEVEL": "warning"}, ["WARNING", "ERROR"]),
        ({"LOG_LEVEL": "ERROR"}, ["ERROR"]),
        ({"AWS_LAMBDA_LOG_LEVEL": "WARN", "POWERTOOLS_LOG_LEVEL": "DEBUG"}, ["WARNING", "ERROR"]),
        ({"AWS_LAMBDA_LOG_LEVEL": "FATAL"}, []),
        ({"POWERTOOLS_LOG_LEVEL": "chatty"}, ["INFO", "WARNING", "ERROR"]),
    ],
)
def test_the_environment_says_how_much_is_logged(
    environment: dict[str, str],
    written: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Lambda's own setting comes before Powertools'; a level nobody knows silences nothing."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    watch = _watch()
    watch.info("one")
    watch.warning("two")
    watch.error("three")
    assert [line["level"] for line in _printed(capsys)] == written


def test_metric_has_the_dimensions_an_alarm_watches(capsys: pytest.CaptureFixture[str]) -> None:
    """Namespace, name, unit and dimensions are exactly those asked for; a service set for Powertools adds none."""
    watch = _watch(dependency="slack")
    watch.count("RecordsDone")
    watch.count("RecordsDone", 2)
    watch.flush()
    [blob] = _printed(capsys)
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
    first, second = _printed(capsys)
    assert "RecordsHeld" not in first
    assert "RecordsDone" not in second
    assert (second["RecordsHeld"], second["dependency"]) == ([5.0], "slack")


def test_invocation_that_counted_nothing_publishes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """An empty batch leaves no line."""
    _watch().flush()
    assert _printed(capsys) == []


def test_metrics_of_the_handler_stay_apart(capsys: pytest.CaptureFixture[str]) -> None:
    """A handler may count with Powertools itself without getting our dimensions, or we its metrics."""
    own = Metrics(namespace="Mine", service="mine")
    own.add_metric(name="Posted", unit="Count", value=1)
    watch = _watch()
    watch.count("RecordsDone")
    watch.flush()
    own.flush_metrics()
    ours, mine = _printed(capsys)
    assert "Posted" not in ours
    assert "dependency" not in mine
    assert "RecordsDone" not in mine


def test_lines_written_by_the_handler_carry_the_keys(capsys: pytest.CaptureFixture[str]) -> None:
    """A handler that logs with Powertools gets the correlation id for nothing."""
    watch = JsonWatch(namespace="Resilience", dimensions={"dependency": "slack"}, keys={"dependency": "slack"})
    with watch.about(function_request_id="r-1"):
        with watch.about(correlation_id="c-1"):
            watch.info("record done", attempt=1)
            Logger().info("posted")
        watch.error("after")
        Logger().error("after that")
    lines = _printed(capsys)
    assert [
        (line["message"], line["level"], line.get("correlation_id"), line["function_request_id"], line["dependency"])
        for line in lines
    ] == [
        ("record done", "INFO", "c-1", "r-1", "slack"),
        ("posted", "INFO", "c-1", "r-1", "slack"),
        ("after", "ERROR", None, "r-1", "slack"),
        ("after that", "ERROR", None, "r-1", "slack"),
    ]


def test_powertools_is_not_loaded_for_a_handler_that_does_without() -> None:
    """Keys, lines and metrics need none of it."""
    program = (
        "import sys\n"
        "from constructs_lib.runtime.json_watch import JsonWatch\n"
        "watch = JsonWatch(namespace='Resilience', dimensions={'dependency': 'slack'})\n"
        "with watch.about(correlation_id='c-1'): watch.info('done')\n"
        "watch.count('RecordsDone'); watch.flush()\n"
        "assert not [name for name in sys.modules if name.startswith('aws_lambda_powertools')]\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.splitlines()[0])["correlation_id"] == "c-1"


def test_gauges_publish_their_newest_value_with_their_unit(capsys: pytest.CaptureFixture[str]) -> None:
    """A gauge is one value per invocation, not a sum, and is gone with it."""
    watch = _watch()
    watch.gauge("TimeToDataLoss", 10.0, "Seconds")
    watch.gauge("TimeToDataLoss", 9.0, "Seconds")
    watch.gauge("CallFailureRate", 50.0, "Percent")
    watch.flush()
    watch.flush()
    [blob] = _printed(capsys)
    assert (blob["TimeToDataLoss"], blob["CallFailureRate"]) == ([9.0], [50.0])
    [metrics] = [each["Metrics"] for each in blob["_aws"]["CloudWatchMetrics"]]
    assert {each["Name"]: each["Unit"] for each in metrics} == {
        "TimeToDataLoss": "Seconds",
        "CallFailureRate": "Percent",
    }


def test_keys_of_one_thread_stay_off_the_lines_of_another(capsys: pytest.CaptureFixture[str]) -> None:
    """Records are at work side by side; each one's lines carry its own keys, during and after."""
    watch = _watch()
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
    lines = {line["message"]: line.get("record_id") for line in _printed(capsys)}
    assert lines == {"in the thread": "m-1", "after it": None, "beside it": "m-2"}


def test_lines_of_several_threads_do_not_mix(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each line is written whole, its end included."""
    writes: list[str] = []

    class Output(io.StringIO):
        def write(self, text: str) -> int:
            writes.append(text)
            return len(text)

    monkeypatch.setattr(sys, "stdout", Output())
    watch = _watch()
    watch.info("record done")
    watch.count("RecordsDone")
    watch.flush()
    assert [text.endswith("}\n") and text.count("\n") for text in writes] == [1, 1]


def test_text_that_cannot_be_encoded_is_written_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Anyone can send half of a surrogate pair; it must not end the invocation that logs it."""
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="utf-8"))
    _watch().info("für später", reason="\ud800")
    line = json.loads(written.getvalue())
    assert (line["message"], line["reason"]) == ("für später", "\ud800")
