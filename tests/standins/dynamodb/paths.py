"""Where in an item something stands: `a.b[0]`."""

import copy
from collections.abc import MutableMapping
from typing import Any

from tests.standins.dynamodb.refusals import RefusedError
from tests.standins.dynamodb.tokens import Tokens
from tests.standins.dynamodb.values import Item, Value


class Path(list[str | int]):
    """Names of attributes and places in lists, from the outside in."""


def read_path(tokens: Tokens) -> Path:
    """Read a path."""
    path = Path([tokens.name()])
    while tokens.next in (".", "["):
        if tokens.took("."):
            path.append(tokens.name())
        else:
            tokens.expect("[")
            path.append(int(tokens.take()))
            tokens.expect("]")
    return path


def look_up(item: Item, path: Path) -> Value | None:
    """What stands there; None if nothing does."""
    found: Any = {"M": item}
    for step in path:
        inside = found.get("L" if isinstance(step, int) else "M")
        if inside is None:
            return None
        try:
            found = inside[step]
        except (KeyError, IndexError):
            return None
    return dict(found)


def put_in(item: MutableMapping[str, Value], path: Path, value: Value | None) -> None:
    """Write *value* there, or remove what is there if it is None."""
    inside: Any = item
    for step in path[:-1]:
        try:
            inside = next(iter(inside[step].values()))
        except (KeyError, IndexError):
            raise RefusedError(
                "ValidationError", "The document path provided in the update expression is invalid for update"
            ) from None
    last = path[-1]
    if value is None:
        if isinstance(last, int):
            del inside[last : last + 1]
        else:
            inside.pop(last, None)
    elif isinstance(last, int) and last >= len(inside):
        inside.append(copy.deepcopy(value))
    else:
        inside[last] = copy.deepcopy(value)
