"""What follows from an event, also when something breaks half-way."""

import pytest

from lambdas.process_event.domain import RejectedEventError
from lambdas.shared.alert import REMEMBERED_EVENTS
from lambdas.shared.codes import Code
from tests.unit.lambdas.process_event.world import AT, AwayError, World, received


@pytest.fixture
def world() -> World:
    return World()


@pytest.mark.requirement("PRC-06")
def test_a_new_alert_is_sent_once_to_its_tenants_provider_and_escalates_once(world: World) -> None:
    """The command names the version that must be visible."""
    world.process(received())
    (alert,) = world.alerts()
    ((command, provider),) = world.commands
    assert (command.alert_id, command.min_version, command.level, command.target) == (alert.alert_id, 1, 1, "C1")
    assert provider == "slack"
    assert command.task_token is None
    assert world.started == [alert.alert_id]
    assert [code for code, _ in world.logged] == [Code.EVT_JOINED, Code.ESC_STARTED]


@pytest.mark.requirement("PRC-06")
def test_what_joins_asks_for_its_version_and_starts_nothing_more(world: World) -> None:
    """One alert, one escalation, one message that shows the latest version."""
    for number in range(REMEMBERED_EVENTS + 20):
        world.process(received(), event_id=f"e{number}")
    assert [command.min_version for command, _ in world.commands] == list(range(1, REMEMBERED_EVENTS + 21))
    assert len({command.alert_id for command, _ in world.commands}) == len(world.started) == 1
    # A storm does not become a storm of calls.
    assert world.attempts_to_start == REMEMBERED_EVENTS


@pytest.mark.requirement("PRC-06")
@pytest.mark.parametrize("broken", ["stream", "workflow"])
def test_a_worker_that_dies_half_way_is_made_up_for_by_the_next_delivery(world: World, broken: str) -> None:
    """The messages follow from what is stored, not from whether it was stored just now."""
    world.down = {broken}
    with pytest.raises(AwayError):
        world.process(received())
    world.down = set()
    world.process(received())
    (alert,) = world.alerts()
    assert alert.count == 1
    assert {command.min_version for command, _ in world.commands} == {1}
    assert world.started == [alert.alert_id]
    assert Code.EVT_REPEATED in {code for code, _ in world.logged}


def test_another_event_makes_up_for_a_dead_workers_escalation_too(world: World) -> None:
    """People are paged though the first event has not come again yet."""
    world.down = {"workflow"}
    with pytest.raises(AwayError):
        world.process(received())
    world.down = set()
    world.process(received(), event_id="e2")
    assert len(world.started) == 1


@pytest.mark.parametrize(
    ("event", "tenant"),
    [
        (received(), "quiet"),
        (received(b'{"title":"x","kind":"notification"}', content_type="application/json"), "acme"),
    ],
)
def test_nobody_is_paged_for_a_notification_or_where_nothing_escalates(
    world: World, event: object, tenant: str
) -> None:
    """The message is sent all the same."""
    world.process(event, tenant=tenant)  # type: ignore[arg-type] # a parametrized value
    assert (len(world.commands), world.started) == (1, [])


def test_the_region_that_owns_the_alert_pages(world: World) -> None:
    """Another region that joins sends its command and leaves paging to the owner."""
    world.process(received())
    other = World(region="eu-west-1", table=world.table)
    other.process(received(accepted_at="2026-11-21T03:41:00.000Z", accepted_in="eu-west-1"), event_id="e2")
    assert (len(other.commands), other.started) == (1, [])
    assert other.commands[0][0].min_version == 2


def test_the_region_that_turns_out_to_be_first_pages_too(world: World) -> None:
    """Rather twice than not at all: it owns the alert from now on."""
    world.process(received())
    other = World(region="eu-west-1", table=world.table)
    other.process(received(accepted_at="2026-11-21T03:39:00.000Z", accepted_in="eu-west-1"), event_id="e2")
    assert len(other.started) == 1


@pytest.mark.requirement("ING-05")
@pytest.mark.requirement("PRC-01")
@pytest.mark.parametrize(
    ("raw", "content_type", "reason"),
    [
        (b'{"title": ', "application/json", "the body says it is JSON and is not"),
        (b"\xff\xfe\x00", "text/plain", "the body is not text in UTF-8"),
        (b"[" * 100_000, "application/json", "the body says it is JSON and is not"),
        (
            b'{"source":"aws.ec2","detail-type":"EC2 Instance State-change Notification","detail":{}}',
            "application/json",
            "field 'detail.instance-id' is missing",
        ),
    ],
)
def test_what_nobody_can_read_is_kept_and_becomes_an_alert(
    world: World, raw: bytes, content_type: str, reason: str
) -> None:
    """Byte for byte, with a coded warning; its beginning is shown; what comes after it is processed."""
    world.process(received(raw, content_type=content_type))
    (alert,) = world.alerts()
    assert world.kept == {"e1": raw}
    assert (Code.EVT_UNPARSEABLE, {"tenant": "acme", "event_id": "e1", "reason": reason}) in world.logged
    assert alert.summary.kind == "alert"
    assert reason in alert.summary.text
    assert repr(raw[:20])[2:-1] in alert.summary.text
    assert len(world.commands) == len(world.started) == 1
    world.process(received(), event_id="e2")
    assert len(world.alerts()) == 2


def test_an_unreadable_event_that_cannot_be_kept_is_tried_again(world: World) -> None:
    """Nothing follows from it before it is safe."""
    world.down = {"raw"}
    with pytest.raises(AwayError):
        world.process(received(b"\xff"))
    assert world.commands == []


def test_a_tenant_nobody_knows_is_a_reason_to_give_up(world: World) -> None:
    """The sentence says what to do."""
    with pytest.raises(RejectedEventError, match="there is no tenant 'nobody'; add it"):
        world.process(received(), tenant="nobody")
    assert world.alerts() == []


ALARM = (
    b'{"AlarmName":"a","AlarmArn":"arn:aws:cloudwatch:us-east-1:123456789012:alarm:a","NewStateValue":"%s",'
    b'"StateChangeTime":"2026-11-21T03:%s:00.000+0000"}'
)


@pytest.mark.requirement("PRC-07")
def test_an_all_clear_updates_the_message_and_pages_nobody(world: World) -> None:
    """The command asks for the version that shows the close."""
    world.process(received(ALARM % (b"ALARM", b"38")))
    world.process(received(ALARM % (b"OK", b"39"), accepted_at="2026-11-21T03:41:00.000Z"), event_id="e2")
    (alert,) = world.alerts()
    assert alert.closed_at is not None
    assert [command.min_version for command, _ in world.commands] == [1, 2]
    assert len(world.started) == world.attempts_to_start == 1


@pytest.mark.requirement("PRC-07")
def test_an_all_clear_for_nothing_is_accounted_for(world: World) -> None:
    """By a coded line; there is nothing to show."""
    world.process(received(ALARM % (b"OK", b"39")))
    assert world.logged == [(Code.EVT_NOTHING_TO_CLOSE, {"tenant": "acme", "event_id": "e1"})]
    assert (world.alerts(), world.commands, world.started) == ([], [], [])


@pytest.mark.requirement("PRC-07")
def test_trouble_that_was_over_before_it_was_reported_pages_nobody(world: World) -> None:
    """It is shown, closed."""
    world.process(received(ALARM % (b"OK", b"39")))
    world.process(received(ALARM % (b"ALARM", b"38"), accepted_at="2026-11-21T03:41:00.000Z"), event_id="e2")
    assert [command.min_version for command, _ in world.commands] == [2]
    assert world.started == []


def test_a_health_events_copy_from_the_backup_region_is_counted_once(world: World) -> None:
    """AWS sends it there too, with an id of its own; an update has another communication id."""
    health = (
        b'{"source":"aws.health","detail-type":"AWS Health Event","account":"123456789012","region":"%s",'
        b'"detail":{"eventArn":"arn:aws:health:eu-west-1::event/EC2/X/X_1","eventTypeCode":"AWS_EC2_X",'
        b'"service":"EC2","communicationId":"%s","eventRegion":"eu-west-1"}}'
    )
    for number, (region, communication) in enumerate(
        [(b"eu-west-1", b"1"), (b"us-west-2", b"1"), (b"us-west-2", b"2")]
    ):
        world.process(received(health % (region, communication)), event_id=f"e{number}")
    assert [alert.count for alert in world.alerts()] == [2]


def test_the_senders_own_key_groups_what_differs(world: World) -> None:
    """And parts what is equal."""
    world.process(received(b"disk is 95 % full", alert_key="disk"), event_id="1")
    world.process(received(b"disk is 96 % full", alert_key="disk"), event_id="2")
    world.process(received(b"disk is 96 % full", alert_key="other"), event_id="3")
    assert sorted(alert.count for alert in world.alerts()) == [1, 2]
    assert world.alerts()[0].opened_at == AT
