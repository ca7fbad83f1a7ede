"""The steps of an escalation."""

from typing import Any

import pytest

from lambdas.escalation.domain import Escalation, RefusedError, Step
from lambdas.shared.alert import Alert, AlertRow
from lambdas.shared.messages import ActionKind
from tests.unit.lambdas.alerting import (
    SLACK_CHANNEL,
    TEAMS_CONVERSATION,
    MemoryAlerts,
    MemoryStreams,
    MemoryTasks,
    MemoryTenants,
    action,
    row,
)


class World:
    """An escalation and all around it."""

    def __init__(self, *rows: AlertRow) -> None:
        self.alerts, self.streams, self.tasks = MemoryAlerts(), MemoryStreams(), MemoryTasks()
        self.alerts.put(*(rows or (row(count=3),)))
        self.ended: list[Alert] = []
        self.escalation = Escalation(
            alerts=self.alerts, tenants=MemoryTenants(), streams=self.streams, tasks=self.tasks, outcomes=self
        )

    def exhausted(self, alert: Alert) -> None:
        self.ended.append(alert)

    def do(self, name: str, **changes: Any) -> dict[str, object]:
        return self.escalation.do(Step.parse(payload(name, **changes)))


def payload(name: str, **changes: Any) -> dict[str, Any]:
    """What the saga sends."""
    given = {"alert_id": "a1", "tenant": "acme", "correlation_id": "c1"} | changes
    waits = {"task_token": f"token of {name}"} if name.endswith("Delivered") else {}
    return {"step": name, "execution": "e", "input": given, "results": {}, **waits}


@pytest.mark.parametrize("level", [1, 2])
@pytest.mark.requirement("ESC-05")
def test_a_level_is_sent_to_the_provider_and_waits_for_its_delivery(level: int) -> None:
    """The step's token travels with the command; nobody but the notifier completes it."""
    world = World()
    world.do(f"Level{level}Delivered")
    ((provider, sent),) = world.streams.sent
    assert provider == "slack"
    assert (sent.level, sent.target, sent.min_version) == (level, SLACK_CHANNEL, 3)
    assert sent.task_token == f"token of Level{level}Delivered"
    assert world.tasks.done == {}


@pytest.mark.requirement("ISO-04")
def test_a_level_goes_to_the_tenants_own_provider() -> None:
    """A Teams customer's escalation never touches the Slack stream."""
    world = World(row(tenant="bell"))
    world.do("Level2Delivered", tenant="bell")
    assert [(provider, sent.target) for provider, sent in world.streams.sent] == [("teams", TEAMS_CONVERSATION)]


@pytest.mark.requirement("ESC-01")
def test_an_alert_nobody_has_taken_goes_on_to_the_next_level() -> None:
    """Level 1's look leaves the saga running; level 2 is sent, and calls people."""
    world = World()
    assert world.do("Level1Look") == {"complete": False}
    assert world.do("Level2Delivered") == {"complete": False}
    assert [sent.level for _, sent in world.streams.sent] == [2]
    assert world.ended == []


@pytest.mark.parametrize(("kind", "reason"), [("acknowledge", "acknowledged"), ("close", "closed")])
@pytest.mark.requirement("ESC-02")
def test_an_alert_somebody_has_taken_ends_the_escalation(kind: ActionKind, reason: str) -> None:
    """By a look at the alert alone: no callback has to arrive for it."""
    world = World(row().with_action(action(kind)))
    assert world.do("Level1Look") == {"complete": True, "reason": reason}


@pytest.mark.requirement("ESC-02")
def test_a_level_that_comes_too_late_calls_nobody() -> None:
    """An acknowledgement between look and level is honoured: nothing is sent, and the step is completed at once."""
    world = World(row().with_action(action()))
    assert world.do("Level2Delivered")["complete"] is True
    assert world.streams.sent == []
    done = world.tasks.done["token of Level2Delivered"]
    assert done["reason"] == "acknowledged"
    assert done["delivered_at"]


def test_an_escalation_that_reached_nobody_is_told_to_the_operators() -> None:
    """After the last level's look there is nobody left to call."""
    world = World()
    assert world.do("Level2Look") == {"complete": False}
    assert [alert.alert_id for alert in world.ended] == ["a1"]


@pytest.mark.parametrize(
    "broken",
    [
        payload("Level1Look") | {"step": "Level0Look"},
        payload("Level1Look") | {"step": None},
        payload("Level1Look") | {"input": None},
        payload("Level1Look", tenant=""),
        payload("Level1Look", alert_id=7),
        payload("Level1Look") | {"task_token": "t"},
        payload("Level1Delivered") | {"task_token": None},
    ],
)
def test_a_step_that_makes_no_sense_is_refused(broken: dict[str, Any]) -> None:
    """The saga must not try it again."""
    with pytest.raises(RefusedError):
        Step.parse(broken)


@pytest.mark.parametrize("changes", [{"alert_id": "a2"}, {"tenant": "bell"}])
def test_a_step_about_an_alert_the_tenant_does_not_have_is_refused(changes: dict[str, str]) -> None:
    """One tenant's saga cannot page another's people."""
    with pytest.raises(RefusedError):
        World().do("Level2Delivered", **changes)
