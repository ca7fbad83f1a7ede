"""A table that holds the status item, for virtual time: it evaluates what the adapter asks, and fails as tables do."""

import operator
import re
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from email.utils import formatdate
from typing import Any, Literal

from botocore.exceptions import ClientError, ReadTimeoutError

Mood = Literal["well", "away", "answer lost", "answer lost, tried again"]
"""How the table takes a question: as it should; not at all; done, but nobody hears; done, and then met by the client's
own second try, as clients of AWS make one."""

_TERM = re.compile(r"attribute_not_exists\((?P<absent>\w+)\)|(?P<name>\w+) (?P<compare><=|<|=) (?P<value>:\w+)")
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {"<=": operator.le, "<": operator.lt, "=": operator.eq}


@dataclass
class TrueTime:
    """The time everywhere; only tests move it."""

    now: float = 1_800_000_000.0


@dataclass
class StatusTable:
    """The one item, and what truly happened to it.

    Args:
        time: That of the store.
        item: As DynamoDB holds it.
        writes: How often it was written.
        changes: Its state with the moment at which it began, newest last.
        tokens: When a right to probe was won.
    """

    time: TrueTime
    item: dict[str, Any] = field(default_factory=dict)
    writes: int = 0
    changes: list[tuple[float, str]] = field(default_factory=list)
    tokens: list[float] = field(default_factory=list)

    @property
    def state(self) -> str:
        return str(_value(self.item.get("breaker_state", {"S": "closed"})))

    def update(self, request: Mapping[str, Any]) -> bool:
        """Do an update if its condition holds."""
        values = request["ExpressionAttributeValues"]
        if not _holds(request["ConditionExpression"], self.item, values):
            return False
        settings, _, removals = request["UpdateExpression"].removeprefix("SET ").partition(" REMOVE ")
        before = dict(self.item)
        for setting in settings.split(", "):
            name, value = setting.split(" = ")
            self.item[name] = values[value]
        for name in filter(None, removals.split(", ")):
            self.item.pop(name, None)
        self.writes += 1
        if self.item.get("breaker_epoch") != before.get("breaker_epoch"):
            self.changes.append((self.time.now, self.state))
        elif self.item.get("breaker_probe_at") != before.get("breaker_probe_at"):
            self.tokens.append(self.time.now)
        return True


@dataclass
class StatusClient:
    """One environment's way to the table.

    Args:
        table: Shared with other environments.
        moods: What the next questions meet; then `usual`.
        usual: What questions meet otherwise.
        latency: Seconds to the table, and back.
        meanwhile: Called while a question is on its way: others act then.
        heard: When the last answer arrived.
        tokens: When a right to probe was won this way.
    """

    table: StatusTable
    moods: deque[Mood] = field(default_factory=deque)
    usual: Mood = "well"
    latency: float = 0.0
    meanwhile: Callable[[], object] = lambda: None
    heard: float = float("-inf")
    tokens: list[float] = field(default_factory=list)

    class exceptions:  # noqa: N801 - as the AWS client calls it
        class TransactionConflictException(Exception):  # noqa: N818 - as above
            pass

    def get_item(self, **request: Any) -> dict[str, Any]:
        assert request["ConsistentRead"] is True
        item = self._exchange(lambda: dict(self.table.item))
        return {"Item": item, **self._metadata()} if item else self._metadata()

    def update_item(self, **request: Any) -> dict[str, Any]:
        assert request["ReturnValues"] == "ALL_NEW"
        assert request["ReturnValuesOnConditionCheckFailure"] == "ALL_OLD"
        done, item = self._exchange(lambda: (self._update(request), dict(self.table.item)))
        if done:
            return {"Attributes": item, **self._metadata()}
        refusal: Any = {"Error": {"Code": "ConditionalCheckFailedException"}, "Item": item, **self._metadata()}
        raise ClientError(refusal, "UpdateItem")

    def _update(self, request: Mapping[str, Any]) -> bool:
        tokens = len(self.table.tokens)
        done = self.table.update(request)
        self.tokens += self.table.tokens[tokens:]
        return done

    def _exchange(self, question: Callable[[], Any]) -> Any:
        mood = self.moods.popleft() if self.moods else self.usual
        self.table.time.now += self.latency
        self.meanwhile()
        if mood != "away":
            answer = question()
            if mood == "answer lost, tried again":
                self.table.time.now += self.latency
                self.meanwhile()
                answer = question()
        self._date = formatdate(self.table.time.now, usegmt=True)
        self.table.time.now += self.latency
        if mood in ("away", "answer lost"):
            raise ReadTimeoutError(endpoint_url="https://dynamodb.example")
        self.heard = self.table.time.now
        return answer

    def _metadata(self) -> dict[str, Any]:
        return {"ResponseMetadata": {"HTTPHeaders": {"date": self._date}}}


def _holds(condition: str, item: Mapping[str, Any], values: Mapping[str, Any]) -> bool:
    def judge(term: re.Match[str]) -> str:
        if term["absent"]:
            return str(term["absent"] not in item)
        there = item.get(term["name"])
        return str(there is not None and _COMPARE[term["compare"]](_value(there), _value(values[term["value"]])))

    words = _TERM.sub(judge, condition).replace("AND", "and").replace("OR", "or")
    assert re.fullmatch(r"(?:True|False|and|or|[() ])+", words), f"not understood: {condition}"
    return bool(eval(words))


def _value(attribute: Mapping[str, str]) -> Decimal | str:
    return Decimal(attribute["N"]) if "N" in attribute else attribute["S"]
