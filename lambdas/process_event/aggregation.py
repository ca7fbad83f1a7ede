"""Similar events join one alert; closing it, or the end of its window, starts the next generation.

An all-clear closes the alert it belongs to, in whatever order the two arrive. The senders' clocks decide, not ours:

* an all-clear older than the last trouble joins the alert and leaves it open;
* an all-clear without an open alert shows nothing, but is remembered: trouble reported later that began before it opens
  an alert that is closed at once, by a recovery among its actions;
* each side writes what it knows before it looks for the other's, so two workers of one region cannot miss each other.

Not covered: trouble and all-clear accepted in two regions within the replication lag of each other. Both are stored,
but the alert stays open until the next event or a person closes it: rather one alert too long than one too few.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from lambdas.shared import timestamps
from lambdas.shared.alert import Action, Alert, AlertRow, Kind, RevisionConflictError, Summary, alert_id_of, merge
from lambdas.shared.parsers import State

WINDOWS: dict[Kind, timedelta] = {"alert": timedelta(days=7), "notification": timedelta(minutes=1)}
ATTEMPTS = 8


class CrowdedError(Exception):
    """Others kept writing the same row; the event must be delivered again."""


class Alerts(Protocol):
    """Port: the alerts table; see `AlertRepository`."""

    region: str

    def rows(self, alert_id: str) -> list[AlertRow]:
        """The rows of all regions."""

    def save_facts(self, row: AlertRow) -> AlertRow:
        """Write this region's row; raise `RevisionConflictError` when somebody was quicker."""

    def generation_hint(self, tenant: str, fingerprint: str) -> int:
        """Where to look first."""

    def remember_generation(self, row: AlertRow) -> None:
        """Look here first from now on."""

    def recovered_at(self, tenant: str, fingerprint: str) -> str | None:
        """When all was last well, by the sender's clock."""

    def remember_recovery(self, tenant: str, fingerprint: str, *, recovered_at: str) -> None:
        """All was well then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Newcomer:
    """An event on its way into an alert.

    Attributes:
        event_id: Copies share it.
        tenant, fingerprint: Which series of alerts.
        accepted_at: When it was accepted.
        correlation_id: Joins everything that follows from it.
        summary: What the alert shows if this event opens it.
        state: Whether it reports trouble that can end, the end of it, or neither.
        occurred_at: When, by the sender's clock.
    """

    event_id: str
    tenant: str
    fingerprint: str
    accepted_at: str
    correlation_id: str
    summary: Summary
    state: State
    occurred_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """Where an event ended up.

    Attributes:
        alert: As all regions know it, this event included.
        row: This region's part of it.
        repeated: Whether the event had been there before.
    """

    alert: Alert
    row: AlertRow
    repeated: bool


@dataclass(frozen=True, slots=True)
class Aggregator:
    """Joins events with alerts.

    Args:
        alerts: The table.
        pause: Waits a moment before the attempt of the given number, longer and at random for later ones.
    """

    alerts: Alerts
    pause: Callable[[int], None]

    def join(self, event: Newcomer) -> Joined | None:
        """Put *event* into the alert that is open for it; None when it is an all-clear and none is.

        Raises:
            CrowdedError: Others kept writing the same row.
        """
        if event.state == "recovery":
            self.alerts.remember_recovery(event.tenant, event.fingerprint, recovered_at=event.occurred_at)
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self._join(event)
            except RevisionConflictError:
                self.pause(attempt)
        raise CrowdedError(f"event {event.event_id} did not get through to its alert in {ATTEMPTS} attempts")

    def _join(self, event: Newcomer) -> Joined | None:
        hint = self.alerts.generation_hint(event.tenant, event.fingerprint)
        generation, rows = self._open_generation(event, hint)
        if event.state == "recovery" and merge(rows) is None:
            return None
        others = [row for row in rows if row.region != self.alerts.region]
        own = next((row for row in rows if row.region == self.alerts.region), None) or self._new_row(event, generation)
        joined = own.with_event(
            event.event_id,
            at=event.accepted_at,
            summary=event.summary,
            closes=event.state == "recovery" and (_trouble_at(rows) or "") < event.occurred_at,
            problem_at=event.occurred_at if event.state == "problem" else None,
        )
        repeated = joined is own
        if not repeated:
            joined = self.alerts.save_facts(joined)
        if event.state == "problem":
            joined = self._recover(event, joined, others)
        if generation > hint:
            self.alerts.remember_generation(joined)
        alert = merge([*others, joined])
        assert alert is not None, "a row with an event makes an alert"
        return Joined(alert=alert, row=joined, repeated=repeated)

    def _recover(self, event: Newcomer, own: AlertRow, others: list[AlertRow]) -> AlertRow:
        """Close the alert if all has been well since its last trouble."""
        recovered_at = self.alerts.recovered_at(event.tenant, event.fingerprint)
        if recovered_at is None or recovered_at <= (_trouble_at([own, *others]) or ""):
            return own
        if any(row.closed_at for row in (own, *others)):
            return own
        recovery = Action(
            action_id=f"recovery/{recovered_at}", kind="close", actor=event.summary.service, at=event.accepted_at
        )
        return self.alerts.save_facts(own.with_action(recovery))

    def _open_generation(self, event: Newcomer, hint: int) -> tuple[int, list[AlertRow]]:
        """The generation that was open when *event* was accepted, or the first that is unused."""
        generation = hint
        rows = self._rows(event, generation)
        while generation > 1 and not _began(rows, event.accepted_at):
            generation -= 1
            rows = self._rows(event, generation)
        while not _takes(rows, event.accepted_at):
            generation += 1
            rows = self._rows(event, generation)
        return generation, rows

    def _rows(self, event: Newcomer, generation: int) -> list[AlertRow]:
        return self.alerts.rows(alert_id_of(event.tenant, event.fingerprint, generation))

    def _new_row(self, event: Newcomer, generation: int) -> AlertRow:
        return AlertRow(
            alert_id=alert_id_of(event.tenant, event.fingerprint, generation),
            region=self.alerts.region,
            tenant=event.tenant,
            fingerprint=event.fingerprint,
            generation=generation,
            last_seen=event.accepted_at,
            correlation_id=event.correlation_id,
        )


def _began(rows: list[AlertRow], at: str) -> bool:
    alert = merge(rows)
    return alert is not None and alert.opened_at <= at


def _takes(rows: list[AlertRow], at: str) -> bool:
    alert = merge(rows)
    if alert is None:
        return True
    if alert.closed_at is not None and at > alert.closed_at:
        return False
    return at < timestamps.later(alert.opened_at, by=WINDOWS[alert.summary.kind])


def _trouble_at(rows: list[AlertRow]) -> str | None:
    return max((row.problem_at for row in rows if row.problem_at), default=None)
