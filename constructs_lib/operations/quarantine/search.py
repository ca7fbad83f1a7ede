"""Find what is in a quarantine bucket."""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from constructs_lib.operations.errors import OperationError
from constructs_lib.operations.quarantine.bucket import Bucket, Listed
from constructs_lib.operations.quarantine.items import (
    BY_LAMBDA,
    BY_RUNTIME,
    Item,
    Kept,
    mark_of,
    mark_of_object,
    read,
)

# As many connections as a boto3 client keeps.
_READERS = 10
# Each holds at most what one invocation takes, 6 MB.
_KEPT_BATCHES = 8
# A clock may be behind that of S3, which tells when an object was written.
_SKEW = timedelta(minutes=5)

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """What is wanted; what is not given is not looked at.

    Args:
        ids: Ids of items, or what they end with, such as the sequence number.
        since: Quarantined at that time or later.
        until: Quarantined before.
        kinds: Of one of these kinds.
        tenants: Of one of these tenants.
        matching: The reason holds that text, in upper or lower case.
    """

    ids: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    kinds: tuple[str, ...] = ()
    tenants: tuple[str, ...] = ()
    matching: str | None = None

    def takes(self, item: Item) -> bool:
        """Whether *item* is wanted."""
        return (
            (not self.ids or any(item.id.endswith(each) for each in self.ids))
            and (self.since is None or item.quarantined >= self.since)
            and (self.until is None or item.quarantined < self.until)
            and (not self.kinds or item.kind in self.kinds)
            and (not self.tenants or item.tenant in self.tenants)
            and (self.matching is None or self.matching.lower() in item.reason.lower())
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The result of a search.

    Attributes:
        items: What is wanted, the longest quarantined first; a record that two objects hold is there once.
        batches: Of each object of Lambda that was read and is not closed: the marks of its records.
    """

    items: tuple[Item, ...]
    batches: dict[str, frozenset[str]] = field(default_factory=dict)


def search(
    bucket: Bucket, wanted: Filter, marks: frozenset[str], *, settled: bool = False, progress: Progress = lambda _: None
) -> Found:
    """Return the items in *bucket* that are *wanted*.

    Args:
        bucket: The bucket.
        wanted: What is wanted.
        marks: The keys of all marks there.
        settled: Whether settled items are wanted, instead of open ones.
        progress: Called with a short line now and then.

    Raises:
        OperationError: If an id is that of no item, or what several end with. An id that is settled where open ones are
            wanted is passed over: a command that was interrupted can be given again.
    """
    objects = [
        found
        for found in _objects(bucket)
        if (settled or not _is_settled(found.key, marks)) and _may_hold(found.key, wanted.ids)
    ]
    if wanted.since is not None:
        # An object is written when its records are quarantined, or again later.
        objects = [found for found in objects if found.written >= wanted.since - _SKEW]
    items: dict[str, Item] = {}
    batches: dict[str, frozenset[str]] = {}
    for number, (key, content) in enumerate(_contents(bucket, objects), 1):
        if number % 500 == 0:
            progress(f"{number:,} of {len(objects):,} objects read")
        if key.startswith(BY_LAMBDA) and mark_of_object(key) not in marks:
            batches[key] = frozenset(kept.item.mark for kept in content)
        for kept in content:
            item = kept.item
            if (item.mark in marks) is settled and wanted.takes(item):
                items.setdefault(item.mark, item)
    found = tuple(sorted(items.values(), key=lambda item: (item.quarantined, item.id)))
    for given in wanted.ids:
        number = sum(item.id.endswith(given) for item in found)
        if number > 1:
            raise OperationError(f"{number} items end with {given}; give more of the id.")
        if number == 0 and not settled and _names_a_mark(given, marks):
            progress(f"{given} is settled already")
        elif number == 0:
            what = "settled item" if settled else "item, open or settled,"
            raise OperationError(f"There is no {what} {given} that the filters take; `quarantine list` prints ids.")
    return Found(items=found, batches=batches)


class Payloads:
    """Read the payloads of items; what was read last of Lambda's objects, which hold many, is kept for a while.

    Args:
        bucket: Where they are.
    """

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._batches: OrderedDict[str, dict[str, Kept]] = OrderedDict()

    def of(self, items: Iterable[Item]) -> list[Kept]:
        """Return *items* with their payloads, in the same order.

        Raises:
            OperationError: If one is not there any more.
        """
        items = list(items)
        keys = dict.fromkeys(item.object_key for item in items if item.object_key not in self._batches)
        read_now: dict[str, dict[str, Kept]] = {}
        for key, content in _contents(self._bucket, [Listed(key, datetime.now(UTC)) for key in keys]):
            read_now[key] = {kept.item.mark: kept for kept in content}
        at_hand = self._batches | read_now
        try:
            found = [at_hand[item.object_key][item.mark] for item in items]
        except KeyError as error:
            raise OperationError(
                f"{error.args[0]} was in the quarantine a moment ago and is not there any more; begin again."
            ) from None
        self._batches.update((key, content) for key, content in read_now.items() if key.startswith(BY_LAMBDA))
        while len(self._batches) > _KEPT_BATCHES:
            self._batches.popitem(last=False)
        return found


def _objects(bucket: Bucket) -> Iterator[Listed]:
    for prefix in (BY_RUNTIME, BY_LAMBDA):
        yield from bucket.listed(prefix)


def _is_settled(key: str, marks: frozenset[str]) -> bool:
    return (mark_of_object(key) if key.startswith(BY_LAMBDA) else mark_of(key)) in marks


def _names_a_mark(given: str, marks: frozenset[str]) -> bool:
    """Whether an item with that id, or one that ends so, is settled."""
    return mark_of(given) in marks or any(
        name.endswith(given) for mark in marks for name in (mark, mark.removesuffix(".json"))
    )


def _may_hold(key: str, ids: tuple[str, ...]) -> bool:
    """Whether an object may hold one of the items with these ids, as far as its key tells."""
    return not ids or key.startswith(BY_LAMBDA) or any(name.endswith(ids) for name in (key, key.removesuffix(".json")))


def _contents(bucket: Bucket, objects: list[Listed]) -> Iterator[tuple[str, tuple[Kept, ...]]]:
    """Read *objects*, several at once; one that has gone meanwhile is left out."""

    def fetch(found: Listed) -> tuple[str, tuple[Kept, ...]]:
        stored = bucket.read(found.key)
        return found.key, read(found.key, stored.content, found.written) if stored else ()

    with ThreadPoolExecutor(_READERS) as pool:
        # A window, so that a large bucket does not end in memory.
        for start in range(0, len(objects), 10 * _READERS):
            yield from pool.map(fetch, objects[start : start + 10 * _READERS])
