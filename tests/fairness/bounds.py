"""Bounds on how long a quiet tenant's message takes, from when it is queued until its batch is done.

The arguments stand in docs/fairness.md; the tests compare the bounds with the model for many parameters.
"""

import math

from tests.fairness.model import NOTICED_MESSAGES, NOTICED_SHARE, Consumer


def quiet_room(consumer: Consumer) -> int:
    """Messages that all quiet tenants together may send within any three `handler_seconds` for `fair_bound` to hold.

    What is left of the messages in flight when a noisy tenant holds enough to be noticed, and one batch is being formed.
    Below 1, a noisy tenant may never be noticed.
    """
    in_flight = consumer.max_concurrency * consumer.batch_size
    noticed = max(NOTICED_MESSAGES, math.floor(NOTICED_SHARE * in_flight) + 1)
    return in_flight - noticed - consumer.batch_size


def fair_bound(consumer: Consumer, notice_seconds: float) -> float:
    """Longest delay of a quiet tenant on a fair queue, in seconds, however much a noisy one sends."""
    return 3 * consumer.handler_seconds + notice_seconds


def throttled_bound(consumer: Consumer, burst: float) -> float:
    """Longest delay of anybody in front of whom a throttle lets in *burst* messages at once, in seconds.

    No group needs to be noticed for it. All rates together, the noisy tenant's fair rate among them, must not exceed
    `max_concurrency * batch_size / handler_seconds`.

    Args:
        consumer: What works the queue off.
        burst: Sum over all tenants of the messages above their rate: of a noisy one the burst of its fair rate and a
            lease for each environment.
    """
    return consumer.handler_seconds * (math.ceil(burst / (consumer.max_concurrency * consumer.batch_size)) + 2)
