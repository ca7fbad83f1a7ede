"""The encoding that certificates and keys are written in: DER, as far as they take.

Facts: X.690, chapters 8 and 10.
"""

from typing import Final

OCTETS: Final = 4
TEXT: Final = 12
TIME: Final = 23
SEQUENCE: Final = 48
SET: Final = 49
_INTEGER, _BITS, _IDENTIFIER = 2, 3, 6

YES: Final = bytes([1, 1, 255])
"""The value "true"."""


def element(tag: int, *content: bytes) -> bytes:
    """One element of that type."""
    joined = b"".join(content)
    length = len(joined)
    if length < 128:
        return bytes([tag, length]) + joined
    size = length.to_bytes((length.bit_length() + 7) // 8)
    return bytes([tag, 128 | len(size)]) + size + joined


def number(value: int) -> bytes:
    """A number from 0."""
    # One bit more than the value takes: the first one is the sign.
    return element(_INTEGER, value.to_bytes(value.bit_length() // 8 + 1))


def bits(content: bytes, *, unused: int = 0) -> bytes:
    """Bits, the last *unused* of which do not count."""
    return element(_BITS, bytes([unused]), content)


def identifier(dotted: str) -> bytes:
    """An object identifier."""
    first, second, *others = map(int, dotted.split("."))
    return element(_IDENTIFIER, *(_in_sevens(each) for each in (first * 40 + second, *others)))


def _in_sevens(value: int) -> bytes:
    """*value* in groups of seven bits, all but the last one marked."""
    groups = [value & 127]
    while value := value >> 7:
        groups.append(128 | value & 127)
    return bytes(reversed(groups))
