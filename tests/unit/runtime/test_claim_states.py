"""What is to be done with a message, by what the store holds of it."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from constructs_lib.runtime.claim_states import (
    CLOCK_MARGIN_SECONDS,
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

NOW = 1_000_000.0


def item(**fields: Any) -> Stored:
    values: dict[str, Any] = {
        "id": "message#m-1",
        "state": "claimed",
        "token": "theirs",
        "digest": "d",
        "claimed_until": NOW + 30,
        "expiration": int(NOW) + 3_600,
    }
    return Stored(**(values | fields))


def judged(stored: Stored | None, *, digest: str = "d", now: float = NOW) -> Verdict:
    return judge(stored, digest=digest, token="mine", now=now)


def test_message_nobody_has_begun_is_to_be_claimed() -> None:
    """No item: the way is free."""
    assert judged(None) == Absent()


def test_claim_under_the_own_token_is_the_own() -> None:
    """A request whose answer was lost has been carried out: nobody else knows the token."""
    assert judged(item(token="mine")) == Own()


def test_claim_of_another_runs_until_its_invocation_is_surely_over() -> None:
    """By the other's clock that is the end of the invocation; the clocks may differ by the margin, and by no more."""
    stored = item(claimed_until=NOW)
    over = NOW + CLOCK_MARGIN_SECONDS
    assert judged(stored, now=over - 0.001) == Busy(over)
    assert judged(stored, now=over) == Lapsed("theirs", "claimed")


def test_lapsed_claim_leaves_a_doubt_and_a_done_message_none() -> None:
    """Who crashed may have come far; what is done and forgotten has certainly happened once."""
    lapsed = judged(item(claimed_until=LEFT_OPEN))
    forgotten = judged(item(state="done", expiration=int(NOW)))
    assert isinstance(lapsed, Lapsed)
    assert lapsed.in_doubt
    assert isinstance(forgotten, Lapsed)
    assert not forgotten.in_doubt


def test_done_message_is_repeated_until_it_expires() -> None:
    """The end is judged by the clock here, to the second: the item itself may be there for days after it."""
    stored = item(state="done", result='{"n":1}', expiration=int(NOW))
    assert judged(stored, now=NOW - 0.001) == Repeated('{"n":1}')
    assert judged(stored, now=NOW) == Lapsed("theirs", "done")


def test_other_payload_under_a_known_id_is_refused() -> None:
    """Done, running or lapsed: as long as the id is remembered, it belongs to the first payload."""
    for stored in (item(state="done"), item(), item(claimed_until=LEFT_OPEN)):
        assert judged(stored, digest="other") == Mismatch()


def test_id_is_free_for_another_payload_once_forgotten() -> None:
    """After the time to remember, an id may be used anew; but never under the hands of a claim that runs."""
    past = int(NOW)
    assert judged(item(state="done", expiration=past), digest="other") == Lapsed("theirs", "done")
    assert judged(item(claimed_until=LEFT_OPEN, expiration=past), digest="other") == Lapsed("theirs", "claimed")
    assert judged(item(expiration=past), digest="other") == Mismatch()


@given(
    end=st.floats(min_value=-100, max_value=100),
    ahead=st.floats(min_value=-CLOCK_MARGIN_SECONDS, max_value=CLOCK_MARGIN_SECONDS),
    wait=st.floats(min_value=-100, max_value=100),
)
def test_no_claim_lapses_under_its_owner(end: float, ahead: float, wait: float) -> None:
    """Whatever the moment, and however the clocks differ within the margin: who is at work is not taken over."""
    owners_clock = NOW + wait
    verdict = judged(item(claimed_until=NOW + end), now=owners_clock + ahead)
    if owners_clock < NOW + end - 1e-6:
        assert isinstance(verdict, Busy)


def test_item_is_named_by_its_message_as_far_as_an_item_can_be() -> None:
    """Names that are too long, or no text that can be stored, are hashed; scopes keep theirs apart."""
    assert item_id("message", "m-1") == "message#m-1"
    assert item_id("message", "ä" * 496) == "message#" + "ä" * 496
    hashed = {item_id(scope, name) for scope in ("a", "b") for name in ("ä" * 500, "x" * 1_000, "\ud800", "\udfff")}
    assert len(hashed) == 8
    assert {len(name) for name in hashed} == {64}
