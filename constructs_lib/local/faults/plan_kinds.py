"""The kinds of faults a plan can name. Each class is one `what`; its fields are the keys it takes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Final


@dataclass(frozen=True, slots=True, kw_only=True)
class ThirdParty:
    """A service outside AWS fails everybody who calls it.

    Attributes:
        where: Its name.
        mode: `down`: 503; `refuse`: the connection breaks before the answer; `slow`: answers late; `hanging`: never
            answers; `throttled`: 429 with Retry-After; `garbled`: the answer is nonsense.
        by: Seconds by which `slow` is late. Default: 1.
        retry_after: Seconds that `throttled` asks for. Default: 2.
    """

    MODES: ClassVar = ("down", "refuse", "slow", "hanging", "throttled", "garbled")
    where: str
    mode: str
    by: float = 1.0
    retry_after: float = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """An operation of an AWS service fails in a region.

    Attributes:
        where: `service:Operation`, for instance `dynamodb:PutItem`; `dynamodb:*` is every one.
        mode: `throttled`: the service's throttling error; `failed`: 500; `slow`: answers late.
        region: Where. Default: everywhere.
        by: Seconds by which `slow` is late. Default: 1.
    """

    MODES: ClassVar = ("throttled", "failed", "slow")
    where: str
    mode: str
    region: str | None = None
    by: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionLoss:
    """Everything in a region stops at once; its data stays.

    Attributes:
        where: The region.
        mode: `lost`.
    """

    MODES: ClassVar = ("lost",)
    where: str
    mode: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition:
    """Two regions do not reach each other: nothing replicates between them.

    Attributes:
        where: The two regions.
        mode: `cut`.
    """

    MODES: ClassVar = ("cut",)
    where: tuple[str, str]
    mode: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionFault:
    """A function of the app is broken.

    Attributes:
        where: Its name, or the part of it that tells it from others.
        mode: `raises`: on whatever it is given; `unloadable`: it does not start; `crash`: its process dies in the
            middle of a batch.
        region: Where. Default: everywhere.
    """

    MODES: ClassVar = ("raises", "unloadable", "crash")
    where: str
    mode: str
    region: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PoisonRecord:
    """One record that nobody can process arrives, when the fault begins.

    Attributes:
        where: Name of the dependency on whose stream it arrives.
        mode: `unreadable`.
        region: Where. Default: everywhere.
    """

    MODES: ClassVar = ("unreadable",)
    where: str
    mode: str
    region: str | None = None


Fault = ThirdParty | Operation | RegionLoss | Partition | FunctionFault | PoisonRecord

KINDS: Final[Mapping[str, type[Fault]]] = {
    "third-party": ThirdParty,
    "operation": Operation,
    "region": RegionLoss,
    "partition": Partition,
    "function": FunctionFault,
    "record": PoisonRecord,
}
"""`what` to its class."""


def in_words(fault: Fault) -> str:
    """A fault in a few words: `third-party slack down`."""
    what = next(name for name, kind in KINDS.items() if isinstance(fault, kind))
    where = fault.where if isinstance(fault.where, str) else " and ".join(fault.where)
    region = getattr(fault, "region", None)
    return f"{what} {where} {fault.mode}{f' in {region}' if region else ''}"
