"""The actions queue's consumer."""

from typing import Any

from constructs_lib.runtime.inherent import InherentEngine
from lambdas.alert_actions.domain import Desk
from lambdas.alert_actions.handler import make_handler
from lambdas.shared.alert import AlertRow
from lambdas.shared.command_streams import CommandMessages
from lambdas.shared.messages import ActionRequest
from tests.unit.lambdas.alerting import HERE, MemoryAlerts, MemoryTenants, row
from tests.unit.runtime.events import envelope, sqs_event
from tests.unit.runtime.fakes import FakeContext, MemoryDeadLetters, MemorySends, queue_ports


def run(
    body: dict[str, Any], *rows: AlertRow, tenant: str = "acme", away: set[str] | None = None, conflicts: int = 0
) -> tuple[dict[str, Any], list[str]]:
    """Answer and the reasons of dead letters; only a stream for slack exists."""
    alerts, letters = MemoryAlerts(), MemoryDeadLetters()
    alerts.put(*rows)
    alerts.conflicts = conflicts
    messages = CommandMessages({"slack": "s"})
    desk = Desk(alerts=alerts, tenants=MemoryTenants(), messages=messages, region=HERE)
    ports = queue_ports(dead_letters=letters, engine=InherentEngine(MemorySends(away=away or set())))
    event = sqs_event([envelope("x1", key="a1", tenant=tenant, body=body).to_json()])
    answer = make_handler(lambda: desk, load_queue=lambda: ports)(event, FakeContext())
    return dict(answer), [letter.reason for letter in letters.letters]


BODY = ActionRequest(
    action_id="x1", alert_id="a1", kind="close", actor="ada", requested_at="2026-11-21T03:40:00.000Z"
).to_body()

DONE: dict[str, Any] = {"batchItemFailures": []}
AGAIN: dict[str, Any] = {"batchItemFailures": [{"itemIdentifier": "1"}]}


def test_an_action_that_is_applied_is_done() -> None:
    """It leaves the queue."""
    assert run(BODY, row()) == (DONE, [])


def test_an_action_that_others_keep_from_the_row_comes_again() -> None:
    """They write the same alert; that passes."""
    assert run(BODY, row(), conflicts=5) == (AGAIN, [])


def test_an_action_that_cannot_be_shown_comes_again() -> None:
    """It is stored, but its message is not on the provider's stream yet."""
    assert run(BODY, row(), away={"s"}) == (AGAIN, [])


def test_an_action_that_makes_no_sense_is_a_dead_letter_with_its_reason() -> None:
    """A wrong body, another tenant's alert, or a tenant whose provider has no stream: trying again would not help."""
    answer, reasons = run({"kind": "explode"}, row())
    assert answer == DONE
    assert "kind" in reasons[0]
    answer, reasons = run(BODY, row(tenant="bell"))
    assert answer == DONE
    assert "does not belong to tenant acme" in reasons[0]
    answer, reasons = run(BODY, row(tenant="bell"), tenant="bell")
    assert answer == DONE
    assert "known are slack" in reasons[0]


def test_an_action_on_an_alert_that_has_not_arrived_comes_again() -> None:
    """The queue delivers it once more, until replication has caught up."""
    assert run(BODY) == (AGAIN, [])
