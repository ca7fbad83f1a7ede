"""Which generation of a series of alerts an event belongs to."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from lambdas.shared import timestamps
from lambdas.shared.alert import Alert, AlertRow, Kind, Summary, alert_id_of, merge
from lambdas.shared.parsers import State

WINDOWS: dict[Kind, timedelta] = {"alert": timedelta(days=7), "notification": timedelta(minutes=1)}


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


def find_generation(alerts: Alerts, event: Newcomer, hint: int) -> tuple[int, list[AlertRow]]:
    """The generation that takes *event*, and its rows: none when it is the first event of it."""
    generation = hint
    rows = _rows(alerts, event, generation)
    # A hint says what is newest now; an event may have been waiting since before.
    while generation > 1 and not _began(rows, event.accepted_at):
        generation -= 1
        rows = _rows(alerts, event, generation)
    while not _takes(alerts, event, rows):
        generation += 1
        rows = _rows(alerts, event, generation)
    return generation, rows


def trouble_at(rows: list[AlertRow]) -> str:
    """When, by the sender's clock, trouble was last reported; empty, which is before everything, when it was not."""
    return max((row.problem_at for row in rows if row.problem_at), default="")


def _rows(alerts: Alerts, event: Newcomer, generation: int) -> list[AlertRow]:
    return alerts.rows(alert_id_of(event.tenant, event.fingerprint, generation))


def _began(rows: list[AlertRow], at: str) -> bool:
    alert = merge(rows)
    return alert is not None and alert.opened_at <= at


def _takes(alerts: Alerts, event: Newcomer, rows: list[AlertRow]) -> bool:
    alert = merge(rows)
    if alert is None or any(event.event_id in row.event_ids for row in rows):
        return True
    if event.state == "recovery":
        return alert.closed_at is None
    if event.accepted_at >= timestamps.later(alert.opened_at, by=WINDOWS[alert.summary.kind]):
        return False
    return alert.closed_at is None or _belongs_to_closed(alerts, event, rows, alert)


def _belongs_to_closed(alerts: Alerts, event: Newcomer, rows: list[AlertRow], alert: Alert) -> bool:
    """Whether *event* was over with when *alert* was closed; if in doubt it was not, and opens the next one.

    A person's close covers what had been accepted until then. An all-clear covers what began before it, so trouble that
    began after it is new, though it may have been accepted earlier and only waited longer.
    """
    if event.state == "problem":
        last = trouble_at(rows)
        if event.occurred_at <= last:
            return True
        recovered_at = alerts.recovered_at(event.tenant, event.fingerprint)
        if recovered_at is not None and last < recovered_at < event.occurred_at:
            return False
    return alert.closed_at is not None and event.accepted_at <= alert.closed_at
