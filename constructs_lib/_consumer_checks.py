"""Refuses times and bounds of a consumer that could lose a message or repeat its effect, and names the two that collide."""

from typing import cast

from aws_cdk import Duration, Token
from aws_cdk import aws_lambda as lambda_

from constructs_lib._checks import between, duration_between, in_words
from constructs_lib._consumer_queue import MessageQueue

# AWS asks for six times the function's timeout, so that Lambda's own retries of a throttled invocation fit, and the
# time in which a batch is gathered on top.
# https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
_VISIBILITY_FACTOR = 6
_LONGEST_FUNCTION_TIMEOUT = Duration.minutes(15)
# Larger batches than this need a window to gather them (API reference, "CreateEventSourceMapping").
_BATCH_WITHOUT_WINDOW = 10
_WINDOW = Duration.seconds(1)
_MOST_AT_ONCE = 1000


def window(batch_size: int) -> Duration | None:
    """How long a batch of *batch_size* is gathered; None where it needs no gathering, or the size is resolved later."""
    if Token.is_unresolved(batch_size) or batch_size <= _BATCH_WITHOUT_WINDOW:
        return None
    return _WINDOW


def visibility(consumer: lambda_.Function, batch_size: int) -> Duration:
    """How long a message that was delivered is hidden, so that no second copy starts beside the first."""
    timeout = consumer.timeout
    if timeout is None or timeout.is_unresolved():
        timeout = _LONGEST_FUNCTION_TIMEOUT
    gathering = window(batch_size) or Duration.seconds(0)
    return Duration.seconds(timeout.to_seconds() * _VISIBILITY_FACTOR + gathering.to_seconds())


def check_batch(batch_size: int, *, ordered: bool) -> None:
    """Refuse a batch that Lambda does not take from such a queue.

    Raises:
        ValueError: If it is out of range.
    """
    if ordered:
        between(
            "batch_size",
            batch_size,
            1,
            _BATCH_WITHOUT_WINDOW,
            way_out="Lambda takes no more from a FIFO queue, so give messages more groups for more throughput",
        )
    else:
        between("batch_size", batch_size, 1, 10_000, way_out="raise max_concurrency for more throughput")


def check_times(queue: MessageQueue, remember_for: Duration, hidden: Duration) -> None:
    """Refuse times that end before the last delivery of a message, which may begin after all others' timeouts.

    Raises:
        ValueError: If *remember_for* is out of range, or one of them is too short.
    """
    duration_between(
        "remember_for",
        remember_for,
        Duration.minutes(1),
        Duration.days(365),
        way_out="make the effect itself idempotent where it must be for good",
    )
    if Token.is_unresolved(queue.max_receive_count):
        return
    deliveries = Duration.seconds(hidden.to_seconds() * queue.max_receive_count)
    for option, value, consequence in (
        ("retention", queue.retention, "messages would expire before they count as dead"),
        ("remember_for", remember_for, "the last deliveries of a message could repeat what the first one did"),
    ):
        if not value.is_unresolved() and value.to_milliseconds() <= deliveries.to_milliseconds():
            raise ValueError(
                f"{option} must be longer than max_receive_count {queue.max_receive_count} deliveries of "
                f"{in_words(hidden)} each ({in_words(deliveries)}), got {in_words(value)}; {consequence}: raise "
                f"{option}, or lower max_receive_count or the consumer's timeout"
            )


def check_concurrency(consumer: lambda_.Function, max_concurrency: int, sideline_concurrency: int | None) -> None:
    """Refuse bounds that are none, or more than the consumer has.

    Raises:
        ValueError: If one is out of range, or both together exceed the reserved concurrency.
    """
    between(
        "max_concurrency", max_concurrency, 2, _MOST_AT_ONCE, way_out="to stop a consumer, disable its mapping instead"
    )
    if sideline_concurrency is not None:
        between(
            "sideline_concurrency",
            sideline_concurrency,
            2,
            _MOST_AT_ONCE,
            way_out="2 is the least that Lambda takes; leave it out for no sideline",
        )
    reserved = cast("lambda_.CfnFunction", consumer.node.default_child).reserved_concurrent_executions
    bounds = [max_concurrency] + ([] if sideline_concurrency is None else [sideline_concurrency])
    if reserved is None or any(Token.is_unresolved(number) for number in (reserved, *bounds)):
        return
    if reserved < sum(bounds):
        given = f"max_concurrency {max_concurrency}"
        if sideline_concurrency is not None:
            given += f", sideline_concurrency {sideline_concurrency}"
        raise ValueError(
            "max_concurrency and sideline_concurrency together must not exceed the consumer's reserved_concurrency, got "
            f"{given} and reserved_concurrency {reserved:g}; throttled deliveries count towards max_receive_count: "
            "lower max_concurrency or raise reserved_concurrency"
        )
