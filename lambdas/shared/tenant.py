"""A tenant, as plain data."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """One customer.

    Attributes:
        tenant: Its id.
        name: For people.
        provider: Which external dependency shows its alerts, such as `slack` or `teams`.
        channel: The provider's id of the channel or conversation.
        escalates: Whether unacknowledged alerts escalate.
    """

    tenant: str
    name: str
    provider: str
    channel: str
    escalates: bool
