"""What a notifier does next about an alert's message, decided from what is known and from nothing else.

One alert has one message. A command asks for a state, "show this version or a later one, and page for this level", so
the decision is taken again after each step until nothing is left to do; carrying a command out twice changes nothing.
"""

from dataclasses import dataclass
from datetime import timedelta

from lambdas.shared import timestamps
from lambdas.shared.alert import Alert
from lambdas.shared.messages import DeliveryCommand

# How long the other regions leave a post or a page to the region that owns the alert. Well above the second or so that
# replication takes, and short enough that a page is still a page when the owner is gone.
OWNER_GOES_FIRST = timedelta(seconds=60)

# Replication tells within a second or so what the owner has done; asking more often gains nothing.
LOOK_AGAIN_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Post:
    """Post the message. With *ask_first* an earlier attempt may have got through: ask the provider before."""

    ask_first: bool


@dataclass(frozen=True, slots=True)
class Page:
    """Call people to the message that is already there."""

    level: int


@dataclass(frozen=True, slots=True)
class Update:
    """Make the message show what is known now."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Come back after *retry_after* seconds."""

    reason: str
    retry_after: float


@dataclass(frozen=True, slots=True)
class Nothing:
    """All that was asked for is there."""


Step = Post | Page | Update | Wait | Nothing


def next_step(alert: Alert, command: DeliveryCommand, *, region: str, now: str, asked_at: str) -> Step:
    """Decide what brings the provider closer to what *command* asks for.

    Args:
        alert: As all regions know it.
        command: What shall be visible.
        region: Where this is decided.
        now: The time.
        asked_at: When the command was given.
    """
    if alert.version < command.min_version:
        return Wait("the alert that the command speaks of has not replicated to here", LOOK_AGAIN_SECONDS)
    owner_first = alert.owner != region
    if alert.delivery is None or alert.delivery.message_id is None:
        return _first_message(alert, owner_first=owner_first, now=now)
    if page_is_due(alert, command.level):
        if owner_first and _recent(asked_at, now):
            return Wait(f"region {alert.owner} owns the alert and pages for it", LOOK_AGAIN_SECONDS)
        return Page(command.level)
    # Not the version asked for but the one known: in a storm the first command brings all, the others find it done.
    return Update() if alert.delivery.version < alert.version else Nothing()


def _first_message(alert: Alert, *, owner_first: bool, now: str) -> Post | Wait:
    attempted_at = alert.delivery.attempted_at if alert.delivery else None
    # An owner that keeps trying through an outage renews its attempt, and so keeps its turn.
    owner_seen = max(alert.opened_at, attempted_at or "")
    if owner_first and _recent(owner_seen, now):
        return Wait(f"region {alert.owner} owns the alert and posts it", LOOK_AGAIN_SECONDS)
    return Post(ask_first=attempted_at is not None)


def page_is_due(alert: Alert, level: int) -> bool:
    """Whether people must be called: once per level above the first, and only while nobody has taken the alert."""
    if level == 1 or alert.acknowledged or alert.closed_at:
        return False
    return alert.delivery is None or level not in alert.delivery.pages


def _recent(moment: str, now: str) -> bool:
    return timestamps.later(moment, by=OWNER_GOES_FIRST) > now
