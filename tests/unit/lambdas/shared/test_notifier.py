"""Carrying out delivery commands: once, whatever happens in between."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from constructs_lib.runtime import DependencyUnavailable, PermanentFailure, TenantUnavailable
from lambdas.shared.alert import Delivery
from lambdas.shared.messages import DeliveryCommand
from lambdas.shared.notifier import MessageGoneError, Notifier
from tests.unit.lambdas.alerting import (
    HERE,
    LONG_AFTER,
    OPENED,
    THERE,
    Clock,
    MemoryAlerts,
    MemoryProvider,
    MemoryTasks,
    action,
    command,
    delivered,
    record,
    row,
)


def notifier(alerts: MemoryAlerts, provider: Any, tasks: MemoryTasks | None = None, **more: Any) -> Notifier:
    return Notifier(
        provider=provider,
        alerts=alerts,
        tasks=tasks or MemoryTasks(),
        region=alerts.region,
        **{"now": Clock().now, **more},
    )


def world(*rows: Any) -> tuple[MemoryAlerts, MemoryProvider]:
    alerts = MemoryAlerts()
    alerts.put(*(rows or (row(),)))
    return alerts, MemoryProvider(gone=MessageGoneError)


def deliver(to: Notifier, wanted: DeliveryCommand, *, created: str = OPENED) -> None:
    to.deliver(record(wanted.to_body(), created=created))


@pytest.mark.requirement("PRC-06")
def test_a_storm_of_commands_makes_one_message() -> None:
    """A hundred events that joined before the notifier came to it cost one post and nothing else."""
    alerts, provider = world(row(count=100))
    for version in range(1, 101):
        deliver(notifier(alerts, provider), command(min_version=version))
    assert provider.calls == ["post"]
    assert provider.shown == {"m1": 100}


@pytest.mark.requirement("PRC-06")
def test_a_repeated_command_posts_nothing_again() -> None:
    """Streams deliver at least once; the message is there once."""
    alerts, provider = world()
    for _ in range(3):
        deliver(notifier(alerts, provider), command())
    assert provider.calls == ["post"]


def test_a_later_event_updates_the_message() -> None:
    """The count goes up in the message that is there, by a command that asks for it."""
    alerts, provider = world()
    deliver(notifier(alerts, provider), command())
    alerts.put(replace(alerts.own(), count=2))
    deliver(notifier(alerts, provider), command(min_version=2))
    assert provider.calls == ["post", "update"]
    assert provider.shown == {"m1": 2}


def test_what_is_delivered_is_on_record() -> None:
    """Message id, version and time are kept, so that every later command starts from them."""
    alerts, provider = world()
    deliver(notifier(alerts, provider), command(target="C0OTHER"))
    kept = alerts.own().delivery
    assert kept is not None
    assert (kept.message_id, kept.version, kept.target) == ("m1", 1, "C0OTHER")
    assert kept.delivered_at is not None
    assert kept.delivered_at > kept.attempted_at


def test_another_region_updates_the_message_of_the_first() -> None:
    """The message is one, wherever its next command comes from."""
    alerts, provider = world(row(THERE, count=2, delivery=delivered()))
    provider.shown["m1"] = 1
    deliver(notifier(alerts, provider), command(min_version=2))
    assert provider.calls == ["update"]
    assert alerts.own().delivery == delivered(version=2)


@pytest.mark.requirement("ESC-05")
def test_a_level_counts_from_its_delivery() -> None:
    """While the provider is away, whoever waits for the delivery goes on waiting; the level's timer has not begun."""
    alerts, provider = world()
    tasks = MemoryTasks()
    provider.failure = DependencyUnavailable("slack is away")
    with pytest.raises(DependencyUnavailable):
        deliver(notifier(alerts, provider, tasks), command(task_token="t"))
    assert tasks.done == {}
    provider.failure = None
    deliver(notifier(alerts, provider, tasks), command(task_token="t"))
    kept = alerts.own().delivery
    assert kept is not None
    assert tasks.done == {"t": {"delivered_at": kept.delivered_at}}


def test_whoever_waits_for_what_is_there_already_waits_no_longer() -> None:
    """The first message is usually posted before the escalation asks for it."""
    alerts, provider = world(row(delivery=delivered()))
    tasks = MemoryTasks()
    deliver(notifier(alerts, provider, tasks), command(task_token="t"))
    assert provider.calls == []
    assert tasks.done == {"t": {"delivered_at": OPENED}}


def test_a_page_is_made_once_and_its_time_is_told() -> None:
    """The second level calls people; asking again, with another token, only tells when that was."""
    alerts, provider = world(row(delivery=delivered()))
    provider.shown["m1"] = 1
    tasks = MemoryTasks()
    deliver(notifier(alerts, provider, tasks), command(level=2, task_token="a"))
    deliver(notifier(alerts, provider, tasks), command(level=2, task_token="b"))
    assert provider.pages == [2]
    kept = alerts.own().delivery
    assert kept is not None
    assert tasks.done["a"] == tasks.done["b"] == {"delivered_at": kept.pages[2]}


@pytest.mark.requirement("ESC-02")
def test_an_acknowledged_alert_pages_nobody_and_keeps_nobody_waiting() -> None:
    """A level that was on its way when somebody took the alert is over at once."""
    alerts, provider = world(row(delivery=delivered()).with_action(action()))
    provider.shown["m1"] = 1
    tasks = MemoryTasks()
    deliver(notifier(alerts, provider, tasks), command(level=2, task_token="t"))
    assert provider.pages == []
    assert set(tasks.done) == {"t"}


def test_a_removed_message_is_posted_anew() -> None:
    """Somebody deleted the message; the next news must be visible all the same."""
    alerts, provider = world(row(count=2, delivery=delivered()))
    deliver(notifier(alerts, provider), command(min_version=2))
    assert provider.calls == ["update", "find", "post"]
    assert provider.shown == {"m1": 2}


def test_a_message_found_after_a_crash_is_brought_up_to_date() -> None:
    """It is there, but shows what was known before the crash."""
    alerts, provider = world(row(count=2, delivery=Delivery(attempted_at=OPENED, target="C0ACME")))
    provider.shown["m1"] = 1
    deliver(notifier(alerts, provider), command(min_version=2))
    assert provider.calls == ["find", "update"]
    assert provider.shown == {"m1": 2}


def test_a_region_that_is_not_the_owner_holds_the_tenant_for_a_moment() -> None:
    """Nothing is posted while the owner is about to."""
    alerts, provider = world(row(THERE))
    with pytest.raises(TenantUnavailable) as held:
        deliver(notifier(alerts, provider), command())
    assert held.value.retry_after == 2.0
    assert provider.calls == []


def test_a_foreign_alert_is_not_shown() -> None:
    """A command of one tenant about another's alert is given up, whatever made it."""
    alerts, provider = world()
    with pytest.raises(PermanentFailure, match="not of the tenant"):
        notifier(alerts, provider).deliver(record(command().to_body(), tenant="bell"))
    assert provider.calls == []


@pytest.mark.parametrize(
    ("body", "reason"), [({"alert_id": "a1"}, "min_version"), (command(alert_id="a2").to_body(), "a2")]
)
def test_a_command_that_makes_no_sense_is_given_up(body: dict[str, Any], reason: str) -> None:
    """Waiting would not help a body that lacks a field, nor one about an alert nobody knows."""
    alerts, provider = world()
    with pytest.raises(PermanentFailure, match=reason):
        notifier(alerts, provider).deliver(record(body))


def test_a_slow_provider_does_not_eat_the_functions_time() -> None:
    """After a step that took long the rest is left to the next invocation, which goes on from there."""
    alerts, provider = world(row(count=2, delivery=delivered()))
    provider.shown["m1"] = 1
    readings = iter([0.0, 0.0, 9.0, 9.0])
    with pytest.raises(DependencyUnavailable, match="too slow"):
        deliver(notifier(alerts, provider, clock=lambda: next(readings)), command(level=2, min_version=2))
    assert provider.calls == ["page"]
    deliver(notifier(alerts, provider), command(level=2, min_version=2))
    assert provider.calls == ["page", "update"]


def throttled(operation: str = "Query") -> ClientError:
    error = {"Error": {"Code": "ThrottlingException"}, "ResponseMetadata": {"HTTPStatusCode": 400}}
    return ClientError(error, operation)  # type: ignore[arg-type]  # the part of an answer that matters


@pytest.mark.parametrize("error", [throttled(), EndpointConnectionError(endpoint_url="https://aws.example")])
def test_a_record_waits_while_aws_is_away(error: Exception) -> None:
    """A throttled table is no reason to give an alert up."""

    class Away(MemoryAlerts):
        def load(self, alert_id: str) -> Any:
            raise error

    with pytest.raises(DependencyUnavailable):
        deliver(notifier(Away(), MemoryProvider()), command())


class CrashError(BaseException):
    """The process ends here."""


@dataclass
class Crashing:
    """Lets every call to *target* through but one: the process ends before or after that one's effect."""

    target: Any
    at: int
    calls: list[int]

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            self.calls[0] += 1
            if self.calls[0] * 2 - 1 == self.at:
                raise CrashError
            result = getattr(self.target, name)(*args, **kwargs)
            if self.calls[0] * 2 == self.at:
                raise CrashError
            return result

        return call


def crash_everywhere(provider: MemoryProvider, delivery: Delivery | None, wanted: DeliveryCommand) -> int:
    """Crash before and after each call once, redeliver until done; return the number of crash points."""
    point = 0
    while True:
        point += 1
        alerts, tasks = MemoryAlerts(), MemoryTasks()
        alerts.put(row(count=2, delivery=delivery))
        provider.shown.clear()
        provider.pages.clear()
        if delivery:
            provider.shown["m1"] = 1
        calls = [0]
        crashing = Notifier(
            provider=Crashing(provider, point, calls),
            alerts=Crashing(alerts, point, calls),
            tasks=Crashing(tasks, point, calls),
            region=HERE,
            now=Clock().now,
        )
        try:
            deliver(crashing, wanted)
        except CrashError:
            deliver(notifier(alerts, provider, tasks), wanted)
        else:
            return point - 1
        assert list(provider.shown.values())[-1] == 2, f"crash point {point}: the message does not show all"
        assert set(tasks.done) == {"t"}, f"crash point {point}: somebody waits for ever"
        copies = len(provider.shown) + len(provider.pages) - (1 if wanted.level == 1 else 2)
        assert copies <= (0 if provider.can_be_asked else 1), f"crash point {point}: {copies} too many"


@pytest.mark.parametrize(("delivery", "level"), [(None, 1), (delivered(), 1), (delivered(), 2)])
def test_a_crash_anywhere_loses_nothing_and_doubles_nothing_where_the_provider_can_be_asked(
    delivery: Delivery | None, level: int
) -> None:
    """Before and after each call, for post, update and page: the redelivered command ends with one message."""
    points = crash_everywhere(MemoryProvider(), delivery, command(level=level, task_token="t", min_version=2))
    assert points >= 8


@pytest.mark.parametrize(("delivery", "level"), [(None, 1), (delivered(), 2)])
def test_a_crash_costs_at_most_one_duplicate_where_the_provider_cannot_be_asked(
    delivery: Delivery | None, level: int
) -> None:
    """Teams cannot tell a bot what it has posted; a crash may double a message, and never loses one."""
    provider = MemoryProvider(can_be_asked=False)
    assert crash_everywhere(provider, delivery, command(level=level, task_token="t", min_version=2)) >= 8


def test_a_survivor_posts_what_the_owner_did_not() -> None:
    """A region that is lost for more than a minute leaves its alerts to the others."""
    alerts, provider = world(row(THERE))
    deliver(notifier(alerts, provider, now=Clock(LONG_AFTER).now), command())
    assert provider.calls == ["post"]


def test_what_joins_while_the_provider_is_called_is_shown_too() -> None:
    """Another region's row may replicate during the call, and no command of this region would follow it."""
    alerts, provider = world()

    class Slow:
        """The provider, during whose first call another region's event arrives."""

        def __getattr__(self, name: str) -> Any:
            return getattr(provider, name)

        def post(self, alert: Any, *, target: str) -> str:
            alerts.put(row(THERE))
            return str(provider.post(alert, target=target))

    deliver(notifier(alerts, Slow()), command())
    assert provider.calls == ["post", "update"]
    assert provider.shown == {"m1": 2}
