"""What all execution environments know of a circuit: one small item in the state table."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self, cast, get_args

BreakerState = Literal["closed", "open", "isolated"]
"""Half-open is no state of its own: it is what an open circuit is to the one call that won the token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedBreaker:
    """State of the circuit. Times are the store's, in seconds since 1970; 0: none.

    Args:
        state: Closed: calls go. Open: only probes go. Isolated: nothing goes until a person restores it.
        epoch: How many changes of state there have been; a write that has seen another number changes nothing.
        since: When the state began.
        probe_at: When the next token may be won; moved on by whoever wins one.
        not_before: What the dependency asked for by `Retry-After`.
        restored: The epoch in which a person last restored the circuit, which forgets what the dependency asked for.
        writer: Names the last write, so that one whose answer was lost knows itself again.
        reason: What the person said who isolated the circuit.
    """

    state: BreakerState = "closed"
    epoch: int = 0
    since: float = 0.0
    probe_at: float = 0.0
    not_before: float = 0.0
    restored: int = 0
    writer: str = ""
    reason: str = ""

    @classmethod
    def of(cls, attributes: Mapping[str, Any]) -> Self:
        """Read the attributes of the status item that begin with `breaker_`; without any, the circuit is closed.

        Raises:
            ValueError: If they make no sense.
        """
        state = attributes.get("breaker_state", "closed")
        if state not in get_args(BreakerState):
            raise ValueError(f"breaker_state must be one of {', '.join(get_args(BreakerState))}, got {state!r}")
        return cls(
            state=cast("BreakerState", state),
            epoch=int(attributes.get("breaker_epoch", 0)),
            since=float(attributes.get("breaker_since", 0)),
            probe_at=float(attributes.get("breaker_probe_at", 0)),
            not_before=float(attributes.get("breaker_not_before", 0)),
            restored=int(attributes.get("breaker_restored", 0)),
            writer=str(attributes.get("breaker_writer", "")),
            reason=str(attributes.get("breaker_reason", "")),
        )
