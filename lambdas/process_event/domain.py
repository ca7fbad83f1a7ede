"""From an accepted event to an alert and the messages that follow from it.

Everything here may run twice for one event: what is stored knows its copies, and what is sent is harmless to send again.
An event is done only when its alert is stored and all that follows from it is out: what is returned here is sent by the
consumer, for a whole batch at a time.
"""

from dataclasses import dataclass
from typing import Protocol

from lambdas.process_event.aggregation import Aggregator, Joined
from lambdas.process_event.classification import classify, fingerprint
from lambdas.process_event.generations import Newcomer
from lambdas.process_event.links import links_of
from lambdas.shared.alert import REMEMBERED_EVENTS, Kind, Summary
from lambdas.shared.codes import Code, Log
from lambdas.shared.messages import DeliveryCommand, ReceivedEvent
from lambdas.shared.parsers import ParsedEvent, parse
from lambdas.shared.tenant import Tenant


class RejectedEventError(Exception):
    """The event can never be processed; the text says why."""


class Tenants(Protocol):
    """Port: whose events these are."""

    def tenant(self, tenant: str) -> Tenant | None:
        """The tenant, or None when there is none of that id."""


class RawEvents(Protocol):
    """Port: what nobody could read, byte for byte."""

    def keep(self, event_id: str, raw: bytes, *, accepted_at: str) -> None:
        """Store *raw*; storing it again changes nothing."""


class Commands(Protocol):
    """Port: the way to the providers."""

    def message(self, command: DeliveryCommand, *, provider: str, tenant: str, correlation_id: str) -> object:
        """The message that brings *command* to its provider once it is sent."""


class Escalations(Protocol):
    """Port: the workflow that pages people."""

    def start(self, alert_id: str, *, tenant: str, correlation_id: str) -> bool:
        """Start it for *alert_id*; False when it had been started before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Processor:
    """Processes the events of one region.

    Args:
        tenants: Whose events these are.
        aggregator: Joins events with alerts.
        raw_events: Keeps what nobody could read.
        commands: The way to the providers.
        escalations: The workflow that pages people.
        log: Where outcomes go.
    """

    tenants: Tenants
    aggregator: Aggregator
    raw_events: RawEvents
    commands: Commands
    escalations: Escalations
    log: Log

    def process(
        self, event: ReceivedEvent, *, event_id: str, tenant: str, correlation_id: str, replay: bool = False
    ) -> object:
        """Do what follows from *event*; return the message that must be sent for it, None if nothing is shown.

        A *replay* builds up alerts anew and pages nobody: whoever sends what is returned must leave it out.

        Raises:
            RejectedEventError: It can never be done.
        """
        home = self.tenants.tenant(tenant)
        if home is None:
            raise RejectedEventError(f"there is no tenant {tenant!r}; add it, then send the event again")
        parsed = parse(event)
        if parsed.unreadable:
            self.raw_events.keep(event_id, event.raw, accepted_at=event.accepted_at)
            self.log(Code.EVT_UNPARSEABLE, tenant=tenant, event_id=event_id, reason=parsed.unreadable)
        kind = classify(parsed)
        joined = self.aggregator.join(
            Newcomer(
                event_id=parsed.copy_id or event_id,
                tenant=tenant,
                fingerprint=fingerprint(parsed, kind, event.alert_key),
                accepted_at=event.accepted_at,
                correlation_id=correlation_id,
                summary=summarize(parsed, kind),
                state=parsed.state,
                occurred_at=parsed.occurred_at or event.accepted_at,
            )
        )
        if joined is None:
            self.log(Code.EVT_NOTHING_TO_CLOSE, tenant=tenant, event_id=event_id)
            return None
        return self._follow_up(joined, home, event_id, correlation_id, escalates=home.escalates and not replay)

    def _follow_up(
        self, joined: Joined, home: Tenant, event_id: str, correlation_id: str, *, escalates: bool
    ) -> object:
        alert = joined.alert
        self.log(
            Code.EVT_REPEATED if joined.repeated else Code.EVT_JOINED,
            tenant=home.tenant,
            event_id=event_id,
            alert_id=alert.alert_id,
            version=alert.version,
        )
        message = self.commands.message(
            DeliveryCommand(alert_id=alert.alert_id, min_version=alert.version, level=1, target=home.channel),
            provider=home.provider,
            tenant=home.tenant,
            correlation_id=correlation_id,
        )
        if (
            escalates
            and _asks_for_people(joined)
            and self.escalations.start(alert.alert_id, tenant=home.tenant, correlation_id=alert.correlation_id)
        ):
            self.log(Code.ESC_STARTED, tenant=home.tenant, alert_id=alert.alert_id)
        return message


def _asks_for_people(joined: Joined) -> bool:
    """Whether this event must see to it that the escalation runs.

    Not only the first event does: its worker may have died before it came to that, and its copy may come after others.
    Once more events have joined than a row remembers, each of them has seen to it.
    """
    alert = joined.alert
    return (
        alert.summary.kind == "alert"
        and alert.owner == joined.row.region
        and alert.closed_at is None
        and alert.acknowledged is None
        and joined.row.count <= REMEMBERED_EVENTS
    )


def summarize(event: ParsedEvent, kind: Kind) -> Summary:
    """What a person needs to know of *event*."""
    return Summary(
        title=event.title,
        text=event.text,
        kind=kind,
        service=event.service,
        account=event.account,
        region=event.region,
        resource=event.resource,
        severity=event.severity,
        links=links_of(event),
    )
