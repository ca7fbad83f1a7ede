"""Calls to providers and reads of secrets: in limited time, with nothing secret in what is said about them."""

import json
import threading
from typing import Any

import pytest
from botocore.exceptions import ClientError

from constructs_lib.runtime import DependencyUnavailable
from lambdas.shared.cached_secret import CachedSecret
from lambdas.shared.codes import coded_log
from lambdas.shared.provider_http import ProviderHttp
from lambdas.shared.stream_names import streams
from lambdas.shared.task_tokens import StepFunctionsTasks
from lambdas.shared.time_limit import within
from tests.standins import StandIns
from tests.standins.faults import Mode
from tests.unit.runtime.fakes import FakeTime


class Lines:
    """A logger that keeps its lines."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []

    def info(self, message: str, *, extra: dict[str, Any]) -> None:
        self.lines.append({"message": message, **extra})

    warning = error = info


def caller(lines: Lines, seconds: float = 5.0) -> ProviderHttp:
    return ProviderHttp(provider="slack", region="eu-west-1", timeout_seconds=seconds, logger=lines)  # type: ignore[arg-type]  # all it uses


def test_each_call_is_logged_with_provider_latency_and_region() -> None:
    """One line per call says who was called, from where, how long it took and what came of it; never with what."""
    lines = Lines()
    with StandIns(port=0) as standins:
        url = f"{standins.url}/slack/api/chat.postMessage?hush=1"
        answer = caller(lines).call(
            "chat.postMessage", "POST", url, headers={"Authorization": "Bearer hush"}, body=b"x"
        )
    assert answer.status == 200
    (line,) = lines.lines
    assert line.pop("latency_ms") >= 0
    assert line == {
        "message": "provider called",
        "provider": "slack",
        "operation": "chat.postMessage",
        "region": "eu-west-1",
        "status": 200,
    }


@pytest.mark.parametrize("mode", ["hang", "refuse"])
def test_no_answer_is_the_dependencys_trouble(mode: Mode) -> None:
    """A call that hangs is cut off, and one that breaks is noticed; neither says where it went."""
    lines = Lines()
    with StandIns(port=0) as standins:
        standins.fault("slack", mode)
        with pytest.raises(DependencyUnavailable) as failure:
            caller(lines, 0.2).call("chat.update", "POST", f"{standins.url}/slack/api/hush", headers={})
    assert "hush" not in str(failure.value)
    assert lines.lines[0]["error"]


def test_redirects_are_not_followed() -> None:
    """A token goes to the provider's host and to no other."""
    with StandIns(port=0) as standins:
        # Starlette answers a mount without its slash with a redirect.
        answer = caller(Lines()).call("api", "GET", f"{standins.url}/sns", headers={"Authorization": "Bearer hush"})
    assert answer.status in (301, 302, 307, 308)


def test_a_call_that_does_not_end_is_cut_off() -> None:
    """A name look-up or an answer that drips in is bounded too, which socket time-outs do not do."""
    never = threading.Event()
    with pytest.raises(TimeoutError):
        within(0.01, never.wait)
    never.set()


def test_a_call_in_time_gives_its_result_or_its_error() -> None:
    """The limit changes nothing for what is quick."""
    assert within(5, lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        within(5, lambda: 1 // 0)


class Secrets:
    """Secrets Manager with one secret."""

    def __init__(self, value: str | None) -> None:
        self.value = value
        self.reads = 0

    def get_secret_value(self, *, SecretId: str) -> dict[str, str]:  # noqa: N803 - AWS's name
        self.reads += 1
        if self.value is None:
            raise ClientError({"Error": {"Code": "ResourceNotFoundException", "Message": "hush"}}, "GetSecretValue")
        return {"SecretString": self.value}


def cached(secrets: Secrets, time: FakeTime | None = None) -> CachedSecret:
    clock = time or FakeTime()
    return CachedSecret(secrets, "alerting/slack", clock=lambda: clock.seconds)  # type: ignore[arg-type]  # all it uses


def test_a_secret_is_read_once_in_five_minutes() -> None:
    """Every record needs the token; Secrets Manager is asked now and then."""
    secrets, time = Secrets("one"), FakeTime()
    secret = cached(secrets, time)
    secret.text()
    secrets.value = "two"
    time.pass_by(299)
    assert secret.text() == "one"
    time.pass_by(2)
    assert secret.text() == "two"
    assert secrets.reads == 2


def test_a_secret_that_may_have_been_replaced_can_be_read_anew() -> None:
    """Whoever was refused with it asks for a value of the last seconds."""
    secrets, time = Secrets("one"), FakeTime()
    secret = cached(secrets, time)
    secret.text()
    secrets.value = "two"
    time.pass_by(11)
    assert secret.text(at_most_old=10) == "two"


@pytest.mark.parametrize("value", [None, "hush", "[]"])
def test_an_unusable_secret_holds_and_is_not_told(value: str | None) -> None:
    """Nobody's records can be worked on until an operator has put it right, so they wait; no word of it leaks."""
    with pytest.raises(DependencyUnavailable, match="alerting/slack") as failure:
        cached(Secrets(value)).json_object()
    assert "hush" not in str(failure.value)


class StepFunctions:
    """Step Functions that answers with one error, or takes the task."""

    class exceptions:  # noqa: N801 - boto3's name
        TaskTimedOut = type("TaskTimedOut", (Exception,), {})
        TaskDoesNotExist = type("TaskDoesNotExist", (Exception,), {})
        InvalidToken = type("InvalidToken", (Exception,), {})

    def __init__(self, error: str | None = None) -> None:
        self.error = error
        self.taken: list[tuple[str, Any]] = []

    def send_task_success(self, *, taskToken: str, output: str) -> None:  # noqa: N803 - AWS's name
        if self.error:
            raise getattr(self.exceptions, self.error)("hush")
        self.taken.append((taskToken, json.loads(output)))


def test_a_task_is_completed_with_its_result() -> None:
    """The saga goes on with what the delivery says."""
    client = StepFunctions()
    StepFunctionsTasks(client, coded_log(Lines())).succeed("t", {"delivered_at": "now"})  # type: ignore[arg-type]  # all it uses
    assert client.taken == [("t", {"delivered_at": "now"})]


@pytest.mark.parametrize("error", ["TaskTimedOut", "TaskDoesNotExist", "InvalidToken"])
def test_a_task_that_is_over_is_noted_and_no_failure(error: str) -> None:
    """The alert is delivered all the same; the record must not be tried again for a saga that has ended."""
    lines = Lines()
    StepFunctionsTasks(StepFunctions(error), coded_log(lines)).succeed("t", {})  # type: ignore[arg-type]  # all it uses
    assert lines.lines[0]["code"] == "DLV-NOBODY-WAITS"
    assert lines.lines[0]["error"] == error


def test_streams_are_read_from_the_environment() -> None:
    """One setting says which stream belongs to which provider."""
    assert streams({"STREAMS": '{"slack": "s"}'}) == {"slack": "s"}


@pytest.mark.parametrize("value", ["", "slack", "[]", '{"slack": 1}'])
def test_a_wrong_setting_is_named(value: str) -> None:
    """Whoever reads the log knows which setting to look at."""
    with pytest.raises(Exception, match="STREAMS"):
        streams({"STREAMS": value})
