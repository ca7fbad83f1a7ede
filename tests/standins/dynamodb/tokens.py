"""Words of DynamoDB's two languages: expressions and PartiQL."""

import re
from collections.abc import Iterator, Mapping, Sequence

from tests.standins.dynamodb.refusals import RefusedError
from tests.standins.dynamodb.values import Value

_TOKEN = re.compile(
    r"""\s*(?:(?P<text>'(?:[^']|'')*')|(?P<quoted>"[^"]+")|(?P<number>\d+(?:\.\d+)?)|(?P<placeholder>[#:]\w+)
    |(?P<word>[A-Za-z_]\w*)|(?P<sign><>|<=|>=|[=<>(){}\[\],.:?+*-]))""",
    re.VERBOSE,
)
_WRONG_NUMBER = "Number of parameters in request and statement don't match."
# Those of DynamoDB's reserved words that somebody might call an attribute. From
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ReservedWords.html
RESERVED = frozenset(
    [
        "action",
        "attribute",
        "batch",
        "before",
        "begin",
        "block",
        "bucket",
        "bytes",
        "capacity",
        "check",
        "class",
        "cluster",
        "collection",
        "comment",
        "commit",
        "condition",
        "connection",
        "consistency",
        "count",
        "counter",
        "current",
        "data",
        "database",
        "date",
        "datetime",
        "day",
        "default",
        "definition",
        "domain",
        "duration",
        "element",
        "empty",
        "end",
        "error",
        "exception",
        "exists",
        "expression",
        "fields",
        "file",
        "filter",
        "final",
        "first",
        "function",
        "get",
        "global",
        "group",
        "groups",
        "handler",
        "hash",
        "hidden",
        "hold",
        "hour",
        "index",
        "input",
        "item",
        "items",
        "key",
        "keys",
        "last",
        "length",
        "level",
        "limit",
        "list",
        "local",
        "location",
        "lock",
        "locks",
        "log",
        "map",
        "max",
        "member",
        "method",
        "metrics",
        "min",
        "minute",
        "mode",
        "module",
        "month",
        "name",
        "names",
        "new",
        "next",
        "number",
        "object",
        "offset",
        "old",
        "online",
        "open",
        "option",
        "order",
        "other",
        "out",
        "output",
        "owner",
        "parameter",
        "parameters",
        "partition",
        "path",
        "permission",
        "plan",
        "pool",
        "position",
        "primary",
        "private",
        "processed",
        "property",
        "public",
        "query",
        "range",
        "rank",
        "raw",
        "read",
        "record",
        "reference",
        "region",
        "release",
        "replace",
        "request",
        "reset",
        "resource",
        "response",
        "result",
        "return",
        "role",
        "row",
        "rule",
        "rules",
        "sample",
        "scan",
        "schema",
        "scope",
        "search",
        "second",
        "section",
        "segment",
        "sequence",
        "session",
        "set",
        "shard",
        "share",
        "short",
        "signal",
        "size",
        "snapshot",
        "source",
        "space",
        "start",
        "state",
        "statement",
        "statistics",
        "status",
        "storage",
        "store",
        "stream",
        "string",
        "structure",
        "style",
        "sum",
        "sync",
        "system",
        "table",
        "target",
        "temp",
        "text",
        "then",
        "time",
        "timestamp",
        "timezone",
        "title",
        "token",
        "topic",
        "transaction",
        "trigger",
        "ttl",
        "type",
        "union",
        "unique",
        "unit",
        "unknown",
        "update",
        "url",
        "usage",
        "user",
        "users",
        "value",
        "values",
        "variable",
        "version",
        "view",
        "wait",
        "week",
        "window",
        "within",
        "work",
        "year",
        "zone",
    ]
)


class Tokens:
    """The words of one text, read from left to right.

    Args:
        text: An expression or a statement.
        names, values: ExpressionAttributeNames and ExpressionAttributeValues.
        parameters: What PartiQL's question marks stand for. None: it is an expression, where values have placeholders.
    """

    def __init__(
        self,
        text: str,
        *,
        names: Mapping[str, str] | None = None,
        values: Mapping[str, Value] | None = None,
        parameters: Sequence[Value] | None = None,
    ) -> None:
        self._names, self._values, self._parameters = names or {}, values or {}, iter(parameters or ())
        self._is_statement = parameters is not None
        self._words = [*_split(text), ""]
        self._at = 0
        self.text = text
        self.used: set[str] = set()

    @property
    def next(self) -> str:
        """The word to come, unread; empty at the end."""
        return self._words[self._at]

    def take(self) -> str:
        """Read one word."""
        word = self.next
        self._at += 1
        return word

    def took(self, *words: str) -> bool:
        """Read these words if they come next, whatever their case."""
        coming = self._words[self._at : self._at + len(words)]
        if [each.upper() for each in coming] != [each.upper() for each in words]:
            return False
        self._at += len(words)
        return True

    def expect(self, *words: str) -> None:
        """Read these words.

        Raises:
            RefusedError: If others come.
        """
        if not self.took(*words):
            raise self.unexpected()

    def unexpected(self) -> RefusedError:
        """What to raise at a word that cannot stand here."""
        return RefusedError("ValidationError", f"syntax error at {self.next or 'the end'!r} in: {self.text}")

    def name(self) -> str:
        """Read the name of an attribute or a table."""
        word = self.take()
        if word.startswith("#"):
            if word not in self._names:
                raise RefusedError("ValidationError", f"An expression attribute name used is not defined: {word}")
            self.used.add(word)
            return self._names[word]
        if word.startswith('"'):
            return word[1:-1]
        if not word or not (word[0].isalpha() or word[0] == "_"):
            self._at -= 1
            raise self.unexpected()
        if word.lower() in RESERVED:
            way = "double quotes" if self._is_statement else "a name of ExpressionAttributeNames"
            raise RefusedError("ValidationError", f"Attribute name is a reserved keyword; use {way}: {word}")
        return word

    def value(self) -> Value | None:
        """Read a value, if one comes next."""
        return self._literal() if self._is_statement else self._given()

    def _given(self) -> Value | None:
        if not self.next.startswith(":"):
            return None
        word = self.take()
        if word not in self._values:
            raise RefusedError("ValidationError", f"An expression attribute value used is not defined: {word}")
        self.used.add(word)
        return self._values[word]

    def _literal(self) -> Value | None:
        word = self.next
        if self.took("?"):
            try:
                return next(self._parameters)
            except StopIteration:
                raise RefusedError("ValidationError", _WRONG_NUMBER) from None
        if word.startswith("'"):
            return {"S": self.take()[1:-1].replace("''", "'")}
        if word == "-" or word[:1].isdigit():
            return {"N": ("-" if self.took("-") else "") + self.take()}
        constants: Mapping[str, Value] = {"true": {"BOOL": True}, "false": {"BOOL": False}, "null": {"NULL": True}}
        if word.lower() not in constants:
            return None
        return constants[self.take().lower()]

    def end(self) -> None:
        """Read the end.

        Raises:
            RefusedError: If there is more, or not every parameter was used.
        """
        if self.next:
            raise self.unexpected()
        if next(self._parameters, None) is not None:
            raise RefusedError("ValidationError", _WRONG_NUMBER)


def _split(text: str) -> Iterator[str]:
    at = 0
    while text[at:].strip():
        found = _TOKEN.match(text, at)
        if not found:
            raise RefusedError("ValidationError", f"syntax error at {text[at:].strip()[:10]!r} in: {text}")
        yield found.group(found.lastgroup or 0)
        at = found.end()
