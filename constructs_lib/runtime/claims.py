"""Claims on messages: taken, completed and given back for a whole batch at a time, whatever others do meanwhile.

A claim is taken by writing it where nothing is, or in place of what was seen there and counts no more. Every later
change of it is conditional on its token, so that an owner that somebody has taken over from changes nothing.
Requests whose answers were lost are made again; what they had done already is recognised by the token.
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from uuid import uuid4

from constructs_lib.runtime.claim_ports import Away, Claim, ClaimStore, Ending, Kept, Lost, Swap, Taken, Wanted
from constructs_lib.runtime.claim_states import (
    LEFT_OPEN,
    Absent,
    Busy,
    Lapsed,
    Mismatch,
    Own,
    Repeated,
    Stored,
    Verdict,
    item_id,
    judge,
)
from constructs_lib.runtime.deadline import Deadline
from constructs_lib.runtime.partiql import Answer, Fate

LARGEST_RESULT_BYTES = 256 * 1024
"""The largest result that is stored, as JSON in UTF-8: an item may have 400 KB with its names and all else in it."""

# So many times a message is looked at again that others claim and give back at the same time.
_ROUNDS = 4
# When they have surely got on with it.
_CONTENDED_SECONDS = 1.0
_TRIES_TO_END = 2


@dataclass(slots=True)
class _Seeker:
    """The way of one message to a claim.

    Args:
        claim: What it wants to write.
        verdict: What was seen last; None: it has to look.
        taken: What came of it, once that is known.
    """

    claim: Claim
    verdict: Verdict | None = field(default_factory=Absent)
    taken: Taken | None = None

    def answered(self, answer: Answer) -> None:
        """Learn what came of a write."""
        match answer.fate:
            case Fate.WRITTEN:
                self.taken = self.claim
            case Fate.DUPLICATE | Fate.UNMET:
                self.verdict = None
            case _:
                self.taken = Away(answer.reason)

    def saw(self, found: Stored | Away | None, now: float) -> None:
        """Learn what is there."""
        if isinstance(found, Away):
            self.taken = found
            return
        mine = self.claim.stored
        self.verdict = judge(found, digest=mine.digest, token=mine.token, now=now)
        match self.verdict:
            case Own():
                self.taken = self.claim
            case Repeated() | Mismatch() | Busy():
                self.taken = self.verdict
            case Lapsed():
                # A doubt stays with the message, though the claim that left it may be gone at the next look.
                self.claim = replace(self.claim, in_doubt=self.claim.in_doubt or self.verdict.in_doubt)


class Claims:
    """Takes, completes and gives back claims. Several threads may do so with one message each.

    Args:
        store: Where they are kept.
        scope: Whose messages these are; another scope knows nothing of them.
        remember_seconds: How long a message that is done is remembered.
        new_token: Makes a token that nobody else has.
    """

    def __init__(
        self,
        store: ClaimStore,
        *,
        scope: str,
        remember_seconds: int,
        new_token: Callable[[], str] = lambda: uuid4().hex,
    ) -> None:
        self._store = store
        self._scope = scope
        self._remember_seconds = remember_seconds
        self._new_token = new_token

    def take(self, wanted: Sequence[Wanted], *, now: Callable[[], float], deadline: Deadline) -> Mapping[str, Taken]:
        """Claim messages until the end of the invocation; return by record id what came of each.

        Args:
            wanted: The messages, each once.
            now: Clock, seconds since 1970.
            deadline: Of the invocation.
        """
        seekers = {want.record_id: self._seeker(want, now(), deadline) for want in wanted}
        self._look_back([seekers[want.record_id] for want in wanted if want.redelivered], now, deadline)
        for _ in range(_ROUNDS):
            self._round([seeker for seeker in seekers.values() if not seeker.taken], now, deadline)
        contended = Busy(now() + _CONTENDED_SECONDS)
        return {record_id: seeker.taken or contended for record_id, seeker in seekers.items()}

    def complete(self, results: Sequence[tuple[Claim, object]], *, now: float, deadline: Deadline) -> Sequence[Ending]:
        """Record that messages are done; return what came of each.

        A result that cannot be stored is left out and the message recorded as done all the same: its effect has
        happened.

        Args:
            results: The claims, each with what the handler returned.
            now: Seconds since 1970.
            deadline: Of the invocation.
        """
        expiration = math.ceil(now + self._remember_seconds)
        items = []
        for claim, result in results:
            text, left_out = _as_json(result)
            items.append(replace(claim.stored, state="done", result=text, left_out=left_out, expiration=expiration))
        return self._end(items, self._swap_own, deadline)

    def give_back(self, claims: Sequence[Claim], *, deadline: Deadline) -> Sequence[Ending]:
        """Let go of messages whose effect has not happened; return what came of each."""
        return self._end([claim.stored for claim in claims], self._store.remove, deadline, removes=True)

    def leave_open(self, claims: Sequence[Claim], *, deadline: Deadline) -> Sequence[Ending]:
        """Let go of messages whose effect may have happened, so that whoever claims them next is told."""
        items = [replace(claim.stored, claimed_until=LEFT_OPEN) for claim in claims]
        return self._end(items, self._swap_own, deadline)

    def _swap_own(self, items: Sequence[Stored], deadline: Deadline) -> Sequence[Answer]:
        return self._store.swap([Swap(Lapsed(item.token, "claimed"), item) for item in items], deadline)

    def _seeker(self, want: Wanted, now: float, deadline: Deadline) -> _Seeker:
        claimed_until = now + deadline.seconds_left
        return _Seeker(
            Claim(
                Stored(
                    id=item_id(self._scope, want.record_id),
                    state="claimed",
                    token=self._new_token(),
                    digest=want.digest,
                    claimed_until=claimed_until,
                    expiration=math.ceil(max(now + self._remember_seconds, claimed_until)),
                )
            )
        )

    def _look_back(self, seekers: Sequence[_Seeker], now: Callable[[], float], deadline: Deadline) -> None:
        """Look for those that are probably known: an old state is cheap to read, and what is done stays done.

        A read that fails says nothing, and what it does not find may be there: the write will tell.
        """
        if not seekers:
            return
        found = self._store.read([seeker.claim.stored.id for seeker in seekers], deadline, consistent=False)
        for seeker in seekers:
            stored = found[seeker.claim.stored.id]
            if not isinstance(stored, Stored):
                continue
            verdict = judge(stored, digest=seeker.claim.stored.digest, token="", now=now())
            if isinstance(verdict, Repeated):
                seeker.taken = verdict
            else:
                seeker.verdict = None

    def _round(self, seekers: Sequence[_Seeker], now: Callable[[], float], deadline: Deadline) -> None:
        """Bring seekers one step on: write where nothing should be, look where something was, replace what lapsed."""
        absent = [seeker for seeker in seekers if isinstance(seeker.verdict, Absent)]
        if absent:
            answers = self._store.insert([seeker.claim.stored for seeker in absent], deadline)
            for seeker, answer in zip(absent, answers, strict=True):
                seeker.answered(answer)
        unseen = [seeker for seeker in seekers if seeker.verdict is None]
        if unseen:
            found = self._store.read([seeker.claim.stored.id for seeker in unseen], deadline, consistent=True)
            for seeker in unseen:
                seeker.saw(found[seeker.claim.stored.id], now())
        lapsed = [(seeker, seeker.verdict) for seeker in seekers if isinstance(seeker.verdict, Lapsed)]
        if lapsed:
            answers = self._store.swap([Swap(seen, seeker.claim.stored) for seeker, seen in lapsed], deadline)
            for (seeker, _), answer in zip(lapsed, answers, strict=True):
                seeker.answered(answer)

    def _end(
        self,
        items: Sequence[Stored],
        write: Callable[[Sequence[Stored], Deadline], Sequence[Answer]],
        deadline: Deadline,
        *,
        removes: bool = False,
    ) -> Sequence[Ending]:
        """Have own claims changed to *items*, or removed; ask once more for what the store does not answer."""
        endings: dict[str, Ending] = {}
        left = items
        for _ in range(_TRIES_TO_END if items else 0):
            unmet = []
            for item, answer in zip(left, write(left, deadline), strict=True):
                match answer.fate:
                    case Fate.WRITTEN:
                        endings[item.id] = Kept(item.left_out)
                    case Fate.DUPLICATE | Fate.UNMET:
                        unmet.append(item)
                    case _:
                        endings[item.id] = Away(answer.reason)
            found = self._store.read([item.id for item in unmet], deadline, consistent=True) if unmet else {}
            endings |= {item.id: _ending(item, found[item.id], removes=removes) for item in unmet}
            left = [item for item in items if isinstance(endings[item.id], Away)]
            if not left or deadline.seconds_to_reserve <= 0:
                break
        return [endings[item.id] for item in items]


def _ending(item: Stored, found: Stored | Away | None, *, removes: bool) -> Ending:
    """Say what it means that the condition on an own claim did not hold: it is lost, or an answer was."""
    if isinstance(found, Away):
        return found
    if found is None:
        return Kept() if removes else Lost(None)
    return Kept(item.left_out) if found.token == item.token else Lost(found)


def _as_json(result: object) -> tuple[str | None, str]:
    """Return a result as it is stored, or why it is not."""
    try:
        text = json.dumps(result, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        size = len(text.encode())
    except (TypeError, ValueError, RecursionError):
        return None, f"the result is no JSON: {type(result).__name__}"
    if size > LARGEST_RESULT_BYTES:
        return None, f"the result has {size} bytes as JSON, at most {LARGEST_RESULT_BYTES} are stored"
    return text, ""
