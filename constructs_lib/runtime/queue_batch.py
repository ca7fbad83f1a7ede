"""One batch of a queue: what arrived becomes work for an effect, in the order that must be kept."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from constructs_lib.runtime.descriptions import describe
from constructs_lib.runtime.digests import record_digest
from constructs_lib.runtime.envelope import InvalidEnvelopeError
from constructs_lib.runtime.outcomes import (
    Delivery,
    Done,
    Effect,
    Failed,
    Held,
    NotBegun,
    Outcome,
    Refused,
    Work,
    mismatch,
)
from constructs_lib.runtime.queue_conclusion import Conclusion, Settled
from constructs_lib.runtime.records import Arrival, Record

# Whose payload the id belongs to is known once one of them is done.
_RIVAL = Held("another message has its id and another payload, and is not done yet")


@dataclass(slots=True)
class QueueBatch:
    """Settles one batch.

    Args:
        conclusion: Acts on the outcomes.
        effect: Settles messages that can be read.
        work: What the effect works with.
    """

    conclusion: Conclusion
    effect: Effect
    work: Work
    _known: dict[str, tuple[Delivery, Outcome]] = field(default_factory=dict, init=False)

    def settle(self, arrivals: Sequence[Arrival]) -> list[str]:
        """Settle *arrivals*; return the positions of those that are not acknowledged, in their order.

        Of each message group of a FIFO queue, a message is begun only after the one before it is settled; once one is
        not, those behind it are handed back.
        """
        left: set[str] = set()
        behind: list[Arrival] = []
        lanes = _lanes(arrivals)
        while lanes:
            left_now = self.conclusion.conclude(self._settle([lane[0] for lane in lanes]))
            left |= left_now
            going_on = []
            for lane in lanes:
                head = lane.popleft()
                if head.position in left_now:
                    behind.extend(lane)
                elif lane:
                    going_on.append(lane)
            lanes = going_on
        left |= self.conclusion.conclude([Settled(arrival, None, NotBegun()) for arrival in behind])
        return list(dict.fromkeys(arrival.position for arrival in arrivals if arrival.position in left))

    def _settle(self, arrivals: Sequence[Arrival]) -> list[Settled]:
        """Let the effect settle *arrivals*; copies share the outcome of the first, and are no work for it."""
        outcomes: dict[int, Outcome] = {}
        records: dict[int, Record] = {}
        digests: dict[int, str] = {}
        firsts: dict[str, int] = {}
        for index, arrival in enumerate(arrivals):
            try:
                record = arrival.read()
                digests[index] = record_digest(record)
            except InvalidEnvelopeError as failure:
                outcomes[index] = Refused(failure.reason)
                continue
            except RecursionError:
                # A little less deep than what the parser refuses: what it takes is too deep to be written again.
                outcomes[index] = Refused("not a message: its JSON is nested too deeply")
                continue
            records[index] = record
            if not self._is_known(record):
                first = firsts.setdefault(record.id, index)
                # What a message of the past leaves out, the message itself must not.
                if records[first].replay and not record.replay:
                    firsts[record.id] = index
        deliveries = [Delivery(records[index], arrivals[index], digests[index]) for index in firsts.values()]
        for delivery, outcome in zip(deliveries, self._make(deliveries), strict=True):
            self._known[delivery.record.id] = delivery, outcome
        for index, record in records.items():
            known, outcome = self._known[record.id]
            if known.digest != digests[index]:
                outcomes[index] = mismatch(record.id) if isinstance(outcome, Done) else _RIVAL
            elif isinstance(outcome, Done) and firsts.get(record.id) != index:
                outcomes[index] = Done(outcome.result, repeated=True)
            else:
                outcomes[index] = outcome
        return [Settled(arrival, records.get(index), outcomes[index]) for index, arrival in enumerate(arrivals)]

    def _is_known(self, record: Record) -> bool:
        """Return whether what became of an earlier copy goes for *record*, too: not of a replay, if this is none."""
        known, _ = self._known.get(record.id, (None, None))
        return known is not None and (record.replay or not known.record.replay)

    def _make(self, deliveries: Sequence[Delivery]) -> list[Outcome]:
        if not deliveries:
            return []
        missing: Outcome = Failed("its effect was not settled")
        outcomes: Mapping[str, Outcome] = {}
        try:
            outcomes = self.effect.settle(deliveries, self.work)
        except Exception as error:  # noqa: BLE001 - what arrived must be handed back one by one, not as a whole
            missing = Failed(describe(error))
        return [outcomes.get(delivery.arrival.position, missing) for delivery in deliveries]


def _lanes(arrivals: Sequence[Arrival]) -> list[deque[Arrival]]:
    """Return what keeps its order together: the messages of a group of a FIFO queue, elsewhere each by itself."""
    lanes: dict[object, deque[Arrival]] = {}
    for index, arrival in enumerate(arrivals):
        lanes.setdefault(arrival.queued.group if arrival.queued.ordered else index, deque()).append(arrival)
    return list(lanes.values())
