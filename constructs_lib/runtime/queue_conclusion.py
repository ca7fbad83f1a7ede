"""What the queue is told of a batch that is settled, and where messages go that leave it.

Nothing is lost wherever the function ends: a message is acknowledged last, by the answer to Lambda, and only after what
stands in its place (its effect, its dead letter, the message sent again) is confirmed. Until then the queue has it, and
what is done twice by that is harmless.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from constructs_lib.runtime.dead_letters import DeadLetters, Letter
from constructs_lib.runtime.descriptions import describe
from constructs_lib.runtime.failure_notes import FailureNotes, Note
from constructs_lib.runtime.outcomes import (
    PAYLOAD_MISMATCH,
    Done,
    Failed,
    Held,
    NotBegun,
    Outcome,
    Refused,
)
from constructs_lib.runtime.own_queue import OwnQueue
from constructs_lib.runtime.queue_holds import GiveUp, Hide, Holds, SendAgain
from constructs_lib.runtime.records import Arrival, Record

if TYPE_CHECKING:
    from constructs_lib.runtime.observability import Watch


@dataclass(frozen=True, slots=True)
class Settled:
    """A message and what became of it.

    Args:
        arrival: As received.
        record: What the handler saw; None where it could not be read or was not looked at.
        outcome: What became of it.
    """

    arrival: Arrival
    record: Record | None
    outcome: Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Conclusion:
    """Acts on outcomes.

    Args:
        queue: The queue itself.
        dead_letters: Keeps messages that cannot be processed.
        notes: Keeps why messages failed.
        holds: Decides how messages wait.
        watch: Logs and counts.
        function: Name of the function, for dead letters.
        now: Seconds since 1970.
    """

    queue: OwnQueue
    dead_letters: DeadLetters
    notes: FailureNotes
    holds: Holds
    watch: "Watch"
    function: str
    now: Callable[[], float]

    def conclude(self, batch: Sequence[Settled]) -> set[str]:
        """Do what outcomes ask for; return the positions of messages that are not to be acknowledged."""
        letters: list[tuple[Settled, Refused]] = []
        again: list[tuple[Settled, SendAgain]] = []
        hidden: list[tuple[Arrival, int]] = []
        notes: dict[str, Note] = {}
        left: set[str] = set()
        now = self.now()
        for each in batch:
            arrival, outcome = each.arrival, each.outcome
            self._tell(each)
            if isinstance(outcome, Done):
                continue
            if isinstance(outcome, Refused):
                letters.append((each, outcome))
                continue
            if isinstance(outcome, Failed):
                notes[arrival.position] = Note(outcome.reason, arrival.deliveries)
            match self.holds.wait(arrival, outcome, now):
                case GiveUp(reason):
                    letters.append((each, Refused(reason)))
                case SendAgain() as how:
                    again.append((each, how))
                case Hide(seconds):
                    left.add(arrival.position)
                    hidden.append((arrival, seconds))
        self._note(notes, now)
        self._tell_of_handed_back(batch)
        for arrival, seconds in [*self._bury(letters), *self._send_again(again)]:
            left.add(arrival.position)
            hidden.append((arrival, seconds))
        self._hide(hidden)
        return left

    def _tell(self, settled: Settled) -> None:
        watch, delivery = self.watch, settled.arrival.deliveries
        with self._about(settled):
            match settled.outcome:
                case Done(_, repeated):
                    watch.info("message done", delivery=delivery, repeated=repeated)
                    watch.count("MessagesDone")
                    if repeated:
                        watch.count("MessagesRepeated")
                case Held(reason, retry_after):
                    watch.warning("message held", reason=reason, retry_after=retry_after, delivery=delivery)
                    watch.count("MessagesHeld")
                case Failed(reason, at):
                    watch.error("message failed", error=reason, at=list(at), delivery=delivery)
                    watch.count("MessagesFailed")
                case Refused(_, code) if code == PAYLOAD_MISMATCH:
                    watch.count("PayloadMismatches")

    def _tell_of_handed_back(self, batch: Sequence[Settled]) -> None:
        number = sum(isinstance(each.outcome, NotBegun) for each in batch)
        if number:
            self.watch.info("messages handed back, not begun", messages=number)

    def _bury(self, letters: Sequence[tuple[Settled, Refused]]) -> Iterable[tuple[Arrival, int]]:
        """Put messages into the dead-letter queue; return those it did not take."""
        watch = self.watch
        unconfirmed = self._unconfirmed(
            letters, lambda: self.dead_letters.keep([self._letter(each, why) for each, why in letters])
        )
        # If the queue itself gives them up one day, because they are too large for a reason beside them, that has none.
        self._note(
            {
                each.arrival.position: Note(why.reason, each.arrival.deliveries)
                for index, (each, why) in enumerate(letters)
                if index in unconfirmed
            },
            self.now(),
        )
        for index, (each, why) in enumerate(letters):
            arrival = each.arrival
            with self._about(each):
                if index in unconfirmed:
                    watch.error(
                        "message cannot be put into the dead-letter queue", reason=why.reason, error=unconfirmed[index]
                    )
                    watch.count("MessagesFailed")
                    yield arrival, self._until_next_try(arrival, unconfirmed[index])
                else:
                    watch.error("message dead-lettered", reason=why.reason, code=why.code, delivery=arrival.deliveries)
                    watch.count("MessagesDeadLettered")

    def _send_again(self, again: Sequence[tuple[Settled, SendAgain]]) -> Iterable[tuple[Arrival, int]]:
        """Send messages to the queue again; return those it did not take."""
        unconfirmed = self._unconfirmed(
            again, lambda: self.queue.send_again([(each.arrival, how) for each, how in again])
        )
        for index, (each, how) in enumerate(again):
            with self._about(each):
                if index in unconfirmed:
                    self.watch.error("message cannot be sent again", error=unconfirmed[index])
                    yield each.arrival, how.seconds
                else:
                    self.watch.info("message sent again", after=how.seconds, held_since=how.held_since)

    def _hide(self, hidden: Sequence[tuple[Arrival, int]]) -> None:
        # Best effort: a message that stays hidden for as long as the queue has it is late, not lost.
        unconfirmed = self._unconfirmed(hidden, lambda: self.queue.hide(hidden))
        if unconfirmed:
            reason = next(iter(unconfirmed.values()))
            self.watch.warning("messages come back later than wanted", messages=len(unconfirmed), error=reason)

    def _note(self, notes: Mapping[str, Note], now: float) -> None:
        if not notes:
            return
        try:
            self.notes.keep(notes, now)
        except Exception as error:  # noqa: BLE001 - the log has the reasons too
            self.watch.warning("failures cannot be noted", messages=len(notes), error=describe(error))

    def _unconfirmed(self, wanted: Sequence[object], call: Callable[[], Mapping[int, str]]) -> Mapping[int, str]:
        if not wanted:
            return {}
        try:
            return call()
        except Exception as error:  # noqa: BLE001 - whatever went wrong there, no message may be lost
            return dict.fromkeys(range(len(wanted)), describe(error))

    def _until_next_try(self, arrival: Arrival, reason: str) -> int:
        wait = self.holds.wait(arrival, Failed(reason), self.now())
        return wait.seconds if isinstance(wait, Hide) else 0

    def _letter(self, settled: Settled, why: Refused) -> Letter:
        return Letter(
            arrival=settled.arrival,
            reason=why.reason,
            code=why.code,
            function=self.function,
            correlation_id=settled.record.correlation_id if settled.record else None,
        )

    def _about(self, settled: Settled) -> AbstractContextManager[None]:
        keys = {"position": settled.arrival.position}
        if settled.record:
            keys |= {
                "correlation_id": settled.record.correlation_id,
                "record_id": settled.record.id,
                "tenant": settled.record.tenant,
            }
        return self.watch.about(**keys)
