"""What an action makes of an alert."""

from dataclasses import replace

import pytest

from lambdas.alert_actions.domain import Desk, RefusedError, UnknownAlertError
from lambdas.shared.alert import AlertRow, RevisionConflictError, merge
from lambdas.shared.messages import ActionKind, ActionRequest
from tests.unit.lambdas.alerting import (
    HERE,
    SLACK_CHANNEL,
    TEAMS_CONVERSATION,
    THERE,
    MemoryAlerts,
    MemoryStreams,
    MemoryTenants,
    delivered,
    row,
)

AT = "2026-11-21T03:45:00.000Z"


def desk(*rows: AlertRow) -> tuple[Desk, MemoryAlerts, MemoryStreams]:
    alerts, streams = MemoryAlerts(), MemoryStreams()
    alerts.put(*rows)
    return Desk(alerts=alerts, tenants=MemoryTenants(), messages=streams, region=HERE), alerts, streams


def request(kind: ActionKind = "acknowledge", action_id: str = "x1") -> ActionRequest:
    return ActionRequest(action_id=action_id, alert_id="a1", kind=kind, actor="ada (U0ADA)", requested_at=AT)


def act(at: Desk, wanted: ActionRequest, streams: MemoryStreams, tenant: str = "acme") -> None:
    """Act, and send what is returned."""
    message = at.act(wanted, tenant=tenant, correlation_id="c2")
    assert isinstance(message, tuple)
    streams.sent.append(message)


@pytest.mark.requirement("ESC-02")
def test_an_acknowledgement_is_recorded_with_its_user_and_shown() -> None:
    """The alert knows who took it, and the message is brought up to date."""
    at, alerts, streams = desk(row(delivery=delivered()))
    act(at, request(), streams)
    alert = alerts.load("a1")
    assert alert is not None
    assert alert.acknowledged is not None
    assert (alert.acknowledged.actor, alert.acknowledged.at) == ("ada (U0ADA)", AT)
    ((provider, sent),) = streams.sent
    assert (provider, sent.target, sent.level, sent.min_version) == ("slack", SLACK_CHANNEL, 1, 2)
    assert alerts.own().delivery == delivered()


@pytest.mark.requirement("ESC-02")
def test_the_same_click_again_changes_nothing_and_sends_the_message_again() -> None:
    """The queue delivers at least once; a crash before the message went out is made good."""
    at, alerts, streams = desk(row())
    act(at, request(), streams)
    first = alerts.own()
    act(at, request(), streams)
    assert alerts.own() == first
    assert [command.min_version for _, command in streams.sent] == [2, 2]


def test_closing_ends_the_alert() -> None:
    """A closed alert takes no more events; the next similar one opens a new generation."""
    at, alerts, streams = desk(row())
    act(at, request("close"), streams)
    alert = alerts.load("a1")
    assert alert is not None
    assert alert.closed_at == AT


def test_an_action_in_another_region_goes_into_a_row_of_its_own() -> None:
    """Only the owner writes the owner's row; readers see both."""
    owners = row(THERE)
    at, alerts, streams = desk(owners)
    act(at, request(), streams)
    assert alerts.table["a1", THERE] == owners
    alert = merge(alerts.rows("a1"))
    assert alert is not None
    assert alert.owner == THERE
    assert alert.acknowledged is not None
    assert (alerts.own().tenant, alerts.own().correlation_id, alerts.own().accepted_at) == ("acme", "c1", None)


def test_a_row_that_only_keeps_a_delivery_is_completed() -> None:
    """A region that has delivered another's message already has a row, which lacks whose it is."""
    bare = replace(row(), tenant="", fingerprint="", accepted_at=None, summary=None, count=0, event_ids=(), revision=0)
    at, alerts, streams = desk(row(THERE), replace(bare, delivery=delivered()))
    act(at, request(), streams)
    assert (alerts.own().tenant, alerts.own().delivery) == ("acme", delivered())


def test_two_writers_do_not_lose_each_others_facts() -> None:
    """Whoever comes second reads again and adds to what the first has written."""
    at, alerts, streams = desk(row())
    alerts.conflicts = 3
    act(at, request(), streams)
    assert [each.action_id for each in alerts.own().actions] == ["x1"]


def test_a_writer_that_never_gets_through_says_so() -> None:
    """After five conflicts the message goes back to the queue."""
    at, alerts, streams = desk(row())
    alerts.conflicts = 5
    with pytest.raises(RevisionConflictError):
        act(at, request(), streams)
    assert streams.sent == []


@pytest.mark.requirement("ISO-04")
def test_the_update_goes_to_the_tenants_own_provider() -> None:
    """What happens to a Teams customer's alert is no business of the Slack stream."""
    at, _, streams = desk(row(tenant="bell"))
    act(at, request(), streams, tenant="bell")
    assert [(provider, command.target) for provider, command in streams.sent] == [("teams", TEAMS_CONVERSATION)]


@pytest.mark.parametrize("tenant", ["bell", "nobody"])
def test_a_tenant_cannot_act_on_anothers_alert(tenant: str) -> None:
    """Whatever a button says, the alert itself says whose it is."""
    at, alerts, streams = desk(row())
    with pytest.raises(RefusedError):
        act(at, request(), streams, tenant=tenant)
    assert alerts.own() == row()
    assert streams.sent == []


def test_an_alert_that_has_not_arrived_here_yet_is_waited_for() -> None:
    """The click may be quicker than replication."""
    at, _, streams = desk()
    with pytest.raises(UnknownAlertError):
        act(at, request(), streams)
