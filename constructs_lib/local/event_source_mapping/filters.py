"""FilterCriteria of a mapping: which records reach the function.

Syntax as EventBridge event patterns, with the operators that Lambda's page on event filtering lists.
"""

import base64
import binascii
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from constructs_lib.local.event_source_mapping.unknowns import KinesisMetadata

_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "=": lambda value, bound: value == bound,
    ">": lambda value, bound: value > bound,
    ">=": lambda value, bound: value >= bound,
    "<": lambda value, bound: value < bound,
    "<=": lambda value, bound: value <= bound,
}


@dataclass(frozen=True, slots=True)
class Number:
    """A JSON number as written: 300 and 300.0 are different to a filter."""

    text: str


_ABSENT = object()
_UNREADABLE = object()


@dataclass(frozen=True, slots=True)
class Filters:
    """One or more patterns; a record that matches any of them is sent to the function."""

    patterns: tuple[dict[str, Any], ...]
    kinesis_metadata: KinesisMetadata = KinesisMetadata.COMPARED

    @classmethod
    def from_api(
        cls, criteria: Mapping[str, Any] | None, kinesis_metadata: KinesisMetadata = KinesisMetadata.COMPARED
    ) -> "Filters | None":
        """The filters in the `FilterCriteria` of a mapping; `None` if it has none.

        Raises:
            ValueError: A pattern is not JSON, not an object, or uses an operator that event filtering does not list.
        """
        patterns = tuple(_parse(item.get("Pattern") or "") for item in (criteria or {}).get("Filters") or ())
        return cls(patterns, kinesis_metadata) if patterns else None

    def admit(self, event: Mapping[str, Any]) -> bool:
        """Whether the function's entry for a record matches."""
        kinesis = event.get("kinesis")
        if kinesis is None:
            document = _read(json.dumps(event))
            return any(_matches(pattern, document) for pattern in self.patterns)
        document = {}
        if self.kinesis_metadata is KinesisMetadata.COMPARED:
            document = _read(
                json.dumps({name: value for name, value in {**event, **kinesis}.items() if name != "kinesis"})
            )
        document["data"] = _data(kinesis)
        return any(_matches(pattern, document) for pattern in self.patterns)


def _data(kinesis: Mapping[str, Any]) -> Any:
    """What a producer wrote, if it is JSON; otherwise something that no rule for `data` is met by."""
    try:
        return _read(base64.b64decode(kinesis["data"]).decode())
    except (ValueError, binascii.Error):
        return _UNREADABLE


def _read(text: str) -> Any:
    return json.loads(text, parse_int=Number, parse_float=Number)


def _parse(text: str) -> dict[str, Any]:
    try:
        pattern = json.loads(text, parse_int=Number, parse_float=Number, object_pairs_hook=_merged)
    except ValueError as error:
        raise ValueError(f"the filter pattern {text!r} is not JSON: {error}") from error
    if not isinstance(pattern, dict) or not pattern:
        raise ValueError(f"the filter pattern {text!r} must be a JSON object with at least one field")
    _check(pattern, text)
    return pattern


def _merged(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """An object in which a name may come twice: both must match, as the DynamoDB page's AND example shows."""
    result: dict[str, Any] = {}
    for name, value in pairs:
        before = result.get(name)
        if isinstance(before, dict) and isinstance(value, dict):
            result[name] = _merged([*before.items(), *value.items()])
        else:
            result[name] = value
    return result


def _check(pattern: Mapping[str, Any], text: str) -> None:
    for name, rule in pattern.items():
        match rule:
            case dict():
                _check(rule, text)
            case list() if name == "$or":
                for alternative in rule:
                    _check(alternative, text)
            case list():
                for value in rule:
                    _check_value(value, text)
            case _:
                raise ValueError(f"in the filter pattern {text!r}, {name!r} must hold a list of rules or an object")


def _check_value(value: Any, text: str) -> None:
    if isinstance(value, dict) and (len(value) != 1 or next(iter(value)) not in _OPERATORS):
        raise ValueError(
            f"the filter pattern {text!r} holds the rule {json.dumps(value, default=str)}; event filtering knows "
            + ", ".join(sorted(_OPERATORS))
        )


def _matches(pattern: Mapping[str, Any], document: Any) -> bool:
    if isinstance(document, list):
        return any(_matches(pattern, element) for element in document)
    if not isinstance(document, dict):
        return False
    return all(_field_matches(name, rule, document) for name, rule in pattern.items())


def _field_matches(name: str, rule: Any, document: Mapping[str, Any]) -> bool:
    if name == "$or":
        return any(_matches(alternative, document) for alternative in rule)
    if isinstance(rule, dict):
        if name in document:
            return _matches(rule, document[name])
        return _all_absent(rule)
    found = document.get(name, _ABSENT)
    values = found if isinstance(found, list) else [found]
    return any(_value_matches(one, value) for one in rule for value in values or [_ABSENT])


def _all_absent(rule: Mapping[str, Any]) -> bool:
    """Whether a missing object satisfies *rule*: only where all it asks is that fields do not exist."""
    return all(_all_absent(inner) if isinstance(inner, dict) else {"exists": False} in inner for inner in rule.values())


def _value_matches(rule: Any, value: Any) -> bool:
    if value is _UNREADABLE:
        return False
    if isinstance(rule, dict):
        ((operator, operand),) = rule.items()
        return _OPERATORS[operator](operand, value)
    return bool(rule == value)


def _exists(wanted: bool, value: Any) -> bool:
    # Only leaves exist to a filter: an object in their place is an intermediate node.
    return wanted is (value is not _ABSENT and not isinstance(value, dict))


def _anything_but(operand: Any, value: Any) -> bool:
    if value is _ABSENT or isinstance(value, dict):
        return False
    excluded = operand if isinstance(operand, list) else [operand]
    return not any(_value_matches(one, value) for one in excluded)


def _numeric(operand: list[Any], value: Any) -> bool:
    if not isinstance(value, Number):
        return False
    number = float(value.text)
    return all(
        _COMPARISONS[comparison](number, float(bound.text))
        for comparison, bound in zip(operand[::2], operand[1::2], strict=True)
    )


_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "anything-but": _anything_but,
    "equals-ignore-case": lambda operand, value: isinstance(value, str) and value.lower() == operand.lower(),
    "exists": _exists,
    "numeric": _numeric,
    "prefix": lambda operand, value: isinstance(value, str) and value.startswith(operand),
    "suffix": lambda operand, value: isinstance(value, str) and value.endswith(operand),
}
