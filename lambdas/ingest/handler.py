"""HTTP API (payload format 2.0) to events queue; whatever happens, the sender gets an answer that says what to do."""

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

from aws_lambda_powertools import Logger

from constructs_lib.runtime.clients import client
from constructs_lib.runtime.tenant_throttle import TenantThrottle
from lambdas.ingest import problems
from lambdas.ingest.adapters import EventQueue, TenantDirectory, TenantRates, VerifiedWeb
from lambdas.ingest.domain import Answer, Ingest, Request
from lambdas.ingest.problems import CONTENT_TYPE, Problem
from lambdas.ingest.settings import Settings
from lambdas.ingest.sns_signature import SnsAuthority
from lambdas.shared import timestamps
from lambdas.shared.aws_clients import CONFIG
from lambdas.shared.codes import Code, coded_log
from lambdas.shared.tenants import TenantRepository

_CORRELATION_ID = re.compile(r"[A-Za-z0-9._:/=+@-]{1,128}")
_TRACE_ROOT = re.compile(r"(?:^|;)\s*Root=([0-9a-f-]{1,64})(?:;|$)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """What the handler works with.

    Args:
        ingest: The rules.
        logger: Powertools' own.
    """

    ingest: Ingest
    logger: Logger

    def about(self, correlation_id: str) -> AbstractContextManager[None]:
        """Put *correlation_id* on every line logged inside."""
        return self.logger.append_context_keys(correlation_id=correlation_id)


def from_environment() -> Ports:
    """The ports of a function on AWS, or on the local cloud."""
    settings = Settings.from_environment()
    logger = Logger()
    return Ports(
        ingest=Ingest(
            endpoints=TenantDirectory(TenantRepository(client("dynamodb", CONFIG), settings.tenants_table)),
            authority=SnsAuthority(VerifiedWeb(), origin=settings.certificate_origin, clock=lambda: datetime.now(UTC)),
            rates=TenantRates(TenantThrottle.from_environment()),
            events=EventQueue(
                client("sqs", CONFIG), settings.events_queue_url, sideline_url=settings.sideline_queue_url
            ),
            clock=timestamps.now,
            region=settings.region,
            log=coded_log(logger),
        ),
        logger=logger,
    )


def make_handler(load: Callable[[], Ports]) -> Callable[[Mapping[str, Any], object], dict[str, Any]]:
    """Build the handler; *load* runs on the first event, never on import."""
    ports = cache(load)

    def handle(event: Mapping[str, Any], _context: object) -> dict[str, Any]:
        correlation_id = correlation_id_of(event)
        ready = ports()
        with ready.about(correlation_id):
            try:
                answer = ready.ingest.accept(read_request(event, correlation_id))
            except Problem as problem:
                # What a sender wrote may stand in the detail; the cause is ours.
                ready.ingest.log(problem.code, problem=problem.name, reason=str(problem.__cause__ or ""))
                return render(refusal(problem, correlation_id), correlation_id)
            except Exception:
                ready.logger.exception(Code.ING_FAILED.meaning, extra={"code": Code.ING_FAILED.code})
                return render(refusal(problems.unforeseen(), correlation_id), correlation_id)
            return render(answer, correlation_id)

    return handle


def read_request(event: Mapping[str, Any], correlation_id: str) -> Request:
    """The request in *event*.

    Raises:
        Problem: Its body is not the base64 it says it is.
    """
    body: str = event.get("body") or ""
    try:
        raw = base64.b64decode(body, validate=True) if event.get("isBase64Encoded") else body.encode()
    except (binascii.Error, ValueError) as error:
        raise problems.malformed("The body is not valid base64; send it as it is, without encoding") from error
    return Request(
        method=event["requestContext"]["http"]["method"].upper(),
        endpoint=(event.get("pathParameters") or {}).get("endpoint", ""),
        headers=headers_of(event),
        parameters=event.get("queryStringParameters") or {},
        body=raw,
        correlation_id=correlation_id,
    )


def correlation_id_of(event: Mapping[str, Any]) -> str:
    """The sender's own id if it is a sane one, else the trace's, else the request's."""
    headers = headers_of(event)
    given = headers.get("x-correlation-id", "")
    if _CORRELATION_ID.fullmatch(given):
        return given
    trace = _TRACE_ROOT.search(headers.get("x-amzn-trace-id", ""))
    return trace[1] if trace else str(event["requestContext"]["requestId"])


def headers_of(event: Mapping[str, Any]) -> dict[str, str]:
    """Headers by lower-case name; HTTP APIs write them so already, other front doors may not."""
    return {name.lower(): value for name, value in (event.get("headers") or {}).items()}


def refusal(problem: Problem, correlation_id: str) -> Answer:
    """The answer that tells the sender of *problem*."""
    return Answer(problem.status, problem.document(correlation_id), {"Content-Type": CONTENT_TYPE, **problem.headers})


def render(answer: Answer, correlation_id: str) -> dict[str, Any]:
    """*answer* as an HTTP API expects it."""
    return {
        "statusCode": answer.status,
        "headers": {"Content-Type": "application/json", "X-Correlation-Id": correlation_id, **answer.headers},
        "body": json.dumps(answer.body),
    }


handle = make_handler(from_environment)
