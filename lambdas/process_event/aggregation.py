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

from lambdas.process_event.generations import Alerts, Newcomer, find_generation, trouble_at
from lambdas.shared.alert import Action, Alert, AlertRow, RevisionConflictError, alert_id_of, merge

ATTEMPTS = 8


class CrowdedError(Exception):
    """Others kept writing the same row; the event must be delivered again."""


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
        generation, rows = find_generation(self.alerts, event, hint)
        if event.state == "recovery" and merge(rows) is None:
            return None
        others = [row for row in rows if row.region != self.alerts.region]
        own = next((row for row in rows if row.region == self.alerts.region), None) or self._new_row(event, generation)
        joined = own.with_event(
            event.event_id,
            at=event.accepted_at,
            summary=event.summary,
            closes=event.state == "recovery" and trouble_at(rows) < event.occurred_at,
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
        if recovered_at is None or recovered_at <= trouble_at([own, *others]):
            return own
        if any(row.closed_at for row in (own, *others)):
            return own
        recovery = Action(
            action_id=f"recovery/{recovered_at}", kind="close", actor=event.summary.service, at=event.accepted_at
        )
        return self.alerts.save_facts(own.with_action(recovery))

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
