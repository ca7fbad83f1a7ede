"""Refuses a queue that is there already, where it can be seen to be set otherwise than its consumer needs."""

from collections.abc import Mapping

from aws_cdk import Duration, Token
from aws_cdk import aws_sqs as sqs

from constructs_lib._checks import in_words
from constructs_lib._consumer_queue import MessageQueue

# What SQS does where nothing is said (API reference, "CreateQueue").
_SQS_VISIBILITY_SECONDS = 30
_SQS_RETENTION_SECONDS = 345_600


def check_existing(options: MessageQueue, hidden: Duration) -> None:
    """Refuse a queue of the same app that is set otherwise than the consumer needs, or than *options* say.

    Imported queues show nothing, and of others what is resolved later is not looked at.

    Raises:
        ValueError: If it shows a message again while the function may still work on it, gives none up, or is set
            otherwise than was said; or if its dead letters are not kept longer than its messages.
    """
    queue, dead_letters = options.queue, options.dead_letter_queue
    if queue is None or dead_letters is None:
        return
    if isinstance(resource := queue.node.default_child, sqs.CfnQueue):
        visible = _known(resource.visibility_timeout, _SQS_VISIBILITY_SECONDS)
        if visible is not None and visible < hidden.to_seconds():
            raise ValueError(
                f"queue {queue.node.path!r} must hide a message for at least {in_words(hidden)}, six times the consumer's "
                f"timeout, got a visibility timeout of {visible:g} seconds; a second copy could start beside the first: "
                "raise its visibility timeout or lower the consumer's timeout"
            )
        _check_redrive(queue, resource, options)
        kept = _known(resource.message_retention_period, _SQS_RETENTION_SECONDS)
        if kept is not None and not options.retention.is_unresolved() and kept != options.retention.to_seconds():
            raise ValueError(
                f"retention must be what queue {queue.node.path!r} is set to, got {in_words(options.retention)} for a "
                f"queue that keeps messages for {in_words(Duration.seconds(kept))}; say that, or change the queue"
            )
    if isinstance(resource := dead_letters.node.default_child, sqs.CfnQueue) and not options.retention.is_unresolved():
        kept = _known(resource.message_retention_period, _SQS_RETENTION_SECONDS)
        if kept is not None and kept <= options.retention.to_seconds():
            raise ValueError(
                f"dead_letter_queue {dead_letters.node.path!r} must keep letters for longer than {in_words(options.retention)}"
                f", as its queue keeps messages, got {in_words(Duration.seconds(kept))}; a moved message keeps its age and "
                "would be gone at once: raise its retention"
            )


def _check_redrive(queue: sqs.IQueue, resource: sqs.CfnQueue, options: MessageQueue) -> None:
    policy = resource.redrive_policy
    if policy is None:
        raise ValueError(
            f"queue {queue.node.path!r} must have a redrive policy, got none; a message that always fails would come "
            "again until it expires: give it dead_letter_queue"
        )
    given = policy.get("maxReceiveCount") if isinstance(policy, Mapping) else None
    count = options.max_receive_count
    if given is not None and not Token.is_unresolved(given) and not Token.is_unresolved(count) and given != count:
        raise ValueError(
            f"max_receive_count must be that of the redrive policy of queue {queue.node.path!r}, got {count} for "
            f"{given:g}; the runtime sends messages anew before their deliveries are used up: say {given:g}"
        )


def _known(value: float | None, otherwise: float) -> float | None:
    """A setting of a queue, *otherwise* where none is given; None if it is resolved later."""
    if value is None:
        return otherwise
    return None if Token.is_unresolved(value) else value
