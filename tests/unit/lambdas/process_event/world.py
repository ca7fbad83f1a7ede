"""Everything around the processor, in memory; each part can be made to fail."""

from dataclasses import dataclass, field
from typing import Any

from lambdas.process_event.aggregation import Aggregator
from lambdas.process_event.domain import Processor
from lambdas.shared.alert import Alert, merge
from lambdas.shared.codes import Code
from lambdas.shared.command_streams import UnknownProviderError
from lambdas.shared.messages import DeliveryCommand, ReceivedEvent
from lambdas.shared.tenant import Tenant
from tests.unit.lambdas.shared.memory_alerts import MemoryAlerts
from tests.unit.lambdas.shared.memory_alerts import World as Table

AT = "2026-11-21T03:40:00.000Z"
ACME = Tenant(tenant="acme", name="Acme", provider="slack", channel="C1", escalates=True)
QUIET = Tenant(tenant="quiet", name="Quiet", provider="teams", channel="19:x", escalates=False)
STRANGE = Tenant(tenant="strange", name="Strange", provider="fax", channel="1", escalates=True)


class AwayError(Exception):
    """An AWS service does not answer."""


@dataclass
class World:
    """The ports, and what went through them."""

    region: str = "us-east-1"
    table: Table = field(default_factory=Table)
    commands: list[tuple[DeliveryCommand, str]] = field(default_factory=list)
    started: list[str] = field(default_factory=list)
    attempts_to_start: int = 0
    kept: dict[str, bytes] = field(default_factory=dict)
    logged: list[tuple[Code, dict[str, Any]]] = field(default_factory=list)
    down: set[str] = field(default_factory=set)

    def tenant(self, tenant: str) -> Tenant | None:
        return {known.tenant: known for known in (ACME, QUIET, STRANGE)}.get(tenant)

    def keep(self, event_id: str, raw: bytes, *, accepted_at: str) -> None:
        self._fail("raw")
        self.kept[event_id] = raw

    def message(
        self, command: DeliveryCommand, *, provider: str, tenant: str, correlation_id: str
    ) -> tuple[DeliveryCommand, str]:
        if provider == "fax":
            raise UnknownProviderError("no fax")
        return command, provider

    def start(self, alert_id: str, *, tenant: str, correlation_id: str) -> bool:
        self._fail("workflow")
        self.attempts_to_start += 1
        if alert_id in self.started:
            return False
        self.started.append(alert_id)
        return True

    def log(self, code: Code, /, **fields: str | int) -> None:
        self.logged.append((code, fields))

    def _fail(self, part: str) -> None:
        if part in self.down:
            raise AwayError(part)

    def processor(self) -> Processor:
        return Processor(
            tenants=self,
            aggregator=Aggregator(MemoryAlerts(self.table, self.region), lambda attempt: None),
            raw_events=self,
            commands=self,
            escalations=self,
            log=self.log,
        )

    def process(self, event: ReceivedEvent, *, event_id: str = "e1", tenant: str = "acme") -> None:
        message = self.processor().process(event, event_id=event_id, tenant=tenant, correlation_id=f"c-{event_id}")
        if isinstance(message, tuple):
            self._fail("stream")
            self.commands.append(message)

    def alerts(self) -> list[Alert]:
        ids = sorted({alert_id for alert_id, _ in self.table.rows})
        found = [merge([row for (known, _), row in self.table.rows.items() if known == name]) for name in ids]
        return sorted((alert for alert in found if alert), key=lambda alert: alert.opened_at)


def received(raw: bytes = b"disk is full", **changes: Any) -> ReceivedEvent:
    given: dict[str, Any] = {
        "endpoint": "acme-endpoint",
        "origin": "http",
        "content_type": "text/plain",
        "accepted_at": AT,
        "accepted_in": "us-east-1",
    }
    return ReceivedEvent(raw=raw, **{**given, **changes})
