"""What an update does to an item: update expressions, and PartiQL's SET and REMOVE."""

import copy
from collections.abc import Callable, MutableMapping
from decimal import Decimal
from typing import Any

from tests.standins.dynamodb.paths import Path, look_up, put_in, read_path
from tests.standins.dynamodb.refusals import RefusedError
from tests.standins.dynamodb.tokens import Tokens
from tests.standins.dynamodb.values import Item, Value

Formula = Callable[[Item], Value | None]
_WRONG_TYPE = "An operand in the update expression has an incorrect data type"


class Update:
    """Changes to be made to one item; all look at it as it was before."""

    def __init__(self) -> None:
        self._changes: list[tuple[Path, Formula]] = []

    @property
    def attributes(self) -> set[str]:
        """Names of the attributes it changes."""
        return {str(path[0]) for path, _ in self._changes}

    def apply(self, item: Item) -> dict[str, Value]:
        """The item as it becomes."""
        after: MutableMapping[str, Value] = copy.deepcopy(dict(item))
        for path, formula in self._changes:
            put_in(after, path, formula(item))
        return dict(after)

    def change(self, path: Path, formula: Formula) -> None:
        """Add a change.

        Raises:
            RefusedError: If the same path is changed already.
        """
        if any(path == known for known, _ in self._changes):
            raise RefusedError("ValidationError", "Two document paths overlap with each other")
        self._changes.append((path, formula))


def read_update(tokens: Tokens, until: str = "") -> Update:
    """Read clauses up to the word *until*, or the end."""
    update = Update()
    while tokens.next.upper() != until:
        for word, clause in _CLAUSES.items():
            if tokens.took(word):
                clause(tokens, update)
                while tokens.took(","):
                    clause(tokens, update)
                break
        else:
            raise tokens.unexpected()
    return update


def _set(tokens: Tokens, update: Update) -> None:
    path = read_path(tokens)
    tokens.expect("=")
    formula = _term(tokens)
    while tokens.next in ("+", "-"):
        sign = tokens.take()
        formula = _sum(formula, _term(tokens), sign)
    update.change(path, formula)


def _remove(tokens: Tokens, update: Update) -> None:
    update.change(read_path(tokens), lambda _item: None)


def _add(tokens: Tokens, update: Update) -> None:
    path, value = read_path(tokens), tokens.value()
    if value is None:
        raise tokens.unexpected()
    update.change(path, _added(path, value))


def _delete(tokens: Tokens, update: Update) -> None:
    path, value = read_path(tokens), tokens.value()
    if value is None:
        raise tokens.unexpected()
    update.change(path, _without(path, value))


_CLAUSES = {"SET": _set, "REMOVE": _remove, "ADD": _add, "DELETE": _delete}


def _term(tokens: Tokens) -> Formula:
    value = tokens.value()
    if value is not None:
        return lambda _item: value
    if tokens.took("if_not_exists", "("):
        path = read_path(tokens)
        tokens.expect(",")
        default = _term(tokens)
        tokens.expect(")")
        return lambda item: look_up(item, path) or default(item)
    if tokens.took("list_append", "("):
        first = _term(tokens)
        tokens.expect(",")
        second = _term(tokens)
        tokens.expect(")")
        return lambda item: {"L": [*_list(first(item)), *_list(second(item))]}
    for word, change in (("set_add", _added), ("set_delete", _without)):
        if tokens.took(word, "("):
            path = read_path(tokens)
            tokens.expect(",")
            value = tokens.value()
            tokens.expect(")")
            if value is None:
                raise tokens.unexpected()
            return change(path, value)
    path = read_path(tokens)

    def there(item: Item) -> Value:
        found = look_up(item, path)
        if found is None:
            raise RefusedError(
                "ValidationError", "The provided expression refers to an attribute that does not exist in the item"
            )
        return found

    return there


def _sum(one: Formula, other: Formula, sign: str) -> Formula:
    def summed(item: Item) -> Value:
        left, right = _number(one(item)), _number(other(item))
        return _stored(left + right if sign == "+" else left - right)

    return summed


def _added(path: Path, value: Value) -> Formula:
    kind, content = next(iter(value.items()))

    def added(item: Item) -> Value:
        old = look_up(item, path)
        if old is None:
            return value
        if kind not in old or kind not in ("N", "SS", "NS", "BS"):
            raise RefusedError("ValidationError", _WRONG_TYPE)
        if kind == "N":
            return _stored(_number(old) + _number(value))
        return {kind: [*old[kind], *(each for each in content if each not in old[kind])]}

    return added


def _without(path: Path, value: Value) -> Formula:
    kind, content = next(iter(value.items()))

    def without(item: Item) -> Value | None:
        old = look_up(item, path)
        left = [each for each in (old or {}).get(kind, ()) if each not in content]
        return {kind: left} if left else None

    return without


def _list(value: Value | None) -> list[Any]:
    if value is None or "L" not in value:
        raise RefusedError("ValidationError", _WRONG_TYPE)
    return list(value["L"])


def _number(value: Value | None) -> Decimal:
    if value is None or "N" not in value:
        raise RefusedError("ValidationError", _WRONG_TYPE)
    return Decimal(value["N"])


def _stored(number: Decimal) -> Value:
    text = f"{number:f}"
    return {"N": text.rstrip("0").rstrip(".") if "." in text else text}
