"""The tables of docs/fairness.md: what the alerting system's limits promise, beside what the model shows."""

import random
from collections.abc import Iterator

from configuration import SIDELINE_CONCURRENCY, TENANT_LIMITS
from constructs_lib.runtime.tenant_throttle_wiring import limit
from tests.fairness.bounds import fair_bound, quiet_room, throttled_bound
from tests.fairness.model import Consumer, Queue, percentile, quiet_delays, simulate
from tests.fairness.throttling import Arrival, judge

BEGIN, END = "<!-- written by python -m tests.fairness -->", "<!-- end -->"

NOISY = "noisy"
QUIET_TENANTS = 15
QUIET_PER_SECOND = 0.2
NOISY_PER_SECOND = 1000 * QUIET_PER_SECOND
FLOOD_SECONDS = 120
ENVIRONMENTS = 10
HANDLER_SECONDS = 1.0
NOTICE_SECONDS = 1.0
BATCH_SIZE = 10
CONCURRENCIES = (10, 2)

HARD = limit("hard", TENANT_LIMITS["rate_per_second"], TENANT_LIMITS["burst"], 100)
FAIR = limit(
    "fair",
    TENANT_LIMITS["sideline_above"],
    TENANT_LIMITS["burst"] * TENANT_LIMITS["sideline_above"] / TENANT_LIMITS["rate_per_second"],
    100,
)

TRAFFIC = f"""\
{QUIET_TENANTS} quiet tenants send {QUIET_PER_SECOND:g} events per second each, a noisy one {NOISY_PER_SECOND:g}, for
{FLOOD_SECONDS} s. A batch of {BATCH_SIZE} takes up to {HANDLER_SECONDS:g} s, SQS notices a noisy group after
{NOTICE_SECONDS:g} s, {ENVIRONMENTS} environments of the ingest function judge by the limits of `configuration.py`."""


def render() -> str:
    """Both tables, as Markdown."""
    return "\n".join([TRAFFIC, "", *_quiet_table(), "", *_aside_table()])


def replaced(page: str) -> str:
    """*page* with the tables as they should be between its two marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{render()}\n{END}{after}"


def _arrivals() -> list[Arrival]:
    chance = random.Random(1)
    every = 1 / QUIET_PER_SECOND
    quiet = [
        (first + number * every, f"quiet-{tenant}")
        for tenant, first in enumerate(chance.uniform(0, every) for _ in range(QUIET_TENANTS))
        for number in range(int(FLOOD_SECONDS / every))
    ]
    noisy = [(number / NOISY_PER_SECOND, NOISY) for number in range(int(FLOOD_SECONDS * NOISY_PER_SECOND))]
    return sorted(quiet + noisy)


def _consumer(max_concurrency: int) -> Consumer:
    return Consumer(
        max_concurrency=max_concurrency, batch_size=BATCH_SIZE, handler_seconds=HANDLER_SECONDS, pace="slowest"
    )


def _quiet_table() -> Iterator[str]:
    yield "| `max_concurrency` | groups | throttle | bound | quiet p99 | quiet longest | noisy longest |"
    yield "|---|---|---|---|---|---|---|"
    everything = _arrivals()
    judged = judge(everything, hard=HARD, fair=FAIR, environments=ENVIRONMENTS)
    burst = FAIR.burst + ENVIRONMENTS * FAIR.lease + QUIET_TENANTS
    for max_concurrency in CONCURRENCIES:
        consumer = _consumer(max_concurrency)
        noticed = quiet_room(consumer) >= QUIET_TENANTS * QUIET_PER_SECOND * 3 * HANDLER_SECONDS
        for groups in (False, True):
            for throttled in (False, True):
                bounds = [fair_bound(consumer, NOTICE_SECONDS)] if groups and noticed else []
                bounds += [throttled_bound(consumer, burst)] if throttled else []
                delays = simulate(
                    judged.accepted if throttled else everything,
                    Queue(groups=groups, notice_seconds=NOTICE_SECONDS),
                    consumer,
                    random.Random(2),
                )
                quiet = quiet_delays(delays, NOISY)
                yield (
                    f"| {max_concurrency} | {_yes(groups)} | {_yes(throttled)} | "
                    f"{f'{min(bounds):.0f} s' if bounds else '**none**'} | {percentile(quiet, 99):.1f} s | "
                    f"{max(quiet):.1f} s | {max(delays[NOISY]):.0f} s |"
                )


def _aside_table() -> Iterator[str]:
    judged = judge(_arrivals(), hard=HARD, fair=FAIR, environments=ENVIRONMENTS)
    sideline = _consumer(SIDELINE_CONCURRENCY)
    aside = simulate(judged.aside, Queue(groups=True), sideline, random.Random(3))
    bound = throttled_bound(sideline, HARD.burst + ENVIRONMENTS * (HARD.lease + FAIR.lease))
    yield "| events of the noisy tenant | number | bound of the wait | longest wait |"
    yield "|---|---|---|---|"
    yield f"| taken | {sum(tenant == NOISY for _, tenant in judged.accepted)} | see above | see above |"
    yield f"| taken aside, all done | {len(aside[NOISY])} | {bound:.0f} s | {max(aside[NOISY]):.0f} s |"
    yield f"| answered with 429 | {len(judged.refused)} | | |"


def _yes(on: bool) -> str:
    return "yes" if on else "no"
