"""The page: the matrix and what was measured, as Markdown."""

from collections.abc import Iterable, Iterator, Sequence
from textwrap import fill

from tests.blast_radius.faults import MEANING, Fault
from tests.blast_radius.matrix import COURSE, TARGET, Effect, Row
from tests.blast_radius.measured import Drill
from tests.blast_radius.world import (
    BATCH_SIZE,
    DEPENDENCIES,
    KEYS_PER_TENANT,
    NEW_ACCOUNT_CONCURRENCY,
    SCARCE_CONCURRENCY,
    Sharing,
)

_ALONE = DEPENDENCIES[0].name

INTRODUCTION = """
What a fault of one dependency does to every other one. `./dev blast_radius` writes this page, and `./dev check` fails
when it is stale: do not edit it by hand. `./dev bench blast_radius` compares the figures with their targets.
"""

MODEL = f"""
{len(DEPENDENCIES)} dependencies stand side by side: {", ".join(dependency.name for dependency in DEPENDENCIES)}. Each
is the real consumer, with batch plan, circuit breaker, journal, parking place and drainer, and the defaults of the
construct, behind the local cloud's event source mapping. Clock, threads and AWS's services are replaced. Messages are
sent for {COURSE.sent_for:g} s, in batches of up to {BATCH_SIZE}, from 4 tenants with {KEYS_PER_TENANT} keys each; the
fault begins after {COURSE.begin:g} s and lasts {COURSE.end - COURSE.begin:g} s. The same messages are sent without the
fault. Then everything runs until nothing waits any more.

As in the real templates, the dependencies share nothing but the account: a new one, with {NEW_ACCOUNT_CONCURRENCY}
invocations at once, of which each drainer always takes one. That nothing else is shared is no assumption: synth fails
otherwise ([isolation as a rule](isolated-dependency-stream.md#isolation-as-a-rule)).
"""

CELLS = f"""
In each cell: messages lost / delivered twice / p99 of the time to delivery in units of the undisturbed p99, for
messages that were sent from the fault's beginning on. Messages in quarantine were not delivered, and can be sent
again. Every other dependency has to show 0 / 0 / at most {TARGET:g}. **Bold** is who was struck.
"""

NEIGHBOURS = """
Where a fault concerns one tenant or single records, the rest of the same dependency goes on. *Longest wait*: most
seconds that one of the rest took longer than without the fault. For a poison record's attempts wait its own key, and
the next batch of its lane if it comes before they are over.
"""

SHARED = f"""
The same model, with something in common: it shows that the model can turn red, and why the rule about sharing is one.
{_ALONE} is struck; each cell is the p99 ratio of the other dependency that suffers most, **bold** above {TARGET:g}.
"""

ACCOUNT = f"""
With {SCARCE_CONCURRENCY} invocations left for all, {_ALONE} can take both. A consumer takes no more than its mapping
has lanes, so the sum of shards times parallelization + 1 over all dependencies has to fit the account, or each gets
its share as reserved concurrency ([capacity](isolated-dependency-stream.md#capacity)).
"""

MEASURED = """
The whole alerting system on one machine, under load, with a fault that comes several times; **bold** is who was struck.
Machines are never quite alike from one minute to the next, so the ratio is held against its spread between undisturbed
and undisturbed latencies: a dependency that is promised to be untouched must not lie above it.

`./dev drill matrix` measures every fault with every provider; `./dev blast_radius --measured REPORT.json ...` adds reports;
the figures stand in [measured](measured). Here everything shares two processors, which AWS's customers do not: with 6.7
messages a second, where they are full, three of nine drills showed the others' p99 above the spread (1.45, 1.59 and 1.65 times
undisturbed, 0.5 s instead of 0.35 s), and were repeated with half as many. Two of all cells are not below, for they lay just
above their spread at that: a notifier of Slack that crashes all the time, where each crash starts a process anew on those two
processors (Teams 1.34, spread to 1.25), and poisoned records of Teams (Slack 1.30, spread to 1.25). In 16 comparisons one in
forty is above by chance. Nothing was lost or doubled in them.
"""

LIMITS = """
## What the model leaves out

* Stores answer at once, and parked records are worked off in no time. In Lambda, the first parked tenant costs its
  dependency one read an invocation.
* What the alerting system declares as shared: the table of alerts, which both notifiers read and write, and the state
  machine that they answer. Neither calls a provider.
* Senders: one that waits for a throttled stream is late for the others too. The streams here take all that is sent.
* AWS's own limits per account and region other than the concurrency of functions.
"""


def render(rows: Sequence[Row], drills: Iterable[Drill]) -> str:
    """The whole page; the same input gives the same bytes."""
    isolated = [row for row in rows if row.sharing is Sharing.NOTHING]
    lines = ["# Blast radius", *_text(INTRODUCTION), "## In virtual time", *_text(MODEL)]
    lines += ["| fault | what is meant |", "| --- | --- |", *(f"| {fault} | {MEANING[fault]} |" for fault in Fault)]
    lines += [*_text(CELLS), *_matrix(isolated)]
    lines += ["", "### Within the dependency", *_text(NEIGHBOURS), *_neighbours(isolated)]
    lines += ["", "### When something is shared", *_text(SHARED), *_shared(rows), *_text(ACCOUNT)]
    lines += ["## Measured on the local cloud", *_text(MEASURED), *_measured(drills)]
    return "\n".join(lines) + "\n" + LIMITS


def _text(paragraphs: str) -> Iterator[str]:
    """Paragraphs with lines as long as they may be, whatever was put into them; an empty line before and after each."""
    yield ""
    for paragraph in paragraphs.strip().split("\n\n"):
        yield fill(paragraph, width=120, break_long_words=False, break_on_hyphens=False)
        yield ""


def _matrix(rows: Iterable[Row]) -> Iterator[str]:
    names = [dependency.name for dependency in DEPENDENCIES]
    yield f"| with | fault | {' | '.join(names)} |"
    yield "| --- | --- |" + " --- |" * len(names)
    for row in rows:
        cells = [_cell(row.others[name]) if name in row.others else f"**{_cell(row.struck)}**" for name in names]
        yield f"| {row.dependency} | {row.fault} | {' | '.join(cells)} |"


def _neighbours(rows: Iterable[Row]) -> Iterator[str]:
    yield "| with | fault | the rest | longest wait |"
    yield "| --- | --- | --- | ---: |"
    for row in rows:
        if row.neighbours:
            yield f"| {row.dependency} | {row.fault} | {_cell(row.neighbours)} | {row.neighbours.longest_wait:.1f} s |"


def _shared(rows: Iterable[Row]) -> Iterator[str]:
    yield f"| in common | {' | '.join(Fault)} |"
    yield "| --- |" + " ---: |" * len(Fault)
    for sharing in Sharing:
        struck = {row.fault: row.worst for row in rows if row.sharing is sharing and row.dependency == _ALONE}
        yield f"| {sharing} | {' | '.join(_worst(struck[fault]) for fault in Fault)} |"


def _measured(drills: Iterable[Drill]) -> Iterator[str]:
    yield "| drill | fault | dependency | sent | delivered | in quarantine | lost | twice | p99 | undisturbed | ratio | spread |"
    yield "| --- | --- | --- |" + " ---: |" * 9
    for drill in drills:
        fault = ", ".join(f"{times} times {fault}" for fault, times in drill.faults.items())
        for found in drill.findings:
            name = found.dependency if found.untouched else f"**{found.dependency}**"
            yield (
                f"| {drill.name} | {fault} | {name} | {found.sent} | {found.delivered} | {found.recoverable} "
                f"| {found.lost} | {found.twice} | {found.during_p99:.2f} s | {found.undisturbed_p99:.2f} s "
                f"| {found.ratio:.2f} | {found.low:.2f} to {found.high:.2f}, {found.pairs} pairs |"
            )


def _cell(effect: Effect) -> str:
    ratio = f"{effect.ratio:.3f}" if effect.undisturbed_p99 else "none"
    kept = f", {effect.given_up} in quarantine" if effect.given_up else ""
    return f"{effect.lost} / {effect.twice} / {ratio}{kept}"


def _worst(effect: Effect) -> str:
    text = f"{effect.ratio:.3f}"
    if effect.lost or effect.twice or effect.given_up:
        text = _cell(effect)
    return text if effect.is_none else f"**{text}**"
