"""Effects that the handler makes once itself, and the messages that follow from them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from constructs_lib.runtime.effects import Send
from constructs_lib.runtime.outcomes import Delivery, Done, Failed, NotBegun, Outcome, Returned, Work


class Sends(Protocol):
    """Port to where messages go that follow from records."""

    def confirm(
        self, outcomes: Mapping[str, Outcome], sends: Mapping[str, Sequence[Send]], work: Work
    ) -> Mapping[str, Outcome]:
        """Send the messages of all records that are done; return the outcomes, changed where one is not confirmed."""


@dataclass(frozen=True, slots=True)
class InherentEngine:
    """Calls the handler for each message, then sends all that follows together.

    A message is done when everything that follows from it is confirmed; a copy of it has the handler called, and all of
    it sent, again. Of a replay nothing is sent.

    Args:
        sender: Sends what follows.
    """

    sender: Sends

    def settle(self, deliveries: Sequence[Delivery], work: Work) -> Mapping[str, Outcome]:
        """Settle each of *deliveries*; return the outcomes by `arrival.position`."""
        outcomes: dict[str, Outcome] = {}
        wanted: dict[str, Sequence[Send]] = {}
        for delivery in deliveries:
            position = delivery.arrival.position
            outcomes[position] = NotBegun()
            if not work.deadline.leaves_time():
                continue
            match work.attempt(delivery):
                case Returned(value):
                    outcomes[position] = Done()
                    try:
                        follows = _sends(value)
                    except TypeError as error:
                        outcomes[position] = Failed(str(error))
                    else:
                        if follows and not delivery.record.replay:
                            wanted[position] = follows
                case other:
                    outcomes[position] = other
        return self.sender.confirm(outcomes, wanted, work) if wanted else outcomes


def _sends(value: object) -> tuple[Send, ...]:
    """Return the messages a handler returned.

    Raises:
        TypeError: If it returned something else: what is not understood must not be dropped silently.
    """
    if value is None:
        return ()
    if isinstance(value, Send):
        return (value,)
    # Not any iterable: a generator would run the handler's code here.
    if isinstance(value, list | tuple) and all(isinstance(each, Send) for each in value):
        return tuple(value)
    raise TypeError(
        f"a handler whose effect is Inherent returns None, a Send or several, got {type(value).__name__}; "
        "return nothing, or choose the effect Items for items and Outside for a result"
    )
