"""Statements of PartiQL: INSERT, UPDATE, DELETE and SELECT of one item."""

from collections.abc import Sequence
from dataclasses import dataclass

from tests.standins.dynamodb.conditions import Condition, read_condition
from tests.standins.dynamodb.paths import Path
from tests.standins.dynamodb.refusals import RefusedError
from tests.standins.dynamodb.tokens import Tokens
from tests.standins.dynamodb.updates import Update, read_update
from tests.standins.dynamodb.values import Item, Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One statement.

    Attributes:
        verb: "INSERT", "UPDATE", "DELETE" or "SELECT".
        table: Its table.
        item: What an INSERT puts there.
        update: What an UPDATE does.
        where: What the others ask for, the key among it.
        columns: Attributes that a SELECT shows; empty: all.
    """

    verb: str
    table: str
    item: Item | None = None
    update: Update | None = None
    where: Condition | None = None
    columns: tuple[str, ...] = ()

    def key(self, names: Sequence[str]) -> dict[str, Value]:
        """The key of its item.

        Raises:
            RefusedError: If the statement does not name exactly one.
        """
        if self.item is not None:
            return {name: self.item[name] for name in names if name in self.item}
        named = {
            str(part.left[0]): part.right
            for part in (self.where.all_of() if self.where else ())
            if part.verb == "=" and isinstance(part.left, Path) and len(part.left) == 1 and isinstance(part.right, dict)
        }
        if not set(names) <= named.keys():
            raise RefusedError(
                "ValidationError", "Where clause does not contain a mandatory equality on all key attributes"
            )
        return {name: value for name in names if isinstance(value := named[name], dict)}


def read_statement(text: str, parameters: Sequence[Value]) -> Statement:
    """Read one statement.

    Raises:
        RefusedError: If it is none that DynamoDB or this double knows.
    """
    tokens = Tokens(text, parameters=parameters)
    if tokens.took("INSERT", "INTO"):
        statement = _insert(tokens)
    elif tokens.took("UPDATE"):
        table = tokens.name()
        update = read_update(tokens, until="WHERE")
        statement = Statement(verb="UPDATE", table=table, update=update, where=_where(tokens))
    elif tokens.took("DELETE", "FROM"):
        statement = Statement(verb="DELETE", table=tokens.name(), where=_where(tokens))
    elif tokens.took("SELECT"):
        columns = _columns(tokens)
        statement = Statement(verb="SELECT", table=tokens.name(), where=_where(tokens), columns=columns)
    else:
        raise tokens.unexpected()
    tokens.end()
    return statement


def _insert(tokens: Tokens) -> Statement:
    table = tokens.name()
    tokens.expect("VALUE")
    value = _literal(tokens)
    if "M" not in value:
        raise tokens.unexpected()
    return Statement(verb="INSERT", table=table, item=value["M"])


def _where(tokens: Tokens) -> Condition:
    tokens.expect("WHERE")
    return read_condition(tokens)


def _columns(tokens: Tokens) -> tuple[str, ...]:
    if tokens.took("*", "FROM"):
        return ()
    names = [tokens.name()]
    while tokens.took(","):
        names.append(tokens.name())
    tokens.expect("FROM")
    return tuple(names)


def _literal(tokens: Tokens) -> Value:
    if tokens.took("{"):
        content: dict[str, Value] = {}
        while not tokens.took("}"):
            name = tokens.value()
            if name is None or "S" not in name:
                raise tokens.unexpected()
            tokens.expect(":")
            content[name["S"]] = _literal(tokens)
            if not tokens.took(","):
                tokens.expect("}")
                break
        return {"M": content}
    if tokens.took("["):
        elements: list[Value] = []
        while not tokens.took("]"):
            elements.append(_literal(tokens))
            if not tokens.took(","):
                tokens.expect("]")
                break
        return {"L": elements}
    value = tokens.value()
    if value is None:
        raise tokens.unexpected()
    return value
