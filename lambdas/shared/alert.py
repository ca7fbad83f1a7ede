"""An alert: what each region knows of it, and the one picture that readers merge from that.

Every region writes only its own row, so replication, which lets the last writer win, can never lose a fact. What an
alert is follows from all rows together.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from lambdas.shared.messages import ActionKind

# Ids of joined events that a row remembers, so that a redelivered one is not counted again. A redelivery that comes
# after this many others have joined raises the count by one too many; it never loses or doubles a message.
REMEMBERED_EVENTS = 100

Kind = Literal["alert", "notification"]


class RevisionConflictError(Exception):
    """Another worker of this region wrote the row since it was read; read it again and decide again."""


def alert_id_of(tenant: str, fingerprint: str, generation: int) -> str:
    """The id that every region gives the same alert without asking another."""
    return hashlib.sha256("\n".join((tenant, fingerprint, str(generation))).encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A place to look: a title and an address."""

    title: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What a person needs to know, extracted from the first event.

    Attributes:
        title: One line.
        text: Details; may be empty.
        kind: `alert` asks somebody to act, `notification` only informs.
        service: Short name of the source: `cloudwatch`, `guardduty`, `ec2`, `health`, `generic` ...
        account: AWS account id; empty where the sender has none.
        region: AWS region the event is about; empty where unknown.
        resource: What it is about: an instance id, an alarm name ...; may be empty.
        severity: `critical`, `high`, `medium` or `low`; empty where the sender states none.
        links: Where to look; the first is the console page.
    """

    title: str
    text: str
    kind: Kind
    service: str
    account: str = ""
    region: str = ""
    resource: str = ""
    severity: str = ""
    links: tuple[Link, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """What a person did about an alert."""

    action_id: str
    kind: ActionKind
    actor: str
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What a region's notifier knows about the alert's message at the provider.

    Attributes:
        attempted_at: Written before the first post, so that a crash in between is noticed.
        message_id: The provider's id of the message, once it is there.
        target: Where it was posted.
        version: The version it shows.
        delivered_at: When it was first there.
        pages: For each higher escalation level, when its page was there.
    """

    attempted_at: str
    target: str
    message_id: str | None = None
    version: int = 0
    delivered_at: str | None = None
    pages: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRow:
    """What one region knows. Only that region writes it.

    Attributes:
        alert_id: Which alert; see `alert_id_of`.
        region: Whose row.
        tenant, fingerprint, generation: What the id is made of.
        accepted_at: When this region accepted its first event; None while it only holds actions.
        last_seen: When it accepted its last event or action.
        summary: From its first event.
        count: How many events joined here.
        event_ids: The ids of the last of them, at most `REMEMBERED_EVENTS`.
        actions: What people did here.
        closed_at: When it was closed here: by a person, or by an event that says all is well again.
        problem_at: When, by the sender's clock, its trouble was last reported here; None where senders do not say.
        delivery: Written by this region's notifier alone, beside the facts.
        correlation_id: Of the first event: the one id to search logs for.
        revision: Counts the writes of facts; guards against two writers of one region.
    """

    alert_id: str
    region: str
    tenant: str
    fingerprint: str
    generation: int
    last_seen: str
    correlation_id: str
    accepted_at: str | None = None
    summary: Summary | None = None
    count: int = 0
    event_ids: tuple[str, ...] = ()
    actions: tuple[Action, ...] = ()
    closed_at: str | None = None
    problem_at: str | None = None
    delivery: Delivery | None = None
    revision: int = 0

    @property
    def version(self) -> int:
        """Number of facts in this row: events and actions."""
        return self.count + len(self.actions)

    def with_event(
        self, event_id: str, *, at: str, summary: Summary, closes: bool = False, problem_at: str | None = None
    ) -> "AlertRow":
        """This row after an event joined; the row itself when that event is already in it."""
        if event_id in self.event_ids:
            return self
        return replace(
            self,
            accepted_at=self.accepted_at or at,
            last_seen=max(self.last_seen, at),
            summary=self.summary or summary,
            count=self.count + 1,
            event_ids=(*self.event_ids, event_id)[-REMEMBERED_EVENTS:],
            closed_at=self.closed_at or (at if closes else None),
            problem_at=max(filter(None, (self.problem_at, problem_at)), default=None),
        )

    def with_action(self, action: Action) -> "AlertRow":
        """This row after a person acted; the row itself when that action is already in it."""
        if any(known.action_id == action.action_id for known in self.actions):
            return self
        return replace(
            self,
            last_seen=max(self.last_seen, action.at),
            actions=(*self.actions, action),
            closed_at=self.closed_at or (action.at if action.kind == "close" else None),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """The one picture of an alert, merged from the rows of all regions.

    Attributes:
        alert_id, tenant, fingerprint, generation: As in the rows.
        owner: The region that pages for it: the one that accepted the first event.
        opened_at: When that was.
        last_seen: When the last fact was accepted anywhere.
        summary: From the owner's first event.
        count: Events joined in all regions; one that two regions accepted counts once.
        version: Facts in all regions; grows with each.
        acknowledged: The first acknowledgement, if any.
        closed_at: The first close, if any.
        delivery: The first message that is at the provider, with the highest version any region knows it shows;
            or an attempt whose outcome is unknown; or None.
        correlation_id: Of the owner's first event.
    """

    alert_id: str
    tenant: str
    fingerprint: str
    generation: int
    owner: str
    opened_at: str
    last_seen: str
    summary: Summary
    count: int
    version: int
    acknowledged: Action | None
    closed_at: str | None
    delivery: Delivery | None
    correlation_id: str


def merge(rows: Iterable[AlertRow]) -> Alert | None:
    """What all regions together know; None while no row holds an event. The order of *rows* does not matter."""
    known = sorted(rows, key=lambda row: (row.accepted_at or "~", row.region))
    if not known or known[0].accepted_at is None or known[0].summary is None:
        return None
    first = known[0]
    # A sender that got no answer from one region may have tried another: what both accepted is one event all the same.
    remembered = [event_id for row in known for event_id in row.event_ids]
    count = sum(row.count for row in known) - (len(remembered) - len(set(remembered)))
    acknowledgements = sorted(
        (action for row in known for action in row.actions if action.kind == "acknowledge"),
        key=lambda action: (action.at, action.action_id),
    )
    return Alert(
        alert_id=first.alert_id,
        tenant=first.tenant,
        fingerprint=first.fingerprint,
        generation=first.generation,
        owner=first.region,
        opened_at=known[0].accepted_at,
        last_seen=max(row.last_seen for row in known),
        summary=known[0].summary,
        count=count,
        version=count + sum(len(row.actions) for row in known),
        acknowledged=acknowledgements[0] if acknowledgements else None,
        closed_at=min((row.closed_at for row in known if row.closed_at), default=None),
        delivery=_merge_deliveries([row.delivery for row in known if row.delivery]),
        correlation_id=first.correlation_id,
    )


def _merge_deliveries(deliveries: list[Delivery]) -> Delivery | None:
    if not deliveries:
        return None
    first = min(deliveries, key=lambda known: (known.delivered_at or "~", known.attempted_at))
    same = [known for known in deliveries if known.message_id == first.message_id]
    pages: dict[int, str] = {}
    for delivery in deliveries:
        for level, at in delivery.pages.items():
            pages[level] = min(at, pages.get(level, at))
    return replace(first, version=max(known.version for known in same), pages=pages)
