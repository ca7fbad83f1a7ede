"""One level of an escalation: have the message delivered, then look whether somebody has taken the alert."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from lambdas.shared import timestamps
from lambdas.shared.alert import Alert
from lambdas.shared.messages import DeliveryCommand
from lambdas.shared.tenant import Tenant

LAST_LEVEL = 2

_STEP = re.compile(r"Level([1-9])(Delivered|Look)")


class RefusedError(Exception):
    """The step can never be done; the text says why."""


class Alerts(Protocol):
    """Port to the alerts table."""

    def load(self, alert_id: str) -> Alert | None:
        """The merged alert, or None when it is not known."""


class Tenants(Protocol):
    """Port to the tenants table."""

    def tenant(self, tenant: str) -> Tenant | None:
        """The tenant, or None when there is none of that id."""


class Streams(Protocol):
    """Port to the providers' streams."""

    def send(self, command: DeliveryCommand, *, provider: str, tenant: str, correlation_id: str) -> None:
        """Store *command* on the stream of its provider."""


class Tasks(Protocol):
    """Port to the steps that wait."""

    def succeed(self, token: str, result: Mapping[str, object]) -> None:
        """Complete the step that *token* stands for."""


class Outcomes(Protocol):
    """Port to those who watch over escalations."""

    def exhausted(self, alert: Alert) -> None:
        """Everybody was called and nobody came."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What the saga asks for.

    Attributes:
        level: Which level, from 1.
        kind: `Delivered` waits, by its task token, until the level's message is there; `Look` looks at the alert.
        alert_id: Which alert.
        tenant: Whose.
        correlation_id: Of the alert's first event.
        task_token: Of a step that waits.
    """

    level: int
    kind: Literal["Delivered", "Look"]
    alert_id: str
    tenant: str
    correlation_id: str
    task_token: str | None

    @classmethod
    def parse(cls, event: Mapping[str, object]) -> "Step":
        """Read what the saga sends.

        Raises:
            RefusedError: It is something else.
        """
        named = _STEP.fullmatch(str(event.get("step")))
        given = event.get("input")
        if named is None or not isinstance(given, Mapping):
            raise RefusedError(f"step {event.get('step')!r} with input is not Level<n>Delivered or Level<n>Look")
        fields = [given.get(name) for name in ("alert_id", "tenant", "correlation_id")]
        if not all(isinstance(field, str) and field for field in fields):
            raise RefusedError("the input must hold alert_id, tenant and correlation_id")
        alert_id, tenant, correlation_id = map(str, fields)
        kind: Literal["Delivered", "Look"] = "Delivered" if named[2] == "Delivered" else "Look"
        token = event.get("task_token")
        if (kind == "Delivered") != isinstance(token, str):
            raise RefusedError(f"step {named[0]} {'needs a' if kind == 'Delivered' else 'has no use for a'} task token")
        return cls(
            level=int(named[1]),
            kind=kind,
            alert_id=alert_id,
            tenant=tenant,
            correlation_id=correlation_id,
            task_token=token if isinstance(token, str) else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Escalation:
    """Does the steps.

    Args:
        alerts: What is known of alerts.
        tenants: Where a tenant's alerts are shown.
        streams: The way there.
        tasks: The steps that wait.
        outcomes: Who is told when nobody comes.
    """

    alerts: Alerts
    tenants: Tenants
    streams: Streams
    tasks: Tasks
    outcomes: Outcomes

    def do(self, step: Step) -> dict[str, object]:
        """Do *step* and return what the saga goes by: with `complete` true it ends.

        Raises:
            RefusedError: It can never be done.
        """
        alert = self.alerts.load(step.alert_id)
        if alert is None or alert.tenant != step.tenant:
            raise RefusedError(f"tenant {step.tenant} has no alert {step.alert_id}")
        return self._look(step, alert) if step.kind == "Look" else self._deliver(step, alert)

    def _look(self, step: Step, alert: Alert) -> dict[str, object]:
        taken = _taken(alert)
        if taken:
            return {"complete": True, "reason": taken}
        if step.level >= LAST_LEVEL:
            self.outcomes.exhausted(alert)
        return {"complete": False}

    def _deliver(self, step: Step, alert: Alert) -> dict[str, object]:
        token = step.task_token or ""
        taken = _taken(alert)
        if taken:
            result: dict[str, object] = {"complete": True, "reason": taken}
            self.tasks.succeed(token, result | {"delivered_at": timestamps.now()})
            return result
        home = self.tenants.tenant(step.tenant)
        if home is None:
            raise RefusedError(f"there is no tenant {step.tenant}")
        command = DeliveryCommand(
            alert_id=alert.alert_id,
            min_version=alert.version,
            level=step.level,
            target=home.channel,
            task_token=token,
        )
        self.streams.send(command, provider=home.provider, tenant=step.tenant, correlation_id=step.correlation_id)
        return {"complete": False}


def _taken(alert: Alert) -> str | None:
    if alert.closed_at:
        return "closed"
    return "acknowledged" if alert.acknowledged else None
