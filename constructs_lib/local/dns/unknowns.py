"""What AWS's documentation leaves open about Route 53, as enumerated choices.

The first member of each choice is the one used unless told otherwise. Tests run every choice.
docs/conformance/route53.md says for each why it is open.
"""

from dataclasses import dataclass, fields, replace
from enum import Enum, auto
from typing import Any


class EnoughData(Enum):
    """When a new check, healthy so far, has a status of its own."""

    AFTER_THRESHOLD = auto()
    FIRST_RESULT = auto()


class UnfinishedBody(Enum):
    """The text was found, but the body did not end in time."""

    PASSES = auto()
    FAILS = auto()


class CompressedBody(Enum):
    """Which bytes the limit of 5,120 counts when the body is compressed."""

    UNPACKED_BYTES_COUNT = auto()
    PACKED_BYTES_COUNT = auto()


class DisabledInverted(Enum):
    """A check that is both disabled, which is healthy, and inverted."""

    UNHEALTHY = auto()
    HEALTHY = auto()


class HandshakeTime(Enum):
    """Whether the time limit of the connection or that of the answer covers the TLS handshake."""

    PART_OF_ANSWER = auto()
    PART_OF_CONNECTION = auto()


class ResourceTtl(Enum):
    """Seconds that an answer naming a custom domain of API Gateway may be kept."""

    MINUTE = 60
    FIVE_MINUTES = 300
    NONE = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknowns:
    """One choice for everything the documentation leaves open."""

    enough_data: EnoughData = EnoughData.AFTER_THRESHOLD
    unfinished_body: UnfinishedBody = UnfinishedBody.PASSES
    compressed_body: CompressedBody = CompressedBody.UNPACKED_BYTES_COUNT
    disabled_inverted: DisabledInverted = DisabledInverted.UNHEALTHY
    handshake_time: HandshakeTime = HandshakeTime.PART_OF_ANSWER
    resource_ttl: ResourceTtl = ResourceTtl.MINUTE


def choices(name: str) -> tuple[Any, ...]:
    """Every plausible value of the unknown *name*."""
    kind: type[Enum] = type(getattr(Unknowns(), name))
    return tuple(kind)


def variants() -> tuple[Unknowns, ...]:
    """The usual choices, then each other choice by itself."""
    usual = Unknowns()
    others = [replace(usual, **{item.name: choice}) for item in fields(Unknowns) for choice in choices(item.name)[1:]]
    return (usual, *others)
