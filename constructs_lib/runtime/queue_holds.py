"""How long a message waits for its next try, and by what means.

A message that waits for something is not failing: however long that takes, up to the queue's retention, waiting must not
use up its deliveries. So before they run out it is sent to its queue again, as a new message that remembers since when it
has been held. On a FIFO queue that would change the order: there a message can only be hidden, and waits as long as its
deliveries last. With each of them those behind it in its group are mostly delivered too, and handed back. So the last one
is not left to the queue, which would give them all up together: the message is given up at once, and those behind it begin.

A message that the queue would drop while it waits is never left there.
"""

from collections.abc import Callable
from dataclasses import dataclass

from constructs_lib.runtime.outcomes import Failed, Held, NotBegun
from constructs_lib.runtime.records import Arrival

HELD_SINCE = "held_since"

_SHORTEST_SECONDS = 5.0
# API reference, "SendMessage": the longest DelaySeconds.
_LONGEST_SECONDS = 900.0
_FACTOR = 2.0
# Deliveries that failed are counted, and all of a FIFO queue: five of them have to outlast a trouble of some minutes.
_FACTOR_OF_COUNTED = 4.0
# Share of the time held so far after which it is tried again: an outage of hours is not asked after every few seconds.
_SHARE_OF_TIME_HELD = 0.25
# Before a queue drops a message, the time for it to be delivered behind others, and to be sent again.
_MARGIN_SHARE = 0.1
_MARGIN_SECONDS = 3_600.0


@dataclass(frozen=True, slots=True)
class Hide:
    """It stays where it is and appears again after *seconds*."""

    seconds: int


@dataclass(frozen=True, slots=True)
class SendAgain:
    """It is sent to its own queue again, *held_since* then (None: it has not been held), to appear after *seconds*."""

    seconds: int
    held_since: int | None


@dataclass(frozen=True, slots=True)
class GiveUp:
    """It is a dead letter, for this reason."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Holds:
    """Decides how a message waits.

    Args:
        max_receive_count: Deliveries after which the queue itself gives a message up.
        retention_seconds: How long the queue keeps one.
        jitter: A number from 0 to 1, by which those that failed together do not come back together.
    """

    max_receive_count: int
    retention_seconds: float
    jitter: Callable[[], float]

    def wait(self, arrival: Arrival, outcome: Held | Failed | NotBegun, now: float) -> Hide | SendAgain | GiveUp:
        """Return how *arrival* waits for its next try."""
        since = _held_since(arrival)
        seconds = self._seconds(arrival, outcome, now, since)
        lasts = now - arrival.arrived.timestamp() + seconds + self._margin < self.retention_seconds
        reason = "there was no time for it" if isinstance(outcome, NotBegun) else outcome.reason
        if arrival.queued.ordered and arrival.deliveries >= self.max_receive_count:
            # Those behind it have been delivered as often, and never begun: this delivery is the last for them, too.
            return GiveUp(f"it has been delivered {arrival.deliveries} times: {reason}")
        if isinstance(outcome, Failed) or arrival.queued.ordered:
            return Hide(seconds) if lasts else GiveUp(f"the queue would drop it before the next try: {reason}")
        if isinstance(outcome, Held):
            if since is not None and now - since > self.retention_seconds:
                return GiveUp(
                    f"held for longer than {self.retention_seconds:.0f} seconds, the queue's retention: {reason}"
                )
            since = int(now) if since is None else since
        if lasts and arrival.deliveries < self.max_receive_count - self._spare:
            return Hide(seconds)
        return SendAgain(seconds, since)

    @property
    def _spare(self) -> int:
        # Deliveries also go by when the function ends early, when Lambda has no room for it, and when the queue does not
        # take the message again: none of these may be the last.
        return max(1, self.max_receive_count // 2)

    @property
    def _margin(self) -> float:
        return min(_MARGIN_SECONDS, self.retention_seconds * _MARGIN_SHARE)

    def _seconds(self, arrival: Arrival, outcome: Held | Failed | NotBegun, now: float, since: int | None) -> int:
        if isinstance(outcome, NotBegun):
            return 0
        # No message may spend much of its time in the queue hidden.
        longest = min(_LONGEST_SECONDS, self.retention_seconds * _MARGIN_SHARE)
        if isinstance(outcome, Held) and outcome.retry_after is not None:
            return round(min(max(_SHORTEST_SECONDS, outcome.retry_after), longest))
        held = 0.0 if since is None else now - since
        counted = isinstance(outcome, Failed) or arrival.queued.ordered
        factor = _FACTOR_OF_COUNTED if counted else _FACTOR
        # The exponent is bounded because the number of deliveries is not.
        back_off = _SHORTEST_SECONDS * factor ** min(arrival.deliveries - 1, 10)
        back_off = min(max(back_off, held * _SHARE_OF_TIME_HELD), longest)
        return round(max(back_off * (0.5 + self.jitter() / 2), min(_SHORTEST_SECONDS, longest)))


def _held_since(arrival: Arrival) -> int | None:
    text = arrival.queued.text(HELD_SINCE)
    # Anyone may send attributes.
    return int(text) if text is not None and text.isdecimal() and len(text) <= 12 else None
