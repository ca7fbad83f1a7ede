"""What an action makes of an alert: a fact in this region's own row, and a message that shows it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from lambdas.shared.alert import Action, Alert, AlertRow, RevisionConflictError, merge
from lambdas.shared.messages import ActionRequest, DeliveryCommand
from lambdas.shared.tenant import Tenant

# Writers of one region meet on one alert now and then, not again and again.
MOST_ATTEMPTS = 5


class UnknownAlertError(Exception):
    """No event of the alert is known here, perhaps not yet: it may still replicate from where it was accepted."""


class RefusedError(Exception):
    """The action can never be applied; the text says why."""


class Alerts(Protocol):
    """Port to the alerts table."""

    def rows(self, alert_id: str) -> Sequence[AlertRow]:
        """What all regions know of the alert."""

    def save_facts(self, row: AlertRow) -> AlertRow:
        """Write this region's row, or raise `RevisionConflictError` if somebody else did since it was read."""


class Tenants(Protocol):
    """Port to the tenants table."""

    def tenant(self, tenant: str) -> Tenant | None:
        """The tenant, or None when there is none of that id."""


class Messages(Protocol):
    """Port to the providers."""

    def message(self, command: DeliveryCommand, *, provider: str, tenant: str, correlation_id: str) -> object:
        """The message that brings *command* to its provider once it is sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Applies actions.

    Args:
        alerts: What is known of alerts.
        tenants: Where a tenant's alerts are shown.
        messages: Makes what is sent there.
        region: Whose rows may be written here.
    """

    alerts: Alerts
    tenants: Tenants
    messages: Messages
    region: str

    def act(self, request: ActionRequest, *, tenant: str, correlation_id: str) -> object:
        """Apply *request* and return what must be sent to show it: also for a request that came before.

        Raises:
            UnknownAlertError: There is nothing to act on yet.
            RefusedError: There never will be, for this tenant.
            RevisionConflictError: Others wrote the row each time; act again.
        """
        home = self.tenants.tenant(tenant)
        if home is None:
            raise RefusedError(f"there is no tenant {tenant}")
        alert = self._apply(request, tenant)
        command = DeliveryCommand(alert_id=alert.alert_id, min_version=alert.version, level=1, target=home.channel)
        return self.messages.message(command, provider=home.provider, tenant=tenant, correlation_id=correlation_id)

    def _apply(self, request: ActionRequest, tenant: str) -> Alert:
        for attempt in range(1, MOST_ATTEMPTS + 1):
            rows = self.alerts.rows(request.alert_id)
            alert = merge(rows)
            if alert is None:
                raise UnknownAlertError(request.alert_id)
            if alert.tenant != tenant:
                raise RefusedError(f"alert {request.alert_id} does not belong to tenant {tenant}")
            before = _own_row(rows, alert, self.region, at=request.requested_at)
            after = before.with_action(
                Action(action_id=request.action_id, kind=request.kind, actor=request.actor, at=request.requested_at)
            )
            if after is before:
                return alert
            try:
                saved = self.alerts.save_facts(after)
            except RevisionConflictError:
                if attempt == MOST_ATTEMPTS:
                    raise
            else:
                acted_on = merge([*(row for row in rows if row.region != self.region), saved])
                assert acted_on is not None  # rows only gain facts
                return acted_on
        raise AssertionError("the last attempt returns or raises")


def _own_row(rows: Sequence[AlertRow], alert: Alert, region: str, *, at: str) -> AlertRow:
    """This region's row, complete: where it has accepted no event itself, it does not know yet whose the alert is."""
    own = next((row for row in rows if row.region == region), None)
    if own is not None and own.tenant:
        return own
    blank = AlertRow(
        alert_id=alert.alert_id,
        region=region,
        tenant=alert.tenant,
        fingerprint=alert.fingerprint,
        generation=alert.generation,
        last_seen=at,
        correlation_id=alert.correlation_id,
    )
    return blank if own is None else replace(blank, delivery=own.delivery, revision=own.revision)
