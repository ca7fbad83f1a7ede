"""Ingest with fakes around it, and events as an HTTP API sends them."""

import base64
import json
from dataclasses import dataclass, field
from typing import Any

from aws_lambda_powertools import Logger

from lambdas.ingest.domain import ForgedError, Ingest, OverRateError, UnavailableError
from lambdas.ingest.handler import Ports, make_handler
from lambdas.shared.codes import Code
from lambdas.shared.messages import ReceivedEvent
from lambdas.shared.sns_message import SnsMessage

AT = "2026-11-21T03:40:00.000Z"


@dataclass
class Stored:
    event: ReceivedEvent
    event_id: str
    tenant: str
    correlation_id: str
    aside: bool


@dataclass
class World:
    """Everything around ingest, in memory; each part can be made to fail."""

    tenants: dict[str, str] = field(default_factory=lambda: {"acme-endpoint": "acme", "other-endpoint": "other"})
    stored: list[Stored] = field(default_factory=list)
    logged: list[tuple[Code, dict[str, Any]]] = field(default_factory=list)
    confirmed: list[str] = field(default_factory=list)
    forged: str = ""
    down: set[str] = field(default_factory=set)
    above_fair_rate: set[str] = field(default_factory=set)
    above_hard_rate: dict[str, int] = field(default_factory=dict)
    now: str = AT

    def tenant_of_endpoint(self, endpoint: str) -> str | None:
        self._fail("tenants")
        return self.tenants.get(endpoint)

    def verify(self, message: SnsMessage) -> None:
        self._fail("sns")
        if self.forged:
            raise ForgedError(self.forged)

    def confirm(self, message: SnsMessage) -> None:
        self._fail("confirm")
        self.confirmed.append(message.topic)

    def aside(self, tenant: str) -> bool:
        if tenant in self.above_hard_rate:
            raise OverRateError(tenant, self.above_hard_rate[tenant])
        return tenant in self.above_fair_rate

    def put(self, event: ReceivedEvent, *, event_id: str, tenant: str, correlation_id: str, aside: bool) -> None:
        self._fail("queue")
        self.stored.append(Stored(event, event_id, tenant, correlation_id, aside))

    def log(self, code: Code, /, **fields: str | int) -> None:
        self.logged.append((code, fields))

    def _fail(self, part: str) -> None:
        if part in self.down:
            raise UnavailableError(f"{part} is away")
        if f"{part} bug" in self.down:
            raise RuntimeError("a bug")

    def post(self, event: dict[str, Any]) -> tuple[int, dict[str, Any], dict[str, str]]:
        """Status, body and headers of the answer to *event*."""
        ingest = Ingest(
            endpoints=self,
            authority=self,
            rates=self,
            events=self,
            clock=lambda: self.now,
            region="us-east-1",
            log=self.log,
        )
        handle = make_handler(lambda: Ports(ingest=ingest, logger=Logger(service="test")))
        answer = handle(json.loads(json.dumps(event)), None)
        return answer["statusCode"], json.loads(answer["body"]), answer["headers"]


def http(
    body: bytes | None = b"disk is full",
    *,
    method: str = "POST",
    endpoint: str = "acme-endpoint",
    headers: dict[str, str] | None = None,
    query: dict[str, str] | None = None,
    encode: bool = False,
) -> dict[str, Any]:
    """A request in payload format 2.0."""
    path = f"/v1/endpoints/{endpoint}/events"
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "ANY /v1/endpoints/{endpoint}/events",
        "rawPath": path,
        "rawQueryString": "",
        "headers": headers or {},
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "api-id",
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1"},
            "requestId": "request-1",
            "stage": "$default",
        },
        "pathParameters": {"endpoint": endpoint},
        "isBase64Encoded": encode,
    }
    if query:
        event["queryStringParameters"] = query
    if body is not None:
        event["body"] = base64.b64encode(body).decode() if encode else body.decode()
    return event
