"""Which queue a consumer works off: one of its own, ordered or not, or one that is there already."""

from dataclasses import dataclass
from typing import Self

from aws_cdk import Duration
from aws_cdk import aws_sqs as sqs

from constructs_lib._checks import between, duration_between

# How long SQS keeps a message at most, and how long dead letters are kept.
DEAD_LETTER_RETENTION = Duration.days(14)
# A moved message keeps its age, so one that fails at the end of a longer retention would be gone at once.
LONGEST_RETENTION = Duration.days(13)


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageQueue:
    """The queue of a consumer, and how often and how long it delivers.

    Made by `standard`, `fifo` or `existing`. Dead letters of a queue made here are kept for 14 days from when they were
    sent.

    Args:
        max_receive_count: Deliveries before SQS counts a message as dead, 1 to 1000. AWS advises at least 5, because
            throttling counts too.
        retention: How long a message waits for the consumer.
        ordered: Whether it is a FIFO queue.
        queue: The queue that is there already; None where the consumer makes its own.
        dead_letter_queue: Where messages of *queue* end that failed; None with *queue*.
    """

    max_receive_count: int
    retention: Duration
    ordered: bool
    queue: sqs.IQueue | None
    dead_letter_queue: sqs.IQueue | None

    @classmethod
    def standard(cls, *, retention: Duration | None = None, max_receive_count: int = 5) -> Self:
        """A standard queue, which is fair: senders set `MessageGroupId` to the tenant.

        Messages come in any order. A tenant with many messages waits behind itself.
        https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-fair-queues.html

        Args:
            retention: How long a message waits for the consumer, 1 minute to 13 days. Default: 4 days.
            max_receive_count: Deliveries before a message counts as dead, 1 to 1000. Default: 5.

        Raises:
            ValueError: If an option is out of range.
        """
        return cls._own(ordered=False, retention=retention, max_receive_count=max_receive_count)

    @classmethod
    def fifo(cls, *, retention: Duration | None = None, max_receive_count: int = 5) -> Self:
        """A FIFO queue: messages of one `MessageGroupId` come one after the other, in the order they were sent.

        Senders name each message by `MessageDeduplicationId`: two messages with the same body are two messages. One
        that fails holds up the rest of its group until it is done or dead.

        Args:
            retention: How long a message waits for the consumer, 1 minute to 13 days. Default: 4 days.
            max_receive_count: Deliveries before a message counts as dead, 1 to 1000. Default: 5.

        Raises:
            ValueError: If an option is out of range.
        """
        return cls._own(ordered=True, retention=retention, max_receive_count=max_receive_count)

    @classmethod
    def existing(
        cls, queue: sqs.IQueue, *, dead_letter_queue: sqs.IQueue, retention: Duration, max_receive_count: int
    ) -> Self:
        """A queue that is there already, with its dead-letter queue.

        The consumer makes neither and changes neither. An imported queue does not tell how it is set, so it is said
        here, and must be so: the runtime reckons with it. Its visibility timeout must be at least six times the
        function's timeout, and its dead letters must be kept longer than its messages.

        Args:
            queue: The queue, standard or FIFO.
            dead_letter_queue: Where its redrive policy sends messages that failed.
            retention: How long it keeps a message, 1 minute to 13 days.
            max_receive_count: The number of deliveries in its redrive policy, 1 to 1000.

        Raises:
            ValueError: If an option is out of range, or one queue is FIFO and the other not.
        """
        if queue.fifo != dead_letter_queue.fifo:
            raise ValueError(
                f"dead_letter_queue must be of the same kind as queue, got {_kind(queue)} {queue.node.path!r} with "
                f"{_kind(dead_letter_queue)} {dead_letter_queue.node.path!r}; SQS takes no other, so give the one of "
                "its redrive policy"
            )
        _check(retention, max_receive_count)
        return cls(
            ordered=queue.fifo,
            retention=retention,
            max_receive_count=max_receive_count,
            queue=queue,
            dead_letter_queue=dead_letter_queue,
        )

    @classmethod
    def _own(cls, *, ordered: bool, retention: Duration | None, max_receive_count: int) -> Self:
        retention = retention or Duration.days(4)
        _check(retention, max_receive_count)
        return cls(
            ordered=ordered,
            retention=retention,
            max_receive_count=max_receive_count,
            queue=None,
            dead_letter_queue=None,
        )


def _check(retention: Duration, max_receive_count: int) -> None:
    between("max_receive_count", max_receive_count, 1, 1000, way_out="dead letters can be sent again")
    duration_between(
        "retention",
        retention,
        Duration.minutes(1),
        LONGEST_RETENTION,
        way_out="dead letters are kept for 14 days from when they were sent, so a day must be left to look at them",
    )


def _kind(queue: sqs.IQueue) -> str:
    return "FIFO queue" if queue.fifo else "standard queue"
