"""Refuses times and bounds of a dependency's stream that could lose a record, and names the two that collide."""

from typing import cast

from aws_cdk import Duration, Token
from aws_cdk import aws_lambda as lambda_

from constructs_lib._call_policy import CallPolicy
from constructs_lib._checks import duration_between, in_words
from constructs_lib._dependency_state import DRAIN_EVERY_MINUTES

# Limits of Kinesis and of stream event source mappings (their API references).
_LONGEST_RETENTION = Duration.days(365)
_LONGEST_HOLD = Duration.days(7)
# Parked records get a visit a minute; in less than this a tenant's records could expire before one of them was tried.
_SHORTEST_HOLD = Duration.minutes(5 * DRAIN_EVERY_MINUTES)

# Lambda looks at a record's age between two invocations, which may take a quarter of an hour, and then has to get it
# into the bucket, where it may have to try more than once.
_TO_EXPORT = Duration.hours(1)

# One attempt in a batch, and the three alone that a record gets which crashes the function.
_ATTEMPTS = 4

# Invocations beside those of the stream: one that looks after parked records.
_DRAINING = 1


def check_times(*, retention: Duration, hold_at_most: Duration, consumer: lambda_.Function, calls: CallPolicy) -> None:
    """Refuse times that do not leave room for each other.

    Raises:
        ValueError: If one is out of range or two collide.
    """
    duration_between(
        "retention",
        retention,
        Duration.hours(24),
        _LONGEST_RETENTION,
        way_out="what must be kept longer belongs in a bucket",
    )
    duration_between(
        "hold_at_most",
        hold_at_most,
        _SHORTEST_HOLD,
        _LONGEST_HOLD,
        way_out="what waits longer goes to the quarantine, from where it can be sent again",
    )
    if not retention.is_unresolved() and retention.to_milliseconds() % Duration.hours(1).to_milliseconds():
        raise ValueError(f"retention must be whole hours, got {in_words(retention)}; round it up")
    timeout = consumer.timeout or Duration.seconds(3)
    _longer(
        ("retention", retention),
        ("hold_at_most", hold_at_most),
        spare=_TO_EXPORT,
        consequence="records could be gone before they reach the quarantine",
    )
    _longer(
        ("hold_at_most", hold_at_most),
        ("the consumer's timeout", timeout),
        times=_ATTEMPTS,
        consequence="records could expire before a bad one among them is found",
    )
    if calls.probe_every is not None:
        _longer(
            ("hold_at_most", hold_at_most),
            ("probe_every", calls.probe_every),
            consequence="records could expire without a look whether the dependency is back",
        )
    if calls.slow_after is not None:
        _longer(
            ("the consumer's timeout", timeout),
            ("slow_after", calls.slow_after),
            consequence="an invocation would end before a call counts as slow",
        )


def check_concurrency(consumer: lambda_.Function, *, shards: int | None, parallelization: int) -> None:
    """Refuse a consumer whose concurrency has no bound, or one below what its own stream needs.

    Raises:
        ValueError: If *shards* is None, on demand, and the consumer has no reserved concurrency; or if that is less
            than one invocation per shard and lane, and one for parked records.
    """
    reserved = cast("lambda_.CfnFunction", consumer.node.default_child).reserved_concurrent_executions
    if shards is None:
        if reserved is None:
            raise ValueError(
                "capacity on demand gives the consumer no bound, and neither does its reserved_concurrency, got none; a "
                "burst for one dependency could starve the others: set reserved_concurrency, or take "
                "StreamCapacity.provisioned"
            )
        return
    if reserved is None or any(Token.is_unresolved(number) for number in (reserved, shards, parallelization)):
        return
    needed = shards * parallelization + _DRAINING
    if reserved < needed:
        raise ValueError(
            f"the consumer's reserved_concurrency must be at least {needed} (shards {shards} x parallelization "
            f"{parallelization}, and {_DRAINING} for parked records), got reserved_concurrency {reserved:g}; records "
            "would wait for an invocation while the dependency is well: raise it, or lower shards or parallelization"
        )


def _longer(
    long: tuple[str, Duration],
    short: tuple[str, Duration],
    *,
    times: int = 1,
    spare: Duration | None = None,
    consequence: str,
) -> None:
    """Refuse *long* unless it is longer than *short*, *times* over, or at least *spare* longer."""
    (option, value), (other, limit) = long, short
    if value.is_unresolved() or limit.is_unresolved():
        return
    needed = limit.to_milliseconds() * times
    enough = (
        value.to_milliseconds() > needed
        if spare is None
        else value.to_milliseconds() >= needed + spare.to_milliseconds()
    )
    if not enough:
        by = f" by at least {in_words(spare)}" if spare else f", {times} times over," if times > 1 else ""
        raise ValueError(
            f"{option} must be longer than {other}{by}, got {option} {in_words(value)} and {other} {in_words(limit)}; "
            f"{consequence}: raise {option} or lower {other}"
        )
