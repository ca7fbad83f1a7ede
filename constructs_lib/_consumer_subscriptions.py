"""How a consumer's queue gets what is published to a topic, or what matches a rule of a bus."""

from collections.abc import Mapping

from aws_cdk import Duration
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from aws_cdk import aws_sqs as sqs

# All that EventBridge offers: it tries for a day, and 185 times in it.
# https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-retry-policy.html
_RULE_ATTEMPTS = 185
_RULE_PATIENCE = Duration.hours(24)


def subscribe(
    source: sns.ITopic | events.Rule,
    *,
    queue: sqs.IQueue,
    dead_letter_queue: sqs.IQueue,
    only: Mapping[str, sns.SubscriptionFilter] | None,
) -> None:
    """Have *source* deliver to *queue*, and what it cannot deliver to *dead_letter_queue*.

    Raises:
        TypeError: If *source* is no topic and no rule.
        ValueError: If *source* and *queue* do not go together, or the policy of a queue belongs to another stack.
    """
    if isinstance(source, sqs.QueueBase):
        raise TypeError(
            "source must be a topic or a rule, got a queue; nothing that moves messages from one queue to another keeps "
            "their ids and attributes, so let the consumer work off that queue itself: "
            "IdempotentConsumer(..., queue=MessageQueue.existing(...))"
        )
    for each in (queue, dead_letter_queue):
        # An imported queue has no resource here, and its policy is left as it is without a word.
        if each.node.default_child is None:
            raise ValueError(
                f"subscribe needs the policy of queue {each.node.path!r}, got one that is imported, so nothing would be "
                "let in; subscribe it where it is defined"
            )
    if isinstance(source, events.Rule):
        _to_rule(source, queue, dead_letter_queue, only)
    elif isinstance(source, sns.TopicBase):
        _to_topic(source, queue, dead_letter_queue, only)
    else:
        raise TypeError(
            f"source must be a topic or a rule, got {type(source).__name__}; give an sns.Topic, or an events.Rule that "
            "this app defines"
        )


def _to_topic(
    topic: sns.TopicBase,
    queue: sqs.IQueue,
    dead_letter_queue: sqs.IQueue,
    only: Mapping[str, sns.SubscriptionFilter] | None,
) -> None:
    # SNS takes a dead-letter queue of the topic's kind only, so the queue has to be of that kind too.
    # https://docs.aws.amazon.com/sns/latest/dg/sns-dead-letter-queues.html
    if topic.fifo != queue.fifo:
        have, need = ("FIFO", "MessageQueue.fifo()") if topic.fifo else ("standard", "MessageQueue.standard()")
        raise ValueError(
            f"topic and queue must be of the same kind, got the {have} topic {topic.node.path!r} for the "
            f"{'FIFO' if queue.fifo else 'standard'} queue {queue.node.path!r}; give the consumer queue={need}"
        )
    topic.add_subscription(
        subscriptions.SqsSubscription(
            queue,
            dead_letter_queue=dead_letter_queue,
            filter_policy=None if only is None else dict(only),
            # With the notification around it a message has the id by which SNS knows it; a raw one has none.
            raw_message_delivery=False,
        )
    )


def _to_rule(
    rule: events.Rule,
    queue: sqs.IQueue,
    dead_letter_queue: sqs.IQueue,
    only: Mapping[str, sns.SubscriptionFilter] | None,
) -> None:
    if only is not None:
        raise ValueError(
            f"only must not be given for a rule, got it for {rule.node.path!r}; a rule chooses by its event pattern"
        )
    if queue.fifo:
        raise ValueError(
            f"a rule must deliver to a standard queue, got the FIFO queue {queue.node.path!r}; EventBridge keeps no order "
            "that a FIFO queue could go on with: give the consumer queue=MessageQueue.standard()"
        )
    rule.add_target(
        targets.SqsQueue(
            queue, dead_letter_queue=dead_letter_queue, retry_attempts=_RULE_ATTEMPTS, max_event_age=_RULE_PATIENCE
        )
    )
