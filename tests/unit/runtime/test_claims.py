"""What claims make of the answers of their store, where those of the tests' DynamoDB leave nothing to tell."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from constructs_lib.runtime.claim_ports import Away, Claim, Kept, Lost, Swap, Wanted
from constructs_lib.runtime.claim_states import Busy, Stored
from constructs_lib.runtime.claims import Claims
from constructs_lib.runtime.deadline import Deadline
from constructs_lib.runtime.partiql import Answer, Fate
from tests.unit.runtime.fakes import FakeContext

NOW = 1_000_000.0
CLAIM = Claim(
    Stored(
        id="message#m-1", state="claimed", token="mine", digest="d", claimed_until=NOW + 30, expiration=int(NOW) + 60
    )
)


@dataclass
class Store:
    """Answers every write by the same, and every read by *found*."""

    fate: Fate
    found: Stored | Away | None = None
    writes: int = 0

    def insert(self, items: Sequence[Stored], deadline: Deadline) -> Sequence[Answer]:
        return self._written(len(items))

    def swap(self, swaps: Sequence[Swap], deadline: Deadline) -> Sequence[Answer]:
        return self._written(len(swaps))

    def remove(self, items: Sequence[Stored], deadline: Deadline) -> Sequence[Answer]:
        return self._written(len(items))

    def read(self, ids: Sequence[str], deadline: Deadline, *, consistent: bool) -> Mapping[str, Stored | Away | None]:
        return dict.fromkeys(ids, self.found)

    def _written(self, number: int) -> Sequence[Answer]:
        self.writes += 1
        return [Answer(self.fate, "throttled")] * number


def claims(store: Store) -> Claims:
    return Claims(store, scope="message", remember_seconds=60, new_token=lambda: "mine")


def deadline(seconds: float = 30.0) -> Deadline:
    return Deadline(FakeContext(timeout_seconds=seconds))


def test_claim_that_is_gone_is_given_back() -> None:
    """A store may call it unmet to remove what an earlier try has removed; but nothing that is gone was completed."""
    store = Store(Fate.UNMET)
    assert claims(store).give_back([CLAIM], deadline=deadline()) == [Kept()]
    assert claims(store).complete([(CLAIM, 1)], now=NOW, deadline=deadline()) == [Lost(None)]


def test_end_of_a_claim_is_asked_for_twice() -> None:
    """And no more: the invocation has an end, too."""
    for found in (None, Away("gone")):
        store = Store(Fate.AWAY if found is None else Fate.UNMET, found)
        assert isinstance(claims(store).complete([(CLAIM, 1)], now=NOW, deadline=deadline())[0], Away)
        assert store.writes == 2


def test_what_others_take_and_give_back_all_the_time_has_to_wait() -> None:
    """It is not looked at for ever, and never taken without an answer that says so."""
    store = Store(Fate.UNMET)
    taken = claims(store).take([Wanted(record_id="m-1", digest="d")], now=lambda: NOW, deadline=deadline())
    assert isinstance(taken["m-1"], Busy)
    assert store.writes < 10


def test_nothing_wanted_is_no_question() -> None:
    """An empty batch costs nothing."""
    store = Store(Fate.WRITTEN)
    assert claims(store).take([], now=lambda: NOW, deadline=deadline()) == {}
    assert claims(store).give_back([], deadline=deadline()) == []
    assert store.writes == 0
