"""Slack's interactions to the actions queue: verify, store, answer; well within the three seconds Slack gives."""

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

from aws_lambda_powertools import Logger

from constructs_lib.runtime import DependencyUnavailable
from constructs_lib.runtime.clients import client
from lambdas.interactions.adapters import ActionQueue, NotStoredError
from lambdas.interactions.domain import Click, UnreadableError, UnsignedError, clicks, verify
from lambdas.interactions.settings import Settings
from lambdas.shared import timestamps
from lambdas.shared.aws_clients import CONFIG
from lambdas.shared.cached_secret import CachedSecret
from lambdas.shared.codes import Code, coded_log

_TRACE_ROOT = re.compile(r"(?:^|;)\s*Root=([0-9a-f-]{1,64})(?:;|$)")


class Secret(Protocol):
    """Port to the signing secret."""

    def text(self) -> str:
        """The secret; raises `DependencyUnavailable` when it cannot be read."""


class Actions(Protocol):
    """Port to the queue."""

    def put(self, click: Click, *, correlation_id: str) -> None:
        """Store *click*, or raise `NotStoredError`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """What the handler works with.

    Args:
        secret: Slack's signing secret.
        actions: Where clicks go.
        logger: Where each outcome is noted.
        now: Gives the time.
    """

    secret: Secret
    actions: Actions
    logger: Logger
    now: Callable[[], str] = timestamps.now


def from_environment() -> Ports:
    """Make the ports from the function's environment."""
    settings = Settings.from_environment()
    return Ports(
        secret=CachedSecret(client("secretsmanager", CONFIG), settings.signing_secret),
        actions=ActionQueue(client("sqs", CONFIG), settings.actions_queue_url),
        logger=Logger(),
    )


def make_handler(load: Callable[[], Ports]) -> Callable[[Mapping[str, Any], object], dict[str, Any]]:
    """Build the handler; *load* runs on the first event, never on import."""
    ports_of = cache(load)

    def handle(event: Mapping[str, Any], _context: object) -> dict[str, Any]:
        ports = ports_of()
        correlation_id = _correlation_id(event)
        with ports.logger.append_context_keys(correlation_id=correlation_id):
            return _answer(ports, event, correlation_id)

    return handle


def _answer(ports: Ports, event: Mapping[str, Any], correlation_id: str) -> dict[str, Any]:
    log, now = coded_log(ports.logger), ports.now()
    try:
        body = _body(event)
        verify(headers=_headers(event), body=body, secret=ports.secret.text().strip(), now=now)
        for click in clicks(body, now=now):
            ports.actions.put(click, correlation_id=correlation_id)
            log(Code.ACT_STORED, tenant=click.tenant, alert_id=click.request.alert_id, action=click.request.kind)
    except UnsignedError as error:
        refusal = _Refusal(401, "invalid-signature", "Nothing proves that this is from Slack", f"{error}.")
    except UnreadableError as error:
        refusal = _Refusal(400, "malformed-request", "The request cannot be read", f"{error}.")
    except (DependencyUnavailable, NotStoredError):
        ports.logger.exception(Code.ACT_NOT_STORED.meaning, extra={"code": Code.ACT_NOT_STORED.code})
        # What is wrong on our side is nothing to tell the outside.
        refusal = _Refusal(503, "not-stored", "The action could not be stored", "Press the button again.")
    else:
        return {"statusCode": 200, "headers": {"X-Correlation-Id": correlation_id}, "body": ""}
    log(Code.ACT_REFUSED, problem=refusal.name, reason=refusal.detail)
    return refusal.answer(correlation_id)


@dataclass(frozen=True, slots=True)
class _Refusal:
    status: int
    name: str
    title: str
    detail: str

    def answer(self, correlation_id: str) -> dict[str, Any]:
        """A problem document, RFC 9457."""
        document = {
            "type": f"urn:alerting:problem:{self.name}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "correlation_id": correlation_id,
        }
        return {
            "statusCode": self.status,
            "headers": {"Content-Type": "application/problem+json", "X-Correlation-Id": correlation_id},
            "body": json.dumps(document),
        }


def _body(event: Mapping[str, Any]) -> bytes:
    body: str = event.get("body") or ""
    if not event.get("isBase64Encoded"):
        return body.encode()
    try:
        return base64.b64decode(body, validate=True)
    except binascii.Error as error:
        raise UnreadableError("the body is not valid base64") from error


def _headers(event: Mapping[str, Any]) -> dict[str, str]:
    return {name.lower(): value for name, value in (event.get("headers") or {}).items()}


def _correlation_id(event: Mapping[str, Any]) -> str:
    trace = _TRACE_ROOT.search(_headers(event).get("x-amzn-trace-id", ""))
    return trace[1] if trace else str(event["requestContext"]["requestId"])


handle = make_handler(from_environment)
