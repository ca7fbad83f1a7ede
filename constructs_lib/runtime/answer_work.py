"""How one request is answered: claim, run, record, return."""

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from constructs_lib.runtime.answer_errors import (
    InProgressError,
    MissingKeyError,
    PayloadMismatchError,
    ResultNotStoredError,
    StoreUnavailableError,
)
from constructs_lib.runtime.answers import AnswerPorts
from constructs_lib.runtime.claim_ports import Away, Claim, Kept, Lost, Wanted
from constructs_lib.runtime.claim_states import Busy, Mismatch, Repeated
from constructs_lib.runtime.claim_store import DynamoDbClaims
from constructs_lib.runtime.claims import Claims
from constructs_lib.runtime.clients import client
from constructs_lib.runtime.deadline import Deadline
from constructs_lib.runtime.descriptions import describe
from constructs_lib.runtime.digests import content_hash
from constructs_lib.runtime.json_watch import JsonWatch
from constructs_lib.runtime.settings import AnswerSettings

# A store that throttles has most likely room for one more request by then.
_STORE_AWAY_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Answering:
    """Answers one request.

    Args:
        ports: What it works with.
        deadline: Of the invocation.
    """

    ports: AnswerPorts
    deadline: Deadline

    def answer(self, event: Any, *, key: Callable[[Any], str], handle_request: Callable[[Any], object]) -> object:
        """Return what *handle_request* returns, or returned to the first caller.

        Raises:
            answer_errors.AnswerError: If there is no answer.
            Exception: What *handle_request* raises.
        """
        name, watch = _name(event, key), self.ports.watch
        digest = content_hash(event)
        wanted = Wanted(record_id=name, digest=digest)
        with watch.about(record_id=name):
            taken = self.ports.claims.take([wanted], now=self.ports.now, deadline=self.deadline)[name]
            if not isinstance(taken, Claim):
                return self._of_copy(taken)
            try:
                result = handle_request(event)
            except Exception:
                self._give_back(taken)
                raise
            watch.count("MessagesDone")
            return self._record(taken, result)

    def _record(self, claim: Claim, result: object) -> object:
        """Record that a request is done; return what its caller is told: it is done, whatever becomes of the record."""
        watch = self.ports.watch
        [ending] = self.ports.claims.complete([(claim, result)], now=self.ports.now(), deadline=self.deadline)
        match ending:
            case Kept(left_out) if left_out:
                watch.warning("request recorded as done without its result", reason=left_out)
            case Away(reason):
                watch.count("StoreErrors")
                watch.error("request done but not recorded: a copy may repeat it", reason=reason)
            case Lost(found):
                watch.count("ClaimsLost")
                watch.error("request done, but another worker had taken it over and may repeat it")
                # The first result is what is recorded first.
                if found and found.state == "done" and found.digest == claim.stored.digest and found.result is not None:
                    return json.loads(found.result)
        return result

    def _give_back(self, claim: Claim) -> None:
        [ending] = self.ports.claims.give_back([claim], deadline=self.deadline)
        match ending:
            case Away(reason):
                self.ports.watch.count("StoreErrors")
                self.ports.watch.warning("claim stands until the invocation's end", reason=reason)
            case Lost():
                self.ports.watch.count("ClaimsLost")
                self.ports.watch.error("another worker had taken the request over meanwhile")

    def _of_copy(self, taken: Repeated | Mismatch | Busy | Away) -> object:
        watch = self.ports.watch
        match taken:
            case Repeated(result, left_out):
                watch.count("MessagesRepeated")
                if result is None:
                    raise ResultNotStoredError(f"the request is done, and its first caller has the result: {left_out}")
                return json.loads(result)
            case Mismatch():
                watch.count("PayloadMismatches")
                raise PayloadMismatchError(
                    "the key is known with another payload; a caller must not use one key for two requests"
                )
            case Busy(until):
                seconds = max(0.0, until - self.ports.now())
                raise InProgressError(
                    f"a copy of the request is being worked on; ask again within {math.ceil(seconds)} seconds or after",
                    retry_after=seconds,
                )
            case Away(reason):
                watch.count("StoreErrors")
                watch.error("the idempotency table does not answer", reason=reason)
                raise StoreUnavailableError(
                    "the idempotency table does not answer, and nothing runs unguarded; ask again in a few seconds",
                    retry_after=_STORE_AWAY_SECONDS,
                )


def from_environment() -> AnswerPorts:
    """Make the ports from the function's environment settings."""
    settings = AnswerSettings.from_environment()
    store = DynamoDbClaims(client=client("dynamodb"), table=settings.idempotency.table)
    return AnswerPorts(
        claims=Claims(store, scope=settings.idempotency.scope, remember_seconds=settings.idempotency.remember_seconds),
        watch=JsonWatch(namespace=settings.namespace, dimensions={"service": settings.service}),
        now=time.time,
    )


def _name(event: Any, key: Callable[[Any], str]) -> str:
    try:
        name = key(event)
    except (LookupError, TypeError, AttributeError) as error:
        raise MissingKeyError(f"the event has no key: {describe(error)}") from None
    if not isinstance(name, str) or not name:
        raise MissingKeyError(f"the key must be text that is not empty, got {type(name).__name__}")
    return name
