"""How a fault is written down: its kind and its attributes, as JSON can hold them."""

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any, Literal, get_args, get_origin, get_type_hints

from constructs_lib.local.errors import LocalCloudError
from constructs_lib.local.faults.model import (
    KINDS,
    Fault,
    FunctionFault,
    OperationFault,
    Partition,
    PoisonRecord,
    RegionLost,
    ThirdParty,
)

_LONGEST = 900


def kind_of(fault: Fault) -> str:
    """What *fault*'s kind is called."""
    return next(name for name, each in KINDS.items() if isinstance(fault, each))


def to_json(fault: Fault) -> dict[str, Any]:
    """*fault* as JSON can hold it: its kind and its attributes."""
    values = {field.name: getattr(fault, field.name) for field in fields(fault)}
    return {"kind": kind_of(fault)} | {
        name: sorted(value) if isinstance(value, frozenset) else value for name, value in values.items()
    }


def from_json(content: Any) -> Fault:
    """The fault that *content* describes, as `to_json` writes it; what has a default may be left out.

    Raises:
        LocalCloudError: If it describes none; the message says what is wrong with it and what is allowed.
    """
    kind = content.get("kind") if isinstance(content, dict) else None
    if not isinstance(kind, str) or kind not in KINDS:
        raise LocalCloudError(f"A fault cannot be of kind {kind!r}; allowed are {', '.join(KINDS)}.")
    values = {name: value for name, value in content.items() if name != "kind"}
    attributes = fields(KINDS[kind])
    required = {field.name for field in attributes if field.default is MISSING}
    if not required <= values.keys() <= {field.name for field in attributes}:
        optional = [f"{field.name} if need be" for field in attributes if field.name not in required]
        takes = ", ".join([*(field.name for field in attributes if field.name in required), *optional])
        raise LocalCloudError(f"A fault of kind {kind} takes {takes}; given were {', '.join(values) or '(none)'}.")
    hints = attribute_types(kind)
    return KINDS[kind](
        **{name: _checked(f"{name} of a fault of kind {kind}", hints[name], values[name]) for name in values}
    )


def attribute_types(kind: str) -> Mapping[str, Any]:
    """The attributes of faults of that kind, and their types."""
    return get_type_hints(KINDS[kind])


def check(fault: Fault) -> None:
    """Do nothing if every attribute of *fault* can be.

    Raises:
        LocalCloudError: If one cannot.
    """
    from_json(to_json(fault))


def in_words(fault: Fault) -> str:
    """A fault in a few words: `third-party slack down`."""
    match fault:
        case RegionLost():
            return f"region {fault.region} lost"
        case Partition():
            return f"partition {' and '.join(sorted(fault.regions))} cut"
        case OperationFault():
            what = f"{fault.service}:{fault.operation} {fault.mode}"
        case FunctionFault():
            what = f"{fault.function} {fault.mode}"
        case ThirdParty():
            return f"third-party {fault.where} {fault.mode}"
        case PoisonRecord():
            what = fault.where
    return f"{kind_of(fault)} {what}{f' in {fault.region}' if fault.region else ''}"


def _checked(name: str, wanted: Any, value: Any) -> Any:
    """*value* if it is of the type *wanted*."""
    if get_origin(wanted) is Literal:
        if value not in get_args(wanted):
            raise LocalCloudError(f"The {name} cannot be {value!r}; allowed: {', '.join(get_args(wanted))}.")
    elif wanted is float:
        # True is a number to Python, and to nobody else.
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _LONGEST:
            raise LocalCloudError(f"The {name} must be 0 to {_LONGEST} seconds, not {value!r}.")
        return float(value)
    elif wanted == frozenset[str]:
        pair = frozenset(value) if isinstance(value, list) and all(isinstance(each, str) for each in value) else ()
        if len(pair) != 2:
            raise LocalCloudError(f"The {name} must be two different ones, not {value!r}.")
        return pair
    elif not (isinstance(value, str) and value) and not (value is None and wanted == str | None):
        raise LocalCloudError(f"The {name} must be a text, not {value!r}.")
    return value
