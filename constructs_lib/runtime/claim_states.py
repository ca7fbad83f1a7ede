"""What a claim on a message means to whoever wants the message next: a pure decision, without clock or store.

Whoever is about to cause an effect outside claims the message first, under a token that nobody else has, until the end
of its own invocation: after that it cannot be at work any more. What is stored then is one of these:

* nothing: nobody has begun, or whoever did has failed and said so;
* a claim that runs: somebody is at work;
* a claim that has lapsed: somebody was at work, and nobody knows how far it came;
* done, with the result: for as long as messages are remembered.
"""

import hashlib
from dataclasses import dataclass
from typing import Literal

State = Literal["claimed", "done"]

CLOCK_MARGIN_SECONDS = 5.0
"""Clocks of two workers may differ by so much: a claim of another runs until so long after its end, by the clock here."""

LEFT_OPEN = 0.0
"""`claimed_until` of a claim whose owner has failed and does not know what came of it."""


# A partition key has at most 2,048 bytes (DynamoDB quotas); what is longer than this is named by its hash.
_LONGEST_ID_BYTES = 1_000


def item_id(scope: str, record_id: str) -> str:
    """Return what a message is called in the store."""
    name = f"{scope}#{record_id}"
    # JSON can spell half of a surrogate pair, which no item can hold; one such id must not fail the others of its batch.
    encoded = name.encode(errors="surrogatepass")
    is_text = not any("\ud800" <= character <= "\udfff" for character in name)
    return name if is_text and len(encoded) <= _LONGEST_ID_BYTES else hashlib.sha256(encoded).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """The item of one message, as the store keeps it. Times are seconds since 1970.

    Args:
        id: Names the message in the store.
        state: Whether somebody has claimed it, or it is done.
        token: Of the claim, made anew for each; what is done keeps that of the claim under which it was done.
        digest: Of the payload: another payload under the same id is another message, wrongly named.
        claimed_until: When the invocation ends that claimed it, by the clock there.
        expiration: From when on it counts as not being there.
        result: What the handler returned, as JSON; None while it is not done, and where it was not stored.
        left_out: Why a result was not stored; empty where it was.
    """

    id: str
    state: State
    token: str
    digest: str
    claimed_until: float
    expiration: int
    result: str | None = None
    left_out: str = ""


@dataclass(frozen=True, slots=True)
class Absent:
    """Nobody has begun: claim it."""


@dataclass(frozen=True, slots=True)
class Own:
    """The claim is the asker's own: an earlier request for it was carried out, only its answer was lost."""


@dataclass(frozen=True, slots=True)
class Repeated:
    """It is done: do not do it again.

    Args:
        result: What the handler returned the first time, as JSON; None where it was not stored.
        left_out: Why it was not stored.
    """

    result: str | None
    left_out: str = ""


@dataclass(frozen=True, slots=True)
class Mismatch:
    """Its id belongs to another payload."""


@dataclass(frozen=True, slots=True)
class Busy:
    """Somebody else may be at work on it.

    Args:
        until: When the claim has surely lapsed, by the asker's clock.
    """

    until: float


@dataclass(frozen=True, slots=True)
class Lapsed:
    """What is there counts no more: put a claim in its place, if it is still the same.

    Both must be as seen: the owner of a claim that has lapsed may still say that it is done, under the same token.

    Args:
        token: What is seen there.
        state: What is seen there.
    """

    token: str
    state: State

    @property
    def in_doubt(self) -> bool:
        """Whether the effect may have happened: the owner crashed, or failed and did not know."""
        return self.state == "claimed"


Verdict = Absent | Own | Repeated | Mismatch | Busy | Lapsed


def judge(stored: Stored | None, *, digest: str, token: str, now: float) -> Verdict:  # noqa: PLR0911 - one per verdict
    """Say what is to be done with a message.

    Args:
        stored: What a strongly consistent read found.
        digest: Of the payload that has arrived.
        token: With which the asker wants to claim it.
        now: The asker's clock.
    """
    if stored is None:
        return Absent()
    if stored.token == token:
        return Own()
    runs_until = stored.claimed_until + CLOCK_MARGIN_SECONDS
    is_running = stored.state == "claimed" and now < runs_until
    if now >= stored.expiration and not is_running:
        return Lapsed(stored.token, stored.state)
    if stored.digest != digest:
        return Mismatch()
    if is_running:
        return Busy(runs_until)
    if stored.state == "done":
        return Repeated(stored.result, stored.left_out)
    return Lapsed(stored.token, stored.state)
