"""Effects outside: claim, call, record.

Messages are claimed for a whole batch before the first is handled, and what was not done is given back together at its
end. In between, a call is recorded before the next one begins, so that a crash leaves no more calls in doubt than were
in flight; where the receiver tells copies apart itself, all are recorded together at the end.

A handler that raises says that nothing has happened: its message is free at once. Where it may not know, a time-out for
one, `reconcile` has to be set: then the next attempt asks first, as after a crash.
"""

import json
from collections import deque
from collections.abc import Collection, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial

from constructs_lib.runtime.claim_ports import Away, Claim, Ending, Kept, Lost, Wanted
from constructs_lib.runtime.claim_states import Busy, Mismatch, Repeated
from constructs_lib.runtime.claims import Claims
from constructs_lib.runtime.crew import Crew
from constructs_lib.runtime.effects import Outside
from constructs_lib.runtime.outcomes import (
    Delivery,
    Done,
    Failed,
    Held,
    NotBegun,
    Outcome,
    Refused,
    Returned,
    Work,
    mismatch,
)


@dataclass(frozen=True, slots=True)
class _Claimed:
    """A delivery whose claim is held."""

    delivery: Delivery
    claim: Claim

    @property
    def position(self) -> str:
        return self.delivery.arrival.position


@dataclass(frozen=True, slots=True)
class _Called:
    """A call that has ended.

    Args:
        claimed: With what.
        ending: What the handler did.
        open: Whether its effect may have happened though it did not return.
    """

    claimed: _Claimed
    ending: Returned | Held | Refused | Failed
    open: bool = False


class OutsideEngine:
    """Settles deliveries whose effect is outside. Several threads may settle one delivery each.

    Counts `StoreErrors`: messages for which the store did not answer; and `ClaimsLost`: messages another worker took
    over while this one was at work, so that their effect may have happened twice; and `MessagesReplayed`: messages of the
    past, for which nothing is called and nothing claimed.

    Args:
        effect: What the handler's effect is like.
        claims: On messages.
    """

    def __init__(self, effect: Outside, *, claims: Claims) -> None:
        self._effect = effect
        self._claims = claims
        self._crew: Crew[_Called | BaseException] = Crew()

    def settle(self, deliveries: Sequence[Delivery], work: Work) -> Mapping[str, Outcome]:
        """Settle each of *deliveries*, none of which share an id; return the outcomes by `arrival.position`."""
        current = [each for each in deliveries if not each.record.replay]
        outcomes: dict[str, Outcome] = {each.arrival.position: Done() for each in deliveries if each.record.replay}
        if outcomes:
            work.watch.count("MessagesReplayed", len(outcomes))
        wanted = [
            Wanted(record_id=each.record.id, digest=each.digest, redelivered=each.arrival.deliveries > 1)
            for each in current
        ]
        taken = self._claims.take(wanted, now=work.now, deadline=work.deadline)
        claimed: list[_Claimed] = []
        for delivery in current:
            found = taken[delivery.record.id]
            if isinstance(found, Claim):
                claimed.append(_Claimed(delivery, found))
            else:
                outcomes[delivery.arrival.position] = _unclaimed(delivery, found, work)
        outcomes.update(self._carry_out(claimed, work))
        return outcomes

    def _carry_out(self, claimed: Sequence[_Claimed], work: Work) -> Mapping[str, Outcome]:
        """Call the handler with what is claimed, as far as time reaches, and leave no claim standing."""
        outcomes: dict[str, Outcome] = {each.position: NotBegun() for each in claimed}
        unrecorded: list[_Called] = []
        in_the_open: set[str] = set()
        if self._effect.reconcile:
            in_the_open |= {each.position for each in claimed if each.claim.in_doubt}
        with closing(self._calls(claimed, work)) as calls:
            for ended in calls:
                for call in ended:
                    position = call.claimed.position
                    if isinstance(call.ending, Returned):
                        outcomes[position] = Done(call.ending.value)
                        unrecorded.append(call)
                    else:
                        outcomes[position] = call.ending
                        (in_the_open.add if call.open else in_the_open.discard)(position)
                if not self._effect.receiver_key:
                    self._record(unrecorded, work)
                    unrecorded = []
        self._record(unrecorded, work)
        undone = [each for each in claimed if not isinstance(outcomes[each.position], Done)]
        self._let_go(undone, in_the_open, work)
        return outcomes

    def _calls(self, claimed: Sequence[_Claimed], work: Work) -> Generator[list[_Called], None, None]:
        """Make the calls, as many at once as may be; what has ended is recorded before another begins."""
        waiting = deque(claimed)
        lanes = min(self._effect.concurrency, len(claimed))
        if lanes <= 1:
            while waiting and work.deadline.leaves_time():
                yield [self._call(waiting.popleft(), work)]
            return
        running = 0
        try:
            while running or (waiting and work.deadline.leaves_time()):
                while waiting and running < lanes and work.deadline.leaves_time():
                    self._crew.begin(partial(self._call_in_thread, waiting.popleft(), work))
                    running += 1
                ended = self._crew.ended(within=1.0)
                running -= len(ended)
                for each in ended:
                    if isinstance(each, BaseException):
                        raise each
                yield [each for each in ended if isinstance(each, _Called)]
        finally:
            self._crew.see_off()

    def _call_in_thread(self, claimed: _Claimed, work: Work) -> _Called | BaseException:
        try:
            return self._call(claimed, work)
        except BaseException as error:  # noqa: BLE001 - it is raised again in the thread that conducts the invocation
            return error

    def _call(self, claimed: _Claimed, work: Work) -> _Called:
        delivery, reconcile = claimed.delivery, self._effect.reconcile
        if claimed.claim.in_doubt and reconcile:
            asked = replace(work, handler=reconcile).attempt(delivery)
            if not isinstance(asked, Returned):
                return _Called(claimed, asked, open=True)
            if asked.value is not None:
                work.watch.info("call found to have taken place", **_about(delivery))
                return _Called(claimed, asked)
        elif claimed.claim.in_doubt:
            work.watch.warning("an earlier attempt ended in the open: the call may be a repetition", **_about(delivery))
        ending = work.attempt(delivery)
        return _Called(claimed, ending, open=bool(reconcile) and isinstance(ending, Held | Failed))

    def _record(self, calls: Sequence[_Called], work: Work) -> None:
        """Record that calls have taken place. They have, whatever becomes of the record: their messages are done."""
        results = [(call.claimed.claim, call.ending.value) for call in calls if isinstance(call.ending, Returned)]
        endings = self._claims.complete(results, now=work.now(), deadline=work.deadline)
        for call, ending in zip(calls, endings, strict=True):
            about = _about(call.claimed.delivery)
            match ending:
                case Kept(left_out) if left_out:
                    work.watch.warning("message recorded as done without its result", reason=left_out, **about)
                case Away(reason):
                    work.watch.count("StoreErrors")
                    work.watch.error("message done but not recorded: a copy may repeat it", reason=reason, **about)
                case Lost():
                    work.watch.count("ClaimsLost")
                    work.watch.error("message done, but another worker had taken it over and may repeat it", **about)

    def _let_go(self, undone: Sequence[_Claimed], in_the_open: Collection[str], work: Work) -> None:
        """Give claims back; those that cannot be end with the invocation."""
        free = [each for each in undone if each.position not in in_the_open]
        open_ones = [each for each in undone if each.position in in_the_open]
        endings: list[Ending] = [
            *self._claims.give_back([each.claim for each in free], deadline=work.deadline),
            *self._claims.leave_open([each.claim for each in open_ones], deadline=work.deadline),
        ]
        for each, ending in zip([*free, *open_ones], endings, strict=True):
            if isinstance(ending, Away):
                work.watch.count("StoreErrors")
                work.watch.warning(
                    "claim stands until the invocation's end", reason=ending.reason, **_about(each.delivery)
                )
            elif isinstance(ending, Lost):
                work.watch.count("ClaimsLost")
                work.watch.error("another worker had taken the message over meanwhile", **_about(each.delivery))


def _unclaimed(delivery: Delivery, found: Repeated | Mismatch | Busy | Away, work: Work) -> Outcome:
    match found:
        case Repeated(result):
            return Done(None if result is None else json.loads(result), repeated=True)
        case Mismatch():
            return mismatch(delivery.record.id)
        case Busy(until):
            return Held("a copy of it is being worked on", retry_after=max(0.0, until - work.now()))
        case Away(reason):
            work.watch.count("StoreErrors")
            return Held(f"the idempotency store does not answer: {reason}")


def _about(delivery: Delivery) -> dict[str, str]:
    return {"record_id": delivery.record.id, "position": delivery.arrival.position}
