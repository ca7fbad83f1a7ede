"""The notifiers as Lambda handlers, from a stream's event to a stand-in's record."""

import json
import time
from collections.abc import Callable
from io import StringIO
from typing import Any
from uuid import uuid4

from aws_lambda_powertools import Logger

from constructs_lib.runtime.breaker_store import DynamoStatus
from constructs_lib.runtime.circuit_gate import CircuitGate
from constructs_lib.runtime.json_watch import JsonWatch
from constructs_lib.runtime.settings import BreakerSettings
from constructs_lib.runtime.stream_ports import Gate
from lambdas.notify_slack.adapters import Slack
from lambdas.shared.cached_secret import CachedSecret
from lambdas.shared.notifier import Notifier
from lambdas.shared.notifier_handler import make_handler
from lambdas.shared.provider_http import ProviderHttp
from tests.standins import StandIns
from tests.unit.lambdas.alerting import HERE, Clock, MemoryAlerts, MemoryTasks, command, row
from tests.unit.lambdas.shared.test_outside_calls import Secrets
from tests.unit.runtime.events import envelope, kinesis_event
from tests.unit.runtime.fake_status_table import StatusClient, StatusTable, TrueTime
from tests.unit.runtime.fakes import FakeContext, MemoryQuarantine, RealTime, RecordingWatch
from tests.unit.runtime.parking_world import OpenGate
from tests.unit.runtime.stream_world import ports


def handler(
    standins: StandIns,
    alerts: MemoryAlerts,
    quarantine: MemoryQuarantine,
    log: StringIO | None = None,
    *,
    gate: Gate | None = None,
) -> Callable[..., Any]:
    # Loggers of one service share their stream, whoever made the first.
    logger = Logger(service=str(uuid4()), stream=log or StringIO())
    tokens = json.dumps({"tenants": {"acme": standins.slack_tokens_secret}})
    http = ProviderHttp(provider="slack", region=HERE, timeout_seconds=5, logger=logger)
    secret = CachedSecret(Secrets(tokens), "alerting/slack-tokens")  # type: ignore[arg-type]  # all it uses
    notifier = Notifier(
        provider=Slack(http, secret, url=f"{standins.url}/slack/api", region=HERE),
        alerts=alerts,
        tasks=MemoryTasks(),
        region=HERE,
        now=Clock().now,
    )
    watch = JsonWatch(namespace="Resilience", dimensions={"dependency": "slack"})
    return make_handler(
        lambda: notifier, load_stream=lambda: ports(quarantine=quarantine, watch=watch, gate=gate or OpenGate())
    )


def records(*alert_ids: str) -> dict[str, Any]:
    return kinesis_event(
        [envelope(each, key=each, body=command(alert_id=each).to_body()).to_json() for each in alert_ids]
    )


def test_a_command_becomes_a_message_under_one_correlation_id() -> None:
    """The line about the provider's answer carries the id that came with the command, and no secret."""
    alerts, quarantine, log = MemoryAlerts(), MemoryQuarantine(), StringIO()
    alerts.put(row())
    with StandIns(port=0) as standins:
        answer = handler(standins, alerts, quarantine, log)(records("a1"), FakeContext())
        assert [message.shows.alert_id for message in standins.record.messages("slack")] == ["a1"]
    assert answer == {"batchItemFailures": []}
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    (called,) = [line for line in lines if line.get("message") == "provider called"]
    assert called["correlation_id"] == "correlation-of-a1"
    assert (called["provider"], called["operation"], called["region"]) == ("slack", "chat.postMessage", HERE)
    assert "xoxb" not in log.getvalue()


def test_one_bad_channel_delays_nobody() -> None:
    """A record that can never be delivered goes to quarantine; the next one is delivered."""
    alerts, quarantine = MemoryAlerts(), MemoryQuarantine()
    alerts.put(row(), row(alert_id="a2"))
    event = kinesis_event(
        [
            envelope("a1", key="a1", body=command(target="C0GONE").to_body()).to_json(),
            envelope("a2", key="a2", body=command(alert_id="a2").to_body()).to_json(),
        ]
    )
    with StandIns(port=0) as standins:
        standins.slack.refusals["C0GONE"] = "is_archived"
        answer = handler(standins, alerts, quarantine)(event, FakeContext())
        assert [message.shows.alert_id for message in standins.record.messages("slack")] == ["a2"]
    assert answer == {"batchItemFailures": []}
    assert [case.reason for case in quarantine.cases] == ["slack refused: is_archived"]


def test_an_outage_holds_the_stream_and_loses_nothing() -> None:
    """What could not be delivered is handed back, and delivered once when the provider is there again."""
    alerts, quarantine = MemoryAlerts(), MemoryQuarantine()
    alerts.put(row(), row(alert_id="a2"))
    quick = BreakerSettings(minimum_calls=1, probe_seconds=0.1)
    status = DynamoStatus(StatusClient(StatusTable(Now())), "state")  # type: ignore[arg-type]  # all it uses
    gate = CircuitGate(quick, store=status, watch=RecordingWatch())
    with StandIns(port=0) as standins:
        handle = handler(standins, alerts, quarantine, gate=gate)
        standins.fault("slack", "down")
        context = FakeContext(RealTime(), timeout_seconds=1.0)
        assert handle(records("a1", "a2"), context) == {"batchItemFailures": [{"itemIdentifier": "1"}]}
        standins.fault("slack", "up")
        assert handle(records("a1", "a2"), FakeContext(RealTime())) == {"batchItemFailures": []}
        assert sorted(message.shows.alert_id for message in standins.record.messages("slack")) == ["a1", "a2"]
    assert quarantine.cases == []


class Now(TrueTime):
    """The real time."""

    @property
    def now(self) -> float:
        return time.time()

    @now.setter
    def now(self, value: float) -> None: ...
