"""The faults that a dependency, or the function that calls it, is struck by."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from tests.unit.runtime.stream_model import Nature

CLIENT_TIMEOUT_SECONDS = 4.0
SLOW_SECONDS = 3.0
GARBLED_SECONDS = 1.0
POISON_EVERY_SECONDS = 8


class Fault(StrEnum):
    """What goes wrong; the values are what the page calls it."""

    DOWN = "down"
    SLOW = "slow"
    HANGING = "hanging"
    THROTTLED = "429 for one tenant"
    GARBLED = "garbled answers"
    BUG = "handler bug"
    POISON = "poison record"
    CRASH = "crash"


MEANING = {
    Fault.DOWN: "every call is answered with 503 (`DependencyUnavailable`)",
    Fault.SLOW: f"every call takes {SLOW_SECONDS:g} s, and succeeds",
    Fault.HANGING: (
        f"no call is answered; the handler gives up after {CLIENT_TIMEOUT_SECONDS:g} s (`DependencyUnavailable`)"
    ),
    Fault.THROTTLED: "one of four tenants is refused with Retry-After (`TenantUnavailable`)",
    Fault.GARBLED: f"every call is answered with nonsense after {GARBLED_SECONDS:g} s (`DependencyUnavailable`)",
    Fault.BUG: "the handler raises `KeyError` on every record",
    Fault.POISON: f"the handler raises `KeyError` on one record every {POISON_EVERY_SECONDS} s, whenever it is tried",
    Fault.CRASH: "the function ends with every call, as where memory is too small",
}


@dataclass(frozen=True, slots=True)
class Message:
    """One record that is sent, the same one in every run.

    Args:
        dependency: Whom it is for.
        number: Its place among those for this dependency.
        at: When it is sent, in seconds from the start.
        key: What order is kept by; the first letter is its tenant's.
        seconds: How long a call with it takes.
    """

    dependency: str
    number: int
    at: float
    key: str
    seconds: float

    @property
    def tenant(self) -> str:
        return self.key[0]


@dataclass(frozen=True, slots=True)
class Trouble:
    """A fault of one dependency.

    Args:
        fault: What goes wrong.
        dependency: Whose calls it concerns.
        tenant: Who is refused, where it is one tenant.
        poison: The numbers of the messages that can never succeed, where it is those.
        begin: When it begins, in seconds from the start.
        end: When it is over.
    """

    fault: Fault
    dependency: str
    tenant: str
    poison: frozenset[int]
    begin: float
    end: float

    def strikes(self, message: Message) -> bool:
        """Whether a call with *message* may meet the fault."""
        if message.dependency != self.dependency:
            return False
        if self.fault is Fault.POISON:
            return message.number in self.poison
        return self.fault is not Fault.THROTTLED or message.tenant == self.tenant

    def meets(self, message: Message, now: float) -> tuple[Nature, float]:
        """What a call with *message* meets that begins now, and how many seconds it takes."""
        lasts = self.fault is Fault.POISON or self.begin <= now < self.end
        if not lasts or not self.strikes(message):
            return "fine", message.seconds
        nature, seconds = _CALLS[self.fault]
        return nature, message.seconds if seconds is None else seconds


# What becomes of a call, and how long it takes; None: as long as always.
_CALLS: Mapping[Fault, tuple[Nature, float | None]] = {
    Fault.DOWN: ("unanswered", None),
    Fault.SLOW: ("fine", SLOW_SECONDS),
    Fault.HANGING: ("unanswered", CLIENT_TIMEOUT_SECONDS),
    # The model refuses the tenant by itself.
    Fault.THROTTLED: ("fine", None),
    Fault.GARBLED: ("unanswered", GARBLED_SECONDS),
    Fault.BUG: ("buggy", 0.0),
    Fault.POISON: ("buggy", 0.0),
    Fault.CRASH: ("crashing", 0.0),
}
