"""The alerting system's surroundings in memory."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from constructs_lib.runtime import Record
from lambdas.shared import timestamps
from lambdas.shared.alert import (
    Action,
    Alert,
    AlertRow,
    Delivery,
    Link,
    RevisionConflictError,
    Summary,
    merge,
)
from lambdas.shared.messages import ActionKind, DeliveryCommand
from lambdas.shared.tenant import Tenant

OPENED = "2026-11-21T03:40:00.000Z"
LONG_AFTER = "2026-11-21T03:50:00.000Z"
HERE, THERE = "eu-west-1", "us-east-1"
SLACK_CHANNEL = "C0ACME"
TEAMS_CONVERSATION = "19:acme@thread.tacv2"

SUMMARY = Summary(
    title="CPU of i-0abc above 90 %",
    text="Threshold crossed: 3 datapoints were greater than 90.",
    kind="alert",
    service="cloudwatch",
    account="123456789012",
    region="eu-west-1",
    resource="i-0abc",
    links=(Link(title="Alarm", url="https://eu-west-1.console.aws.amazon.com/cloudwatch/home?region=eu-west-1&x=1"),),
)


def row(region: str = HERE, **changes: Any) -> AlertRow:
    """A row of one region with one event."""
    blank = AlertRow(
        alert_id="a1",
        region=region,
        tenant="acme",
        fingerprint="f",
        generation=1,
        last_seen=OPENED,
        correlation_id="c1",
        accepted_at=OPENED,
        summary=SUMMARY,
        count=1,
        event_ids=(f"e1-{region}",),
        revision=1,
    )
    return replace(blank, **changes)


def alert(*rows: AlertRow) -> Alert:
    """The alert that *rows*, or one row, make."""
    merged = merge(rows or [row()])
    assert merged is not None
    return merged


def action(kind: ActionKind = "acknowledge", at: str = OPENED, action_id: str = "x1") -> Action:
    """What ada did."""
    return Action(action_id=action_id, kind=kind, actor="ada (U0ADA)", at=at)


def command(**changes: Any) -> DeliveryCommand:
    """Show the alert, at level 1."""
    blank = DeliveryCommand(alert_id="a1", min_version=1, level=1, target=SLACK_CHANNEL)
    return replace(blank, **changes)


def delivered(**changes: Any) -> Delivery:
    """A message that is there and shows the first version."""
    blank = Delivery(attempted_at=OPENED, target=SLACK_CHANNEL, message_id="m1", version=1, delivered_at=OPENED)
    return replace(blank, **changes)


def record(body: Mapping[str, Any], *, tenant: str = "acme", created: str = OPENED) -> Record:
    """A record as a consumer shows it."""
    return Record(id="r1", key="a1", tenant=tenant, body=body, position="1", correlation_id="c1", created=created)


@dataclass
class MemoryAlerts:
    """The alerts table as one region sees it; regions that share *table* see each other at once."""

    region: str = HERE
    table: dict[tuple[str, str], AlertRow] = field(default_factory=dict)
    conflicts: int = 0

    def put(self, *rows: AlertRow) -> None:
        self.table.update({(each.alert_id, each.region): each for each in rows})

    def rows(self, alert_id: str) -> list[AlertRow]:
        return [each for (name, _), each in sorted(self.table.items()) if name == alert_id]

    def load(self, alert_id: str) -> Alert | None:
        return merge(self.rows(alert_id))

    def own(self, alert_id: str = "a1") -> AlertRow:
        return self.table[alert_id, self.region]

    def save_facts(self, row: AlertRow) -> AlertRow:
        assert row.region == self.region
        known = self.table.get((row.alert_id, row.region))
        if self.conflicts or row.revision != (known.revision if known else 0):
            self.conflicts = max(0, self.conflicts - 1)
            raise RevisionConflictError(row.alert_id)
        saved = replace(row, revision=row.revision + 1, delivery=known.delivery if known else None)
        self.put(saved)
        return saved

    def save_delivery(self, alert_id: str, delivery: Delivery) -> None:
        blank = AlertRow(
            alert_id=alert_id,
            region=self.region,
            tenant="",
            fingerprint="",
            generation=1,
            last_seen="",
            correlation_id="",
        )
        self.put(replace(self.table.get((alert_id, self.region), blank), delivery=delivery))


@dataclass
class MemoryTenants:
    """The tenants table."""

    tenants: dict[str, Tenant] = field(
        default_factory=lambda: {
            "acme": Tenant(tenant="acme", name="Acme", provider="slack", channel=SLACK_CHANNEL, escalates=True),
            "bell": Tenant(tenant="bell", name="Bell", provider="teams", channel=TEAMS_CONVERSATION, escalates=True),
        }
    )

    def tenant(self, tenant: str) -> Tenant | None:
        return self.tenants.get(tenant)


@dataclass
class MemoryStreams:
    """What was sent to which provider's stream."""

    sent: list[tuple[str, DeliveryCommand]] = field(default_factory=list)

    def send(self, command: DeliveryCommand, *, provider: str, tenant: str, correlation_id: str) -> None:
        assert tenant
        assert correlation_id
        self.sent.append((provider, command))

    def message(
        self, command: DeliveryCommand, *, provider: str, tenant: str, correlation_id: str
    ) -> tuple[str, DeliveryCommand]:
        assert tenant
        assert correlation_id
        return provider, command


@dataclass
class MemoryTasks:
    """Which task tokens were completed, with what."""

    done: dict[str, Mapping[str, object]] = field(default_factory=dict)

    def succeed(self, token: str, result: Mapping[str, object]) -> None:
        self.done[token] = result


class Clock:
    """A clock that moves a second with every look."""

    def __init__(self, at: str = OPENED) -> None:
        self._at = timestamps.parse(at)
        self.step = timedelta(seconds=1)

    def now(self) -> str:
        self._at += self.step
        return timestamps.render(self._at)


@dataclass
class MemoryProvider:
    """A provider that keeps messages, and fails as told.

    Attributes:
        can_be_asked: Whether it finds messages.
        failure: Raised by every call while set.
    """

    can_be_asked: bool = True
    failure: Exception | None = None
    shown: dict[str, int] = field(default_factory=dict)
    pages: list[int] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    gone: Callable[[str], Exception] | None = None

    def find(self, alert: Alert, *, target: str) -> str | None:
        self._called("find")
        return next(iter(self.shown), None) if self.can_be_asked else None

    def post(self, alert: Alert, *, target: str) -> str:
        self._called("post")
        message_id = f"m{len(self.shown) + 1}"
        self.shown[message_id] = alert.version
        return message_id

    def update(self, alert: Alert, *, target: str, message_id: str) -> None:
        self._called("update")
        self._must_be_there(message_id)
        self.shown[message_id] = alert.version

    def page(self, alert: Alert, *, target: str, message_id: str, level: int) -> None:
        self._called("page")
        self._must_be_there(message_id)
        if not self.can_be_asked or level not in self.pages:
            self.pages.append(level)

    def count(self, call: str) -> int:
        return self.calls.count(call)

    def _called(self, call: str) -> None:
        self.calls.append(call)
        if self.failure is not None:
            raise self.failure

    def _must_be_there(self, message_id: str) -> None:
        if message_id not in self.shown:
            assert self.gone is not None
            raise self.gone(message_id)


def texts(value: object) -> Iterable[str]:
    """Every text in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from texts(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from texts(each)
