"""Where an operator stands who works on one dead-letter queue.

A queue cannot be read without taking its messages: while this looks, nobody else sees them. They are given back at the
end, whatever happens; if this is killed, they are back after `HELD_SECONDS`.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from constructs_lib.operations.consumers import Consumer
from constructs_lib.operations.dead_letters.letters import CRASHED, Letter, Wanted
from constructs_lib.operations.errors import OperationError

HELD_SECONDS = 300
"""How long letters stay hidden from others while they are looked at."""

# Limits of the batch calls of SQS and of BatchGetItem.
_BATCH = 10
_MOST_KEYS = 100
# An empty answer of a queue that is spread over many hosts may only mean that the wrong one was asked.
_EMPTY_ANSWERS = 2

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of letters: how many went, and of each that did not, why."""

    done: int
    left: dict[str, str]


class Desk:
    """What can be done with the dead letters of a consumer.

    Args:
        consumer: Whose.
        sqs: SQS client of its region.
        dynamodb: DynamoDB client of its region.
        progress: Called with a short line now and then. Default: nobody is told.
    """

    def __init__(
        self, consumer: Consumer, *, sqs: Any, dynamodb: Any, progress: Callable[[str], None] = lambda _: None
    ) -> None:
        self._consumer = consumer
        self._sqs = sqs
        self._dynamodb = dynamodb
        self._progress = progress
        self._is_fifo = consumer.dead_letter_queue_url.endswith(".fifo")

    def letters(self, wanted: Wanted) -> list[Letter]:
        """Return the letters that are *wanted*, the oldest first, with their reasons; all of them stay.

        Of a FIFO queue, SQS shows at most ten of each message group.
        """
        with self._held() as held:
            return self._chosen(held, wanted)

    def show(self, id: str) -> dict[str, Any]:
        """Return everything there is to know about one letter.

        Raises:
            OperationError: If there is no such letter, or more than one.
        """
        [letter] = self.letters(Wanted(ids=(id,)))
        return {
            **letter.as_json(),
            "body": letter.body,
            "attributes": {name: each.get("StringValue") for name, each in letter.attributes.items()},
            "group": letter.group,
        }

    def redrive(self, wanted: Wanted, *, pause: Callable[[int], bool] = lambda _: True) -> Outcome:
        """Send what is *wanted* to its queue again, in the order it was sent first.

        A letter leaves only once the queue has confirmed its message. Killed in between, both are there, and the copy
        has the same id: the consumer knows it.

        Args:
            wanted: What to send.
            pause: Called with the number sent before each further call; False ends it there.
        """
        return self._each(wanted, self._send, pause)

    def discard(self, wanted: Wanted, *, keep: Callable[[Letter], None]) -> Outcome:
        """Delete what is *wanted*, each letter after *keep* has returned for it."""

        def kept(letters: Sequence[Letter]) -> dict[str, str]:
            for letter in letters:
                keep(letter)
            return {}

        return self._each(wanted, kept, lambda _: True)

    def _each(
        self, wanted: Wanted, act: Callable[[Sequence[Letter]], dict[str, str]], go_on: Callable[[int], bool]
    ) -> Outcome:
        done = 0
        left: dict[str, str] = {}
        while True:
            before = done
            with self._held() as held:
                for some in _batches(self._chosen(held, wanted), _BATCH):
                    if not go_on(done):
                        return Outcome(done=done, left=left)
                    failed = act(some)
                    ready = [letter for letter in some if letter.receipt not in failed]
                    stuck = self._delete(ready)
                    held[:] = [letter for letter in held if letter.receipt in stuck or letter not in ready]
                    done += len(ready)
                    left |= {letter.id: failed[letter.receipt] for letter in some if letter.receipt in failed}
                    if stuck:
                        self._progress(f"{len(stuck)} acted on, but not deleted: they will be here again")
            # Of a group in a FIFO queue, more than ten cannot be seen before those are gone.
            if not self._is_fifo or done == before or wanted.ids or left:
                return Outcome(done=done, left=left)

    def _send(self, letters: Sequence[Letter]) -> dict[str, str]:
        entries = [{"Id": str(number), **letter.outgoing()} for number, letter in enumerate(letters)]
        answer = self._sqs.send_message_batch(QueueUrl=self._consumer.queue_url, Entries=entries)
        return {
            letters[int(each["Id"])].receipt: each.get("Message") or each["Code"] for each in answer.get("Failed", [])
        }

    def _delete(self, letters: Sequence[Letter]) -> set[str]:
        if not letters:
            return set()
        entries = [{"Id": str(number), "ReceiptHandle": letter.receipt} for number, letter in enumerate(letters)]
        answer = self._sqs.delete_message_batch(QueueUrl=self._consumer.dead_letter_queue_url, Entries=entries)
        return {letters[int(each["Id"])].receipt for each in answer.get("Failed", [])}

    @contextmanager
    def _held(self) -> Iterator[list[Letter]]:
        """Hold all letters; those still in the list at the end are given back."""
        held: list[Letter] = []
        try:
            empty = 0
            while empty < _EMPTY_ANSWERS:
                answer = self._sqs.receive_message(
                    QueueUrl=self._consumer.dead_letter_queue_url,
                    MaxNumberOfMessages=_BATCH,
                    VisibilityTimeout=HELD_SECONDS,
                    WaitTimeSeconds=1,
                    MessageSystemAttributeNames=["All"],
                    MessageAttributeNames=["All"],
                )
                messages = answer.get("Messages", [])
                empty = 0 if messages else empty + 1
                held += [Letter.of(message) for message in messages]
                if messages and len(held) % 500 < len(messages):
                    self._progress(f"{len(held):,} letters read")
            yield held
        finally:
            for some in _batches(held, _BATCH):
                entries = [
                    {"Id": str(number), "ReceiptHandle": letter.receipt, "VisibilityTimeout": 0}
                    for number, letter in enumerate(some)
                ]
                self._sqs.change_message_visibility_batch(
                    QueueUrl=self._consumer.dead_letter_queue_url, Entries=entries
                )

    def _chosen(self, held: Sequence[Letter], wanted: Wanted) -> list[Letter]:
        notes = self._notes([letter.id for letter in held if letter.reason is None])
        known = [letter if letter.reason else replace(letter, reason=notes.get(letter.id, CRASHED)) for letter in held]
        found = sorted(
            (letter for letter in known if wanted.takes(letter)), key=lambda each: (each.sent, each.sequence or 0)
        )
        for given in wanted.ids:
            number = sum(letter.id.endswith(given) for letter in found)
            if number > 1:
                raise OperationError(f"{number} letters end with {given}; give more of the id.")
            if number == 0:
                raise OperationError(
                    f"There is no letter {given} that the filters take; `dead-letters list` prints ids. What another "
                    f"operator looks at is hidden for up to {HELD_SECONDS} seconds."
                )
        return found

    def _notes(self, ids: Sequence[str]) -> dict[str, str]:
        """Why the consumer failed with these messages, where it could write that down."""
        if self._consumer.table is None:
            return {}
        found = {}
        for some in _batches(list(dict.fromkeys(ids)), _MOST_KEYS):
            keys = [{"id": {"S": f"failure#{each}"}} for each in some]
            while keys:
                answer = self._dynamodb.batch_get_item(RequestItems={self._consumer.table: {"Keys": keys}})
                for item in answer["Responses"].get(self._consumer.table, []):
                    found[item["id"]["S"].removeprefix("failure#")] = item["reason"]["S"]
                keys = answer.get("UnprocessedKeys", {}).get(self._consumer.table, {}).get("Keys", [])
        return found


def _batches(some: Sequence[_T], size: int) -> Iterator[Sequence[_T]]:
    for start in range(0, len(some), size):
        yield some[start : start + size]
