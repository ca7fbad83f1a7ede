"""The rules of acceptance: who may post what, what is proven, and that a 202 means stored."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from lambdas.ingest import problems
from lambdas.ingest.event_id import event_id_of
from lambdas.ingest.problems import malformed
from lambdas.shared.codes import Code, Log
from lambdas.shared.messages import MalformedMessageError, ReceivedEvent
from lambdas.shared.sns_message import SUBSCRIPTION, TYPES, SnsMessage, json_object

# As base64 inside an envelope it stays below the 1 MiB that SQS takes.
LARGEST_BODY = 512 * 1024
METHODS = ("GET", "POST", "PUT")

_ENDPOINT = re.compile(r"[A-Za-z0-9_-]{1,128}")
_ALERT_KEY = re.compile(r"[^\x00-\x1f\x7f]{1,256}")


class ForgedError(Exception):
    """A message does not prove that SNS sent it, or asks for what SNS would not."""


class UnavailableError(Exception):
    """Something needed to accept the event is away; the sender must try again."""


class OverRateError(Exception):
    """The tenant sends far more than is accepted of it.

    Args:
        tenant: Its id.
        retry_after: Whole seconds after which there may be room.
    """

    def __init__(self, tenant: str, retry_after: int) -> None:
        super().__init__(f"tenant {tenant}")
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What was posted.

    Attributes:
        method: HTTP method.
        endpoint: Last part but one of the path.
        headers: By lower-case name.
        parameters: Of the query string.
        body: Byte for byte.
        correlation_id: Joins everything that follows from this request.
    """

    method: str
    endpoint: str
    headers: Mapping[str, str]
    parameters: Mapping[str, str]
    body: bytes
    correlation_id: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What the sender is told."""

    status: int
    body: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)


class Endpoints(Protocol):
    """Port: whose endpoint it is."""

    def tenant_of_endpoint(self, endpoint: str) -> str | None:
        """Tenant id, or None; raise `UnavailableError` when that cannot be told now."""


class Authority(Protocol):
    """Port: what SNS vouches for."""

    def verify(self, message: SnsMessage) -> None:
        """Raise `ForgedError` unless SNS signed it, `UnavailableError` when that cannot be told now."""

    def confirm(self, message: SnsMessage) -> None:
        """Confirm a subscription; raises as `verify` does."""


class Events(Protocol):
    """Port: the durable store of accepted events."""

    def put(self, event: ReceivedEvent, *, event_id: str, tenant: str, correlation_id: str, aside: bool) -> None:
        """Return once it is stored, *aside* if it must not delay others; raise `UnavailableError` when it is not."""


class Rates(Protocol):
    """Port: how much a tenant may send."""

    def aside(self, tenant: str) -> bool:
        """Whether its next event has to wait aside; raise `OverRateError` when it is not taken at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingest:
    """Accepts events for one region."""

    endpoints: Endpoints
    authority: Authority
    rates: Rates
    events: Events
    clock: Callable[[], str]
    region: str
    log: Log

    def accept(self, request: Request) -> Answer:
        """Store what *request* brings, then answer 202.

        Raises:
            Problem: It is not accepted, and why.
        """
        if request.method not in METHODS:
            raise problems.method_not_allowed(request.method, METHODS)
        if len(request.body) > LARGEST_BODY:
            raise problems.too_large(len(request.body), LARGEST_BODY)
        try:
            return self._accept(request)
        except ForgedError as error:
            raise problems.forged(str(error)) from error
        except OverRateError as error:
            raise problems.over_rate(error.retry_after) from error
        except UnavailableError as error:
            raise problems.unavailable() from error

    def _accept(self, request: Request) -> Answer:
        tenant = None
        if _ENDPOINT.fullmatch(request.endpoint):
            tenant = self.endpoints.tenant_of_endpoint(request.endpoint)
        if tenant is None:
            raise problems.unknown_endpoint()
        sns = _sns_message(request)
        if sns is not None:
            self.authority.verify(sns)
            if sns.type == SUBSCRIPTION:
                self.authority.confirm(sns)
                self.log(Code.ING_SUBSCRIBED, tenant=tenant, topic=sns.topic)
                return Answer(200, {"subscription": "confirmed", "topic": sns.topic})
        elif not request.body and not request.parameters:
            raise malformed("There is no event in it; POST it as the body, or GET with it in the query string")
        return self._store(request, tenant, sns)

    def _store(self, request: Request, tenant: str, sns: SnsMessage | None) -> Answer:
        alert_key = request.headers.get("x-alert-key")
        if alert_key is not None and not _ALERT_KEY.fullmatch(alert_key):
            raise malformed(
                f"Header X-Alert-Key must be 1 to 256 printable characters, got {len(alert_key)} characters; "
                "send a hash of a longer key"
            )
        accepted_at = self.clock()
        event_id = event_id_of(
            tenant=tenant,
            endpoint=request.endpoint,
            headers=request.headers,
            parameters=request.parameters,
            body=request.body,
            sns=sns,
            accepted_at=accepted_at,
        )
        event = ReceivedEvent(
            endpoint=request.endpoint,
            origin="http" if sns is None else "sns",
            content_type=request.headers.get("content-type", "").partition(";")[0].strip().lower(),
            raw=request.body,
            accepted_at=accepted_at,
            accepted_in=self.region,
            alert_key=alert_key,
            parameters=request.parameters,
        )
        aside = self.rates.aside(tenant)
        self.events.put(event, event_id=event_id, tenant=tenant, correlation_id=request.correlation_id, aside=aside)
        self.log(
            Code.ING_SIDELINED if aside else Code.ING_ACCEPTED,
            tenant=tenant,
            event_id=event_id,
            bytes=len(request.body),
        )
        return Answer(202, {"event_id": event_id})


def _sns_message(request: Request) -> SnsMessage | None:
    """The SNS envelope that *request* is; None when it is none.

    SNS can be told to deliver messages bare ("raw delivery"). Those bear no signature, so they count as what anybody
    may post who knows the endpoint.
    """
    declared = "x-amz-sns-message-type" in request.headers and request.headers.get("x-amz-sns-rawdelivery") != "true"
    fields = json_object(request.body)
    if not declared and (fields is None or fields.get("Type") not in TYPES or "SigningCertURL" not in fields):
        return None
    try:
        return SnsMessage.parse(request.body)
    except MalformedMessageError as error:
        raise malformed(f"The SNS message cannot be read: {error}") from None
