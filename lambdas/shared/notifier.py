"""Carrying out delivery commands at one provider."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from constructs_lib.runtime import DependencyUnavailable, PermanentFailure, Record, TenantUnavailable
from lambdas.shared import timestamps
from lambdas.shared.alert import Alert, Delivery
from lambdas.shared.aws_failures import hold_while_aws_is_away
from lambdas.shared.delivery import Nothing, Page, Post, Update, Wait, next_step
from lambdas.shared.messages import DeliveryCommand, MalformedMessageError

# After so long no further step begins for a record. Each is kept once done, so the next invocation goes on from there.
PATIENCE_SECONDS = 8.0


class MessageGoneError(Exception):
    """The message is no longer at the provider: somebody removed it."""


class Provider(Protocol):
    """Port to the provider.

    Every method may raise `TenantUnavailable`, `DependencyUnavailable` and `PermanentFailure`.
    """

    def find(self, alert: Alert, *, target: str) -> str | None:
        """The id of the alert's message in *target*, if the provider can be asked and knows it."""

    def post(self, alert: Alert, *, target: str) -> str:
        """Post the alert's message to *target* and return its id."""

    def update(self, alert: Alert, *, target: str, message_id: str) -> None:
        """Make the message show *alert*.

        Raises:
            MessageGoneError: It is not there any more.
        """

    def page(self, alert: Alert, *, target: str, message_id: str, level: int) -> None:
        """Call people to the message.

        Raises:
            MessageGoneError: It is not there any more.
        """


class Alerts(Protocol):
    """Port to the alerts table."""

    def load(self, alert_id: str) -> Alert | None:
        """The merged alert, or None when it is not known."""

    def save_delivery(self, alert_id: str, delivery: Delivery) -> None:
        """Keep what this region's notifier knows."""


class Tasks(Protocol):
    """Port to those who wait for a delivery."""

    def succeed(self, token: str, result: Mapping[str, object]) -> None:
        """Tell them that it has happened."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notifier:
    """Makes the provider show what commands ask for.

    Whatever stops it, the next try goes on from what is on record. A crash after a post, before its id is on record, is
    noticed by the attempt written before: where the provider can be asked, it is, so the message is not posted twice;
    elsewhere at most one duplicate per crash is the price of never losing it.

    Args:
        provider: Where messages go.
        alerts: What is known of alerts.
        tasks: Who waits for deliveries.
        region: Where this runs.
        now: Gives the time.
        clock: Gives seconds that only ever grow.
    """

    provider: Provider
    alerts: Alerts
    tasks: Tasks
    region: str
    now: Callable[[], str] = timestamps.now
    clock: Callable[[], float] = time.monotonic

    def deliver(self, record: Record) -> None:
        """Carry out the command in *record*.

        Raises:
            PermanentFailure: It can never be carried out.
            TenantUnavailable: Not now, for this tenant.
            DependencyUnavailable: Not now, for anybody.
        """
        try:
            command = DeliveryCommand.from_body(record.body)
        except MalformedMessageError as error:
            raise PermanentFailure(f"not a delivery command: {error}") from error
        with hold_while_aws_is_away():
            alert = self.alerts.load(command.alert_id)
            if alert is None:
                raise PermanentFailure(f"no alert {command.alert_id} is known")
            if alert.tenant != record.tenant:
                raise PermanentFailure(f"alert {command.alert_id} is not of the tenant that the command is from")
            delivery = self._fulfil(command, alert, asked_at=record.created)
            if command.task_token is not None:
                # A level that paged nobody, because the alert is taken, is over now.
                paged_at = delivery.pages.get(command.level, self.now())
                delivered_at = delivery.delivered_at if command.level == 1 else paged_at
                self.tasks.succeed(command.task_token, {"delivered_at": delivered_at})

    def _fulfil(self, command: DeliveryCommand, alert: Alert, *, asked_at: str) -> Delivery:
        begun = self.clock()
        looked_at = alert
        while True:
            step = next_step(alert, command, region=self.region, now=self.now(), asked_at=asked_at)
            if isinstance(step, Wait):
                raise TenantUnavailable(step.reason, retry_after=step.retry_after)
            if isinstance(step, Nothing):
                assert alert.delivery is not None
                if alert is looked_at:
                    return alert.delivery
                # Calling the provider took a while: what joined meanwhile, here or in another region, is shown too.
                alert = looked_at = self.alerts.load(alert.alert_id) or alert
                continue
            if self.clock() - begun > PATIENCE_SECONDS:
                raise DependencyUnavailable("the provider is too slow to finish this command in one go", retry_after=0)
            if isinstance(step, Post):
                alert = self._post(alert, target=command.target, ask_first=step.ask_first)
            else:
                assert alert.delivery is not None
                alert = self._change(alert, alert.delivery, step)

    def _post(self, alert: Alert, *, target: str, ask_first: bool) -> Alert:
        known = alert.delivery
        attempt = Delivery(attempted_at=self.now(), target=target, pages=known.pages if known else {})
        self.alerts.save_delivery(alert.alert_id, attempt)
        message_id = self.provider.find(alert, target=target) if ask_first else None
        # Which version a found message shows is not known; 0 has it updated next.
        version = 0 if message_id else alert.version
        if message_id is None:
            message_id = self.provider.post(alert, target=target)
        return self._save(alert, replace(attempt, message_id=message_id, version=version, delivered_at=self.now()))

    def _change(self, alert: Alert, shown: Delivery, step: Page | Update) -> Alert:
        message_id = shown.message_id or ""
        try:
            if isinstance(step, Page):
                self.provider.page(alert, target=shown.target, message_id=message_id, level=step.level)
                return self._save(alert, replace(shown, pages={**shown.pages, step.level: self.now()}))
            self.provider.update(alert, target=shown.target, message_id=message_id)
            return self._save(alert, replace(shown, version=alert.version))
        except MessageGoneError:
            # As if only attempted: the next step looks for another copy and posts anew if there is none.
            return replace(alert, delivery=replace(shown, message_id=None, version=0, delivered_at=None))

    def _save(self, alert: Alert, delivery: Delivery) -> Alert:
        self.alerts.save_delivery(alert.alert_id, delivery)
        return replace(alert, delivery=delivery)
