"""The status item in DynamoDB: read once per invocation, written only when a circuit changes.

All writes to the breaker's attributes are conditional on the epoch their writer has seen, so that nobody acts on a state
that is over. The answer to a write that lost says what is there instead, for free.
"""

import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from constructs_lib.runtime.shared_breaker import BreakerState, SharedBreaker
from constructs_lib.runtime.store_time import StoreTime
from constructs_lib.runtime.stream_ports import Status

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient

STATUS_KEY = {"pk": {"S": "status"}, "sk": {"S": "status"}}
"""Key of the status item."""

# A transaction of the parking place that touches the same item turns a write away; it takes milliseconds.
_TRIES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What came of a conditional write.

    Args:
        done: Whether it changed the item.
        breaker: What the item says after it.
    """

    done: bool
    breaker: SharedBreaker


class DynamoStatus:
    """The status item of one dependency in one region.

    Every method raises what the client raises; a write whose answer is lost may have been done.

    Args:
        client: Low-level DynamoDB client, with short time limits.
        table: State table of the dependency.
        clock: Returns the time. Default: the real one.
    """

    def __init__(self, client: "DynamoDBClient", table: str, *, clock: Callable[[], float] = time.time) -> None:
        self._client = client
        self._table = table
        self._clock = clock
        self.time = StoreTime()

    def read(self) -> Status:
        """Return the status as it is now: a strongly consistent read."""
        sent = self._clock()
        answer = self._client.get_item(TableName=self._table, Key=STATUS_KEY, ConsistentRead=True)
        self._learn_time(answer, sent)
        item = _plain(answer.get("Item", {}))
        breaker = {name: value for name, value in item.items() if name.startswith("breaker_")}
        return Status(breaker=breaker, parked=int(item.get("parked", 0)))

    def open(self, *, seen: SharedBreaker, probe_seconds: float, not_before: float) -> Change:
        """Open the circuit; the first probe comes an interval later, and not before *not_before*."""
        probe_at = max(self._latest() + probe_seconds, not_before)
        return self._change_state("open", seen=seen, more={"breaker_probe_at": probe_at})

    def close(self, *, seen: SharedBreaker) -> Change:
        """Close the circuit."""
        return self._change_state("closed", seen=seen)

    def isolate(self, *, seen: SharedBreaker, reason: str) -> Change:
        """Stop every call, probes too, until `restore`."""
        return self._change_state("isolated", seen=seen, more={"breaker_reason": reason})

    def restore(self, *, seen: SharedBreaker) -> Change:
        """Let one probe try at once, whatever the dependency asked for; its answer closes the circuit."""
        more = {"breaker_probe_at": 0.0, "breaker_not_before": 0.0, "breaker_restored": seen.epoch + 1}
        return self._change_state("open", seen=seen, more=more)

    def take_token(self, *, seen: SharedBreaker, probe_seconds: float) -> Change:
        """Win the right to one probe of the open circuit, if one is surely due; the next is due an interval later."""
        return self._update(
            {"breaker_probe_at": self._latest() + probe_seconds},
            seen=seen,
            condition="breaker_probe_at <= :surely"
            " AND (attribute_not_exists(breaker_not_before) OR breaker_not_before <= :surely)",
            operands={":surely": self._earliest()},
        )

    def postpone(self, *, seen: SharedBreaker, until: float) -> Change:
        """Let nobody probe before *until*, a time at the store, unless that has been said already."""
        return self._update(
            {"breaker_not_before": until},
            seen=seen,
            condition="(attribute_not_exists(breaker_not_before) OR breaker_not_before < :until)",
            operands={":until": until},
        )

    def _earliest(self) -> float:
        return self.time.at_least(self._clock())

    def _latest(self) -> float:
        return self.time.at_most(self._clock())

    def _change_state(
        self, state: BreakerState, *, seen: SharedBreaker, more: Mapping[str, str | float] | None = None
    ) -> Change:
        values = {
            "breaker_state": state,
            "breaker_epoch": seen.epoch + 1,
            "breaker_since": self._earliest(),
            **(more or {}),
        }
        return self._update(values, seen=seen, remove=() if state == "isolated" else ("breaker_reason",))

    def _update(
        self,
        values: Mapping[str, str | float],
        *,
        seen: SharedBreaker,
        condition: str = "",
        operands: Mapping[str, float] | None = None,
        remove: tuple[str, ...] = (),
    ) -> Change:
        writer = uuid.uuid4().hex
        values = {**values, "breaker_writer": writer}
        named: dict[str, Any] = {f":{name}": _attribute(value) for name, value in values.items()}
        named |= {name: _attribute(value) for name, value in (operands or {}).items()}
        conditions = [condition] if condition else []
        if seen.epoch:
            conditions.append("breaker_epoch = :seen")
            named[":seen"] = _attribute(seen.epoch)
        else:
            conditions.append("attribute_not_exists(breaker_epoch)")
        expression = "SET " + ", ".join(f"{name} = :{name}" for name in values)
        if remove:
            expression += " REMOVE " + ", ".join(remove)
        sent = self._clock()
        try:
            answer = self._send(
                {
                    "TableName": self._table,
                    "Key": STATUS_KEY,
                    "UpdateExpression": expression,
                    "ConditionExpression": " AND ".join(conditions),
                    "ExpressionAttributeValues": named,
                    "ReturnValues": "ALL_NEW",
                    "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
                }
            )
        except ClientError as error:
            refusal: Mapping[str, Any] = error.response
            if refusal["Error"].get("Code") != "ConditionalCheckFailedException":
                raise
            self._learn_time(refusal, sent)
            there = SharedBreaker.of(_plain(refusal.get("Item", {})))
            # The client itself tries again when an answer is lost, and then meets its own write.
            return Change(done=there.writer == writer, breaker=there)
        self._learn_time(answer, sent)
        return Change(done=True, breaker=SharedBreaker.of(_plain(answer["Attributes"])))

    def _send(self, request: Any) -> Mapping[str, Any]:
        for _ in range(_TRIES - 1):
            with suppress(self._client.exceptions.TransactionConflictException):
                return self._client.update_item(**request)
        return self._client.update_item(**request)

    def _learn_time(self, answer: Mapping[str, Any], sent: float) -> None:
        date = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
        if date:
            self.time = StoreTime.read(date, sent=sent, received=self._clock())


def _attribute(value: str | float) -> dict[str, str]:
    if isinstance(value, str):
        return {"S": value}
    return {"N": str(value) if isinstance(value, int) else f"{value:.6f}"}


def _plain(item: Mapping[str, Any]) -> dict[str, Any]:
    return {name: float(value["N"]) if "N" in value else value.get("S") for name, value in item.items()}
