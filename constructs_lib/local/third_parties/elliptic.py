"""Keys and signatures on the elliptic curve P-256, in plain Python.

For certificates that live as long as one local cloud and are trusted by its functions only. It takes its time, and says
by that time something about the key: fit for nothing else.

Facts: the curve in NIST SP 800-186, section 3.2.1.3; the signature in FIPS 186-5, section 6.4.1.
"""

import hashlib
import secrets
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

_PRIME: Final = 2**256 - 2**224 + 2**192 + 2**96 - 1
_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_BASE: Final = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)
_SIZE: Final = 32

# None is the point at infinity.
_Point = tuple[int, int] | None


def _random() -> int:
    return secrets.randbelow(_ORDER - 1) + 1


@dataclass(frozen=True)
class Key:
    """A private key, made at random.

    Attributes:
        secret: The number that it is.
    """

    secret: int = field(default_factory=_random, repr=False)

    @property
    def private(self) -> bytes:
        """The number as 32 bytes."""
        return self.secret.to_bytes(_SIZE)

    @cached_property
    def public(self) -> bytes:
        """The public key, as an uncompressed point: 4, then both coordinates."""
        x, y = _finite(_times(self.secret, _BASE))
        return b"\4" + x.to_bytes(_SIZE) + y.to_bytes(_SIZE)

    def sign(self, message: bytes) -> tuple[int, int]:
        """The two numbers of the signature of *message* by SHA-256."""
        digest = int.from_bytes(hashlib.sha256(message).digest())
        while True:
            once = _random()
            first = _finite(_times(once, _BASE))[0] % _ORDER
            second = pow(once, -1, _ORDER) * (digest + first * self.secret) % _ORDER
            if first and second:
                return first, second


def _finite(point: _Point) -> tuple[int, int]:
    # A multiple of the base by less than its order never is the point at infinity.
    assert point is not None
    return point


def _times(factor: int, point: _Point) -> _Point:
    product: _Point = None
    while factor:
        if factor & 1:
            product = _sum(product, point)
        point = _sum(point, point)
        factor >>= 1
    return product


def _sum(a: _Point, b: _Point) -> _Point:
    if a is None or b is None:
        return a or b
    (ax, ay), (bx, by) = a, b
    if ax == bx and (ay + by) % _PRIME == 0:
        return None
    # The curve is y² = x³ - 3x + b.
    slope = (3 * ax * ax - 3) * pow(2 * ay, -1, _PRIME) if a == b else (by - ay) * pow(bx - ax, -1, _PRIME)
    x = (slope * slope - ax - bx) % _PRIME
    return x, (slope * (ax - x) - ay) % _PRIME
