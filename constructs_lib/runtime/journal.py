"""What a later invocation has to know about a batch that did not end cleanly: pure rules.

Lambda delivers a batch again from its first record that is not settled, and tells neither how often it has tried nor why
the last try ended. So a batch that is not young any more leaves a page in the journal:

* before work, that it has begun, and through which record;
* when it is handed back, which of the records behind the first open one are settled, and what has been counted for those
  that are not;
* when calls run into the end of the invocation, which ones.

A page that still says *begun* when the batch comes again means that the function ended in the middle: out of memory, out
of time. Then its records are suspects, run one at a time, each noted before it runs, until the one is found that ends the
function. A batch that ends cleanly leaves no page.

Records are known by a digest of their name, which is unique over all shards, so it does not matter where a batch begins
and ends the next time. What a page says is settled stays settled for ever: a page too many does no harm.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

DIGEST_BYTES = 12

# That many keys in a row ended the function, and none came through: it is not the records.
_KEYS_THAT_CRASHED = 3


@dataclass(frozen=True, slots=True)
class Counts:
    """What earlier invocations counted for one record.

    Args:
        crashes: Times the function ended while at work on this record, as far as that is known.
        failures: Calls that failed without a scope.
        aways: Calls that found the dependency away while it answered others.
    """

    crashes: int = 0
    failures: int = 0
    aways: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What the journal says about one batch.

    Args:
        first: Name of the first record that was open.
        settled: Digests of records behind it that are settled.
        through: Name of the last record of what has begun; empty where nothing has, or it is known exactly.
        begun: Digests of the records at work, where that is known exactly.
        counts: Of the records that are open; by digest.
    """

    first: str
    settled: frozenset[bytes] = frozenset()
    through: str = ""
    begun: tuple[bytes, ...] = ()
    counts: Mapping[bytes, Counts] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """What the journal says about one shard.

    Args:
        pages: Of its batches; with a parallelization factor above 1 several are under way at once.
        crashed: Digests of the keys of records that were given up in the last hours because they end the function; empty
            again with the first one that does not.
    """

    pages: Sequence[Page] = ()
    crashed: frozenset[bytes] = frozenset()


class JournalStore(Protocol):
    """Port to the journal of a stream."""

    def read(self, shard: str) -> Shard:
        """Return what is there: a strongly consistent answer."""

    def write(self, shard: str, page: Page) -> None:
        """Store a page in place of the one with the same first record."""

    def erase(self, shard: str, first: str) -> None:
        """Remove the page with this first record, if there is one."""

    def write_crashed(self, shard: str, keys: frozenset[bytes]) -> None:
        """Note for some hours the keys whose records ended the function; none removes the note."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumption:
    """What a batch begins with.

    Args:
        settled: Digests of records that are settled.
        suspects: Digests of records one of which may have ended the function.
        counts: By digest.
        pages: First records of the pages that are about this batch, to be replaced by what it leaves.
    """

    settled: frozenset[bytes] = frozenset()
    suspects: frozenset[bytes] = frozenset()
    counts: Mapping[bytes, Counts] = field(default_factory=dict)
    pages: tuple[str, ...] = ()


def digest(name: str) -> bytes:
    """Return what the journal knows a name by."""
    return hashlib.blake2b(name.encode(), digest_size=DIGEST_BYTES).digest()


def resume(shard: Shard, names: Sequence[str]) -> Resumption:
    """Read what the journal says about the batch of the records with these names.

    A page is about the batch that holds its first record. Batches of one shard share no record, and follow each other
    without a gap, so each page is about one batch at a time.
    """
    places = {name: index for index, name in enumerate(names)}
    digests = [digest(name) for name in names]
    settled: frozenset[bytes] = frozenset().union(*(page.settled for page in shard.pages))
    suspects: set[bytes] = set()
    counts: dict[bytes, Counts] = {}
    pages = []
    for page in shard.pages:
        if page.first not in places:
            continue
        pages.append(page.first)
        for each, counted in page.counts.items():
            counts[each] = _most(counts.get(each, Counts()), counted)
        for each in page.begun:
            before = counts.get(each, Counts())
            counts[each] = replace(before, crashes=before.crashes + 1)
        suspects.update(page.begun)
        if page.through:
            # Where the batch is shorter now, its end is not in it.
            last = places.get(page.through, len(names) - 1)
            suspects.update(digests[places[page.first] : last + 1])
    return Resumption(
        settled=settled.intersection(digests),
        suspects=frozenset(suspects).intersection(digests) - settled,
        counts={each: counted for each, counted in counts.items() if each in digests},
        pages=tuple(pages),
    )


def is_handler_crashing(crashed: frozenset[bytes], key: bytes) -> bool:
    """Tell whether it is the handler that ends the function, whatever the record: then giving up helps nobody."""
    return len(crashed - {key}) >= _KEYS_THAT_CRASHED


def _most(one: Counts, other: Counts) -> Counts:
    return Counts(max(one.crashes, other.crashes), max(one.failures, other.failures), max(one.aways, other.aways))
