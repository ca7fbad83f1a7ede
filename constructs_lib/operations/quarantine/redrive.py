"""Send items again: in the order of each key, at a steady rate, and known to be sent before the key's next one is.

A record is put on its stream first and marked as settled then. Of one key, one record at a time is under way, so whatever
interrupts this leaves, for each key, at most its last record on the stream without a mark. Begun again, it sends that one
once more, ahead of the key's next: order holds, and the copy bears the same message id.
"""

import heapq
import random
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

from constructs_lib.operations.errors import OperationError
from constructs_lib.operations.quarantine.items import Item, Kept
from constructs_lib.operations.quarantine.sender import Outgoing, Put, Refused, Taken

DEFAULT_RATE = 10.0
# Limits of PutRecords; the size is half of what it allows, as parts of it count that are not data.
_MOST_RECORDS = 500
_MOST_BYTES = 5 * 1024 * 1024
_WRITERS = 10
_FIRST_PAUSE = 0.2
_LONGEST_PAUSE = 10.0
_ROUNDS_IN_VAIN = 10


def in_order(items: Sequence[Item]) -> list[Item]:
    """Return *items* as they arrived on their stream; those of a stream that was used earlier come first."""
    begun: dict[str | None, datetime] = {}
    for item in items:
        assert item.arrived is not None
        begun[item.source] = min(begun.get(item.source, item.arrived), item.arrived)
    return sorted(items, key=lambda item: (begun[item.source], item.source, int(item.position or 0)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Redrive:
    """How items are sent again.

    Args:
        payloads: Adds the payloads to items.
        put: Puts records on a stream.
        settle: Notes that an item is on a stream again.
        pause: Waits for so many seconds, or until `stopped`.
        clock: Seconds of any one clock that does not jump.
        rate: Most records a second.
        stopped: Whether to end after the round that is under way. Default: never.
        on_round: Called before each round with the number of items sent so far.
        chance: Source of the jitter in pauses after a refusal.
    """

    payloads: Callable[[Sequence[Item]], Sequence[Kept]]
    put: Put
    settle: Callable[[Item, str, Taken], None]
    pause: Callable[[float], None]
    clock: Callable[[], float]
    rate: float = DEFAULT_RATE
    stopped: Callable[[], bool] = lambda: False
    on_round: Callable[[int], None] = lambda _: None
    chance: Callable[[], float] = random.random

    def run(self, stream: str, items: Sequence[Item]) -> int:
        """Send *items*, which are in order, to the *stream* of that ARN, and return how many were sent.

        Raises:
            OperationError: If the stream takes none for a long time.
        """
        queues: dict[str, deque[int]] = {}
        for rank, item in enumerate(items):
            assert item.partition_key is not None
            queues.setdefault(item.partition_key, deque()).append(rank)
        # The next item of each key, the oldest on top.
        heads = [queue.popleft() for queue in queues.values()]
        heapq.heapify(heads)
        sent = in_vain = 0
        while heads and not self.stopped():
            self.on_round(sent)
            began = self.clock()
            kept = self._next_round(heads, items)
            answers = self._send(stream, [each for _, each in kept])
            refused = [answer for answer in answers if isinstance(answer, Refused)]
            for (rank, each), answer in zip(kept, answers, strict=True):
                queue = queues[each.item.partition_key or ""]
                if isinstance(answer, Refused):
                    heapq.heappush(heads, rank)
                elif queue:
                    heapq.heappush(heads, queue.popleft())
            sent += len(kept) - len(refused)
            in_vain = in_vain + 1 if len(refused) == len(kept) else 0
            if in_vain == _ROUNDS_IN_VAIN:
                raise OperationError(
                    f"{stream} takes nothing any more ({refused[-1].why}). Begin again later, or with a lower --rate."
                )
            if heads:
                due = (len(kept) - len(refused)) / self.rate - (self.clock() - began)
                self.pause(max(due, self._back_off(in_vain) if refused else 0.0))
        return sent

    def _next_round(self, heads: list[int], items: Sequence[Item]) -> list[tuple[int, Kept]]:
        """Take from *heads* what goes into one call: at most one record of a key."""
        most = max(1, min(_MOST_RECORDS, int(self.rate)))
        ranks = [heapq.heappop(heads) for _ in range(min(most, len(heads)))]
        size = 0
        fits: list[tuple[int, Kept]] = []
        for rank, kept in zip(ranks, self.payloads([items[rank] for rank in ranks]), strict=True):
            size += len(kept.data())
            if fits and size > _MOST_BYTES:
                heapq.heappush(heads, rank)
            else:
                fits.append((rank, kept))
        return fits

    def _send(self, stream: str, round: Sequence[Kept]) -> Sequence[Taken | Refused]:
        answers = self.put(stream, [Outgoing(kept.item.partition_key or "", kept.data()) for kept in round])
        with ThreadPoolExecutor(_WRITERS) as pool:
            # The pool waits for all of them, also when one fails: what is on the stream shall be known to be there.
            marks = [
                pool.submit(self.settle, kept.item, stream, answer)
                for kept, answer in zip(round, answers, strict=True)
                if isinstance(answer, Taken)
            ]
        for mark in marks:
            mark.result()
        return answers

    def _back_off(self, in_vain: int) -> float:
        """Seconds before a record that was refused is tried again."""
        return min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0**in_vain) * (0.5 + self.chance() / 2)
