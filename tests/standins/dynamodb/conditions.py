"""Conditions, of expressions as of PartiQL's WHERE."""

from collections.abc import Iterator
from dataclasses import dataclass

from tests.standins.dynamodb.paths import Path, look_up, read_path
from tests.standins.dynamodb.tokens import Tokens
from tests.standins.dynamodb.values import Item, Value, before, equal, size

Operand = Path | Value | tuple[str, Path]


@dataclass(frozen=True, slots=True)
class Condition:
    """Something that holds for an item or not.

    Attributes:
        verb: "and", "or", "not"; a sign; "exists", "begins_with" or "contains".
        parts: Conditions of the first three.
        left, right: What the others compare.
    """

    verb: str
    parts: tuple["Condition", ...] = ()
    left: Operand | None = None
    right: Operand | None = None

    def holds(self, item: Item) -> bool:
        """Whether it holds for *item*; an empty one stands for no item."""
        if self.verb == "and":
            return all(part.holds(item) for part in self.parts)
        if self.verb == "or":
            return any(part.holds(item) for part in self.parts)
        if self.verb == "not":
            return not self.parts[0].holds(item)
        left = _resolve(self.left, item)
        if self.verb == "exists":
            return left is not None
        right = _resolve(self.right, item)
        # What is not there compares with nothing, and is unequal to everything.
        if left is None or right is None:
            return self.verb == "<>"
        return _compares(self.verb, left, right)

    def all_of(self) -> Iterator["Condition"]:
        """What must hold at the same time."""
        if self.verb == "and":
            for part in self.parts:
                yield from part.all_of()
        else:
            yield self


def _compares(verb: str, left: Value, right: Value) -> bool:
    if verb == "begins_with":
        kind = next(iter(left))
        return kind in ("S", "B") and kind in right and bool(left[kind].startswith(right[kind]))
    if verb == "contains":
        kind, content = next(iter(left.items()))
        if kind == "L":
            return any(equal(each, right) for each in content)
        return next(iter(right)) == kind[0] and next(iter(right.values())) in content
    same, less = equal(left, right), before(left, right)
    comparable = next(iter(left)) == next(iter(right))
    return {
        "=": same,
        "<>": not same,
        "<": less,
        "<=": less or same,
        ">": comparable and not less and not same,
        ">=": comparable and not less,
    }[verb]


def _resolve(operand: Operand | None, item: Item) -> Value | None:
    if isinstance(operand, Path):
        return look_up(item, operand)
    if isinstance(operand, tuple):
        found = look_up(item, operand[1])
        return None if found is None else {"N": str(size({"": found}))}
    return operand


def read_condition(tokens: Tokens) -> Condition:
    """Read a condition."""
    parts = [_all(tokens)]
    while tokens.took("OR"):
        parts.append(_all(tokens))
    return parts[0] if len(parts) == 1 else Condition("or", tuple(parts))


def _all(tokens: Tokens) -> Condition:
    parts = [_one(tokens)]
    while tokens.took("AND"):
        parts.append(_one(tokens))
    return parts[0] if len(parts) == 1 else Condition("and", tuple(parts))


def _one(tokens: Tokens) -> Condition:
    if tokens.took("NOT"):
        return Condition("not", (_one(tokens),))
    if tokens.took("("):
        condition = read_condition(tokens)
        tokens.expect(")")
        return condition
    return _call(tokens) or _comparison(tokens)


def _call(tokens: Tokens) -> Condition | None:
    for word in ("attribute_exists", "attribute_not_exists"):
        if tokens.took(word, "("):
            exists = Condition("exists", left=read_path(tokens))
            tokens.expect(")")
            return exists if word == "attribute_exists" else Condition("not", (exists,))
    for word in ("begins_with", "contains"):
        if tokens.took(word, "("):
            left = _operand(tokens)
            tokens.expect(",")
            condition = Condition(word, left=left, right=_operand(tokens))
            tokens.expect(")")
            return condition
    return None


def _comparison(tokens: Tokens) -> Condition:
    left = _operand(tokens)
    if tokens.took("IS", "MISSING"):
        return Condition("not", (Condition("exists", left=left),))
    if tokens.took("IS", "NOT", "MISSING"):
        return Condition("exists", left=left)
    if tokens.took("BETWEEN"):
        low = Condition(">=", left=left, right=_operand(tokens))
        tokens.expect("AND")
        return Condition("and", (low, Condition("<=", left=left, right=_operand(tokens))))
    if tokens.next not in ("=", "<>", "<", "<=", ">", ">="):
        raise tokens.unexpected()
    return Condition(tokens.take(), left=left, right=_operand(tokens))


def _operand(tokens: Tokens) -> Operand:
    value = tokens.value()
    if value is not None:
        return value
    if tokens.took("size", "("):
        path = read_path(tokens)
        tokens.expect(")")
        return ("size", path)
    return read_path(tokens)
