"""The JSONata that compiled sagas use, and not a word more: an expression outside it is an error.

Literals, `$variable.path`, `[...]`, `{...}`, `=`, `and`, `&`, `*` and five functions. Undefined is `UNDEFINED`, null is
None; the rules for both are those of docs.jsonata.org (operators, boolean, string and object functions).
"""

import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

UNDEFINED: Final = object()

_TOKEN = re.compile(
    r"""\s*(?:(?P<text>'[^']*'|"[^"]*")|(?P<number>\d+)|(?P<variable>\$\w+(?:\.\w+)*)|(?P<word>and|true)|(?P<sign>[()\[\]{},:=&*]))"""
)
_BINDING = {"and": 1, "=": 2, "&": 3, "*": 4}


class QueryError(Exception):
    """The expression has no value, or is outside the subset."""


def evaluate(expression: str, variables: Mapping[str, Any]) -> Any:
    """Value of *expression*; undefined is an error, as Step Functions has it."""
    parser = _Parser(_tokens(expression), variables)
    value = parser.expression(0)
    if parser.peek() != ("end", ""):
        raise QueryError(f"cannot read the rest of {expression!r}")
    if value is UNDEFINED:
        raise QueryError(f"{expression!r} has no value")
    return value


def _tokens(expression: str) -> list[tuple[str, str]]:
    tokens, position = [], 0
    while position < len(expression.rstrip()):
        match = _TOKEN.match(expression, position)
        if not match or match.lastgroup is None:
            raise QueryError(f"cannot read {expression[position:]!r}")
        tokens.append((match.lastgroup, match[match.lastgroup]))
        position = match.end()
    return [*tokens, ("end", "")]


class _Parser:
    def __init__(self, tokens: list[tuple[str, str]], variables: Mapping[str, Any]) -> None:
        self._tokens = tokens
        self._variables = variables

    def peek(self) -> tuple[str, str]:
        return self._tokens[0]

    def _next(self, expected: str | None = None) -> tuple[str, str]:
        token = self._tokens.pop(0)
        if expected is not None and token[1] != expected:
            raise QueryError(f"expected {expected!r}, got {token[1]!r}")
        return token

    def expression(self, binding: int) -> Any:
        left = self._operand()
        while (power := _BINDING.get(self.peek()[1], 0)) > binding:
            operator = self._next()[1]
            left = _OPERATORS[operator](left, self.expression(power))
        return left

    def _operand(self) -> Any:
        kind, text = self._next()
        if text in _STARTS:
            return _STARTS[text](self)
        if kind == "variable":
            return self._call(text) if self.peek()[1] == "(" else self._variable(text)
        if kind in _LITERALS:
            return _LITERALS[kind](text)
        raise QueryError(f"cannot start with {text!r}")

    def _call(self, function: str) -> Any:
        self._next("(")
        return _FUNCTIONS[function](*self._list(")"))

    def _array(self) -> list[Any]:
        return [value for value in self._list("]") if value is not UNDEFINED]

    def _variable(self, path: str) -> Any:
        name, *fields = path[1:].split(".")
        value = self._variables.get(name, UNDEFINED)
        for field in fields:
            value = _field(value, field)
        return value

    def _list(self, end: str) -> list[Any]:
        values = []
        while self.peek()[1] != end:
            values.append(self.expression(0))
            if self.peek()[1] != end:
                self._next(",")
        self._next(end)
        return values

    def _object(self) -> dict[str, Any]:
        result = {}
        while self.peek()[1] != "}":
            key = self.expression(0)
            self._next(":")
            value = self.expression(0)
            if value is not UNDEFINED:
                result[key] = value
            if self.peek()[1] != "}":
                self._next(",")
        self._next("}")
        return result


def _field(value: Any, name: str) -> Any:
    """A field of an object; of an array, that of all its members, of which nothing and one stand for themselves."""
    if isinstance(value, list):
        found = [each for each in (_field(member, name) for member in value) if each is not UNDEFINED]
        return UNDEFINED if not found else found[0] if len(found) == 1 else found
    return value.get(name, UNDEFINED) if isinstance(value, Mapping) else UNDEFINED


def _text(value: Any) -> str:
    if value is UNDEFINED:
        return ""
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def _type(value: Any) -> Any:
    if value is UNDEFINED:
        return UNDEFINED
    kinds: list[tuple[type, str]] = [(bool, "boolean"), (str, "string"), (list, "array"), (dict, "object")]
    return "null" if value is None else next((name for kind, name in kinds if isinstance(value, kind)), "number")


def _merge(objects: list[dict[str, Any]]) -> dict[str, Any]:
    if not all(isinstance(each, dict) for each in objects):
        raise QueryError("$merge takes objects")
    return {key: value for each in objects for key, value in each.items()}


def _equal(left: Any, right: Any) -> bool:
    return left is not UNDEFINED and right is not UNDEFINED and type(left) is type(right) and left == right


_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    # Both sides are parsed, so both are evaluated; neither has effects.
    "and": lambda left, right: left is True and right is True,
    "=": _equal,
    "&": lambda left, right: _text(left) + _text(right),
    "*": lambda left, right: left * right,
}
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "$merge": _merge,
    "$substring": lambda text, start, length: text[start : start + length],
    "$type": _type,
    "$ceil": math.ceil,
    # The largest that can be drawn: tests of durations are about limits.
    "$random": lambda: 1 - 2**-53,
}
_LITERALS: dict[str, Callable[[str], Any]] = {"text": lambda text: text[1:-1], "number": int, "word": lambda _: True}
_STARTS: dict[str, Callable[[_Parser], Any]] = {"[": _Parser._array, "{": _Parser._object}
