"""Plain Python values as DynamoDB's attribute values, and back.

======================  =============================================================
Python                  DynamoDB
======================  =============================================================
str                     S
int, Decimal            N, at most 38 digits
bytes                   B
bool                    BOOL
None                    NULL
dict                    M, names are text
list, tuple             L
set, frozenset          SS, NS or BS: values of one kind, at least one
======================  =============================================================

Everything else is refused by name, float too: DynamoDB keeps decimal numbers, and most floats are none. Read back, whole
numbers are int and others Decimal, sets are frozensets, tuples are lists.

Source: Amazon DynamoDB API reference, data type `AttributeValue`; developer guide, "Naming rules and data types".
"""

from collections.abc import Callable, Mapping, Set
from decimal import Decimal
from typing import Any

from constructs_lib.runtime.failures import PermanentFailure

# A number's digits, and the powers of ten its first digit may stand for.
_DIGITS = 38
_LARGEST = 125
_SMALLEST = -130
_MOST_BITS = 420
_NUMBERS = f"a number has at most {_DIGITS} digits and a size between 1E{_SMALLEST} and 1E{_LARGEST}"


class UnsupportedValueError(PermanentFailure, ValueError):
    """A value that a DynamoDB item cannot hold; the reason names the attribute and the kind, never the value."""


def to_attributes(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return *values* as an item, as the DynamoDB API takes it.

    Raises:
        UnsupportedValueError: If an item cannot hold one of them.
    """
    return _map(values, "")


def to_attribute(value: object, *, at: str = "value") -> dict[str, Any]:  # noqa: PLR0911 - one line per kind
    """Return one value as an attribute value; *at* is what an error calls it.

    Raises:
        UnsupportedValueError: If an item cannot hold it.
    """
    match value:
        case None:
            return {"NULL": True}
        case bool():
            return {"BOOL": value}
        case str():
            return {"S": _text(value, at)}
        case int() | Decimal():
            return {"N": _number_text(value, at)}
        case bytes():
            return {"B": value}
        case Mapping():
            return {"M": _map(value, at)}
        case list() | tuple():
            return {"L": [to_attribute(inner, at=f"{at}[{index}]") for index, inner in enumerate(value)]}
        case Set():
            return _set(value, at)
        case float():
            raise UnsupportedValueError(f"{at}: an item holds no float; give an int or a Decimal")
    raise UnsupportedValueError(
        f"{at}: an item holds no {type(value).__name__}; it holds str, int, Decimal, bool, None, bytes, lists, dicts, sets"
    )


def from_attributes(attributes: Mapping[str, Any], *, binary: Callable[[Any], bytes] = bytes) -> dict[str, Any]:
    """Return an item's attributes as plain values.

    Args:
        attributes: As the DynamoDB API gives them.
        binary: Reads binary values. Default: as the client gives them, bytes; a stream's event has them in base64.
    """
    return {name: from_attribute(value, binary=binary) for name, value in attributes.items()}


def from_attribute(tagged: Mapping[str, Any], *, binary: Callable[[Any], bytes] = bytes) -> Any:  # noqa: PLR0911 - the same
    """Return one attribute value as a plain value.

    Raises:
        ValueError: If it is not in DynamoDB's format.
    """
    [(tag, value)] = tagged.items()
    match tag:
        case "S":
            return str(value)
        case "N":
            return _number(value)
        case "B":
            return binary(value)
        case "BOOL":
            return bool(value)
        case "NULL":
            return None
        case "M":
            return from_attributes(value, binary=binary)
        case "L":
            return [from_attribute(inner, binary=binary) for inner in value]
        case "SS":
            return frozenset(value)
        case "NS":
            return frozenset(_number(text) for text in value)
        case "BS":
            return frozenset(binary(inner) for inner in value)
    raise ValueError(f"DynamoDB has no type {tag!r}")


def _map(values: Mapping[Any, object], at: str) -> dict[str, Any]:
    if not isinstance(values, Mapping) or not all(isinstance(name, str) for name in values):
        raise UnsupportedValueError(f"{at or 'an item'}: must be a dict whose names are text")
    return {_text(name, at): to_attribute(value, at=f"{at}.{name}" if at else name) for name, value in values.items()}


def _set(values: Set[object], at: str) -> dict[str, Any]:
    kinds = {type(value) for value in values}
    if kinds == {str}:
        return {"SS": sorted(_text(str(value), at) for value in values)}
    if kinds == {bytes}:
        return {"BS": sorted(value for value in values if isinstance(value, bytes))}
    if kinds and kinds <= {int, Decimal}:
        return {"NS": [_number_text(value, at) for value in values if isinstance(value, int | Decimal)]}
    raise UnsupportedValueError(f"{at}: a set must hold text, numbers or bytes, one kind only and at least one value")


def _text(text: str, at: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UnsupportedValueError(f"{at}: the text has half of a surrogate pair, which UTF-8 cannot say") from None
    return text


def _number_text(number: int | Decimal, at: str) -> str:
    # Python writes longer numbers too, but slowly, and from some length on it refuses.
    if isinstance(number, int) and number.bit_length() > _MOST_BITS:
        raise UnsupportedValueError(f"{at}: {_NUMBERS}")
    exact = Decimal(number)
    if not exact.is_finite():
        raise UnsupportedValueError(f"{at}: a number must be finite")
    digits = "".join(map(str, exact.as_tuple().digits)).strip("0")
    if len(digits) > _DIGITS or (digits and not _SMALLEST <= exact.adjusted() <= _LARGEST):
        raise UnsupportedValueError(f"{at}: {_NUMBERS}")
    return str(exact)


def _number(text: str) -> int | Decimal:
    number = Decimal(text)
    return int(number) if number == number.to_integral_value() and "E" not in text.upper() else number
