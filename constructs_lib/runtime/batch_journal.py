"""The journal of one batch, as whoever works on the batch uses it."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from constructs_lib.runtime.batch_tasks import Entry
from constructs_lib.runtime.descriptions import describe
from constructs_lib.runtime.journal import Counts, JournalStore, Page, Shard, digest, is_handler_crashing, resume

if TYPE_CHECKING:
    from constructs_lib.runtime.observability import Watch


class BatchJournal:
    """What is known and left about one batch.

    Only `read` raises: what cannot be written costs a repetition after a crash, never a record.

    Args:
        entries: All records of the batch; `read` fills in what earlier invocations have learnt about them.
        store: The journal of the stream.
        watch: Logs and counts.

    Attributes:
        suspects: Records one of which may have ended the function.
    """

    def __init__(self, entries: Sequence[Entry], *, store: JournalStore, watch: "Watch") -> None:
        self.suspects: frozenset[Entry] = frozenset()
        self._entries = entries
        self._digests = {entry: digest(entry.arrival.name) for entry in entries}
        self._shard = entries[0].arrival.shard
        self._store = store
        self._watch = watch
        self._pages: set[str] = set()
        self._crashed: frozenset[bytes] = frozenset()
        self._noted: Page | None = None

    def read(self) -> Shard:
        """Return what the journal says now, or raise."""
        return self._store.read(self._shard)

    def take_over(self, shard: Shard, *, crash_attempts: int) -> None:
        """Go on from what earlier invocations left."""
        resumed = resume(shard, [entry.arrival.name for entry in self._entries])
        self._pages = set(resumed.pages)
        self._crashed = shard.crashed
        is_crashing = False
        for entry, known_as in self._digests.items():
            counts = resumed.counts.get(known_as, Counts())
            entry.settled = known_as in resumed.settled
            entry.failures, entry.aways, entry.crashes = counts.failures, counts.aways, counts.crashes
            if entry.crashes >= crash_attempts and is_handler_crashing(shard.crashed, digest(entry.lane)):
                entry.crashes = crash_attempts - 1
                is_crashing = True
        if is_crashing:
            self._watch.count("HandlerFailing")
            self._watch.error("records tried again, for the handler ends the function whatever the record")
            self._write_crashed(self._crashed)
        self.suspects = frozenset(entry for entry, known_as in self._digests.items() if known_as in resumed.suspects)
        if self.suspects:
            self._watch.warning("the function ended in the middle of this batch", suspects=len(self.suspects))

    def note_all(self) -> bool:
        """See to it that the journal knows that the whole batch has begun; tell whether it does."""
        first, last = self._entries[0], self._entries[-1]
        # Asked before each record, so nothing may be done here that takes longer the larger the batch is.
        return self._has_noted(first.arrival.name, (), last.arrival.name) or self._note(
            self._page(first, through=last.arrival.name)
        )

    def note_one(self, entry: Entry) -> bool:
        """See to it that the journal knows that this suspect has begun; tell whether it does."""
        return self._note(self._page(self._entries[0], begun=(entry,), through=self._last_suspect()))

    def note_pause(self) -> None:
        """Note that no suspect is at work for now: what happens meanwhile is nobody's fault."""
        self._note(self._page(self._entries[0], through=self._last_suspect()))

    def note_overrun(self, begun: Iterable[Entry]) -> None:
        """Note the records whose calls have run into the end of the invocation."""
        self._note(self._page(self._entries[0], begun=tuple(begun)))

    def remnant(self, still_open: Sequence[Entry]) -> Page | None:
        """Return what the next invocation has to know if the batch is handed back now; None: nothing."""
        page = self._page(still_open[0], through=self._last_suspect())
        return page if page.settled or page.counts or page.through else None

    def close(self, page: Page | None) -> None:
        """Leave this page about the batch, or none."""
        if page:
            self._note(page)
        else:
            self._erase(self._pages)

    def crashed(self, entry: Entry) -> None:
        """Learn that a record was given up because it ends the function."""
        self._write_crashed(self._crashed | {digest(entry.lane)})

    def came_through(self) -> None:
        """Learn that the function outlived a call: it is not the handler that ends it, whatever the record."""
        if self._crashed:
            self._write_crashed(frozenset())

    def _page(self, first: Entry, *, begun: tuple[Entry, ...] = (), through: str = "") -> Page:
        behind = self._entries[first.index :]
        counts = {entry: Counts(entry.crashes, entry.failures, entry.aways) for entry in behind if not entry.settled}
        return Page(
            first=first.arrival.name,
            settled=frozenset(self._digests[entry] for entry in behind if entry.settled),
            through=through,
            begun=tuple(self._digests[entry] for entry in begun),
            counts={self._digests[entry]: counted for entry, counted in counts.items() if counted != Counts()},
        )

    def _last_suspect(self) -> str:
        """Return the name of the last suspect that is not settled; empty where there is none."""
        return next((each.arrival.name for each in reversed(self._entries) if self._is_open_suspect(each)), "")

    def _is_open_suspect(self, entry: Entry) -> bool:
        return entry in self.suspects and not entry.settled

    def _note(self, page: Page) -> bool:
        """Store a page in place of all others about this batch, unless it is there already."""
        if self._has_noted(page.first, page.begun, page.through):
            return True
        try:
            self._store.write(self._shard, page)
        except Exception as error:  # noqa: BLE001 - whatever is wrong there, no record is lost for it
            self._watch.error("the journal cannot be written", error=describe(error))
            return False
        self._noted = page
        others = self._pages - {page.first}
        self._pages.add(page.first)
        self._erase(others)
        return True

    def _has_noted(self, first: str, begun: tuple[bytes, ...], through: str) -> bool:
        # Of what goes on nothing has to be noted again: only who is at work, and how far the batch reaches.
        noted = self._noted
        if noted is None or not through:
            return False
        return (noted.first, noted.begun, noted.through) == (first, begun, through)

    def _erase(self, pages: set[str]) -> None:
        try:
            for first in list(pages):
                self._store.erase(self._shard, first)
                self._pages.discard(first)
        except Exception as error:  # noqa: BLE001 - what it says is settled stays settled; it expires by itself
            self._watch.warning("the journal cannot be cleared", error=describe(error))

    def _write_crashed(self, keys: frozenset[bytes]) -> None:
        try:
            self._store.write_crashed(self._shard, keys)
            self._crashed = keys
        except Exception as error:  # noqa: BLE001 - without the note, some records more are given up before a hold
            self._watch.warning("the journal cannot be written", error=describe(error))
