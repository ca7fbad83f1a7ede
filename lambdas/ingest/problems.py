"""Refusals as problem documents (RFC 9457): what is wrong, what is allowed, the way out."""

from collections.abc import Mapping
from typing import Any

from lambdas.shared.codes import Code

CONTENT_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 5


class Problem(Exception):  # noqa: N818 - the name of the thing it becomes on the wire
    """A request that is not accepted.

    Args:
        status: HTTP status.
        name: What kind of problem; the last part of its type URN, stable.
        title: The same for people.
        detail: What is wrong with this request, what is allowed, the way out.
        headers: What the answer needs besides. Default: nothing.
        code: What it is logged as. Default: a refusal.
    """

    def __init__(
        self,
        status: int,
        name: str,
        title: str,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        code: Code = Code.ING_REFUSED,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.name = name
        self.title = title
        self.detail = detail
        self.headers = headers or {}
        self.code = code

    def document(self, correlation_id: str) -> dict[str, Any]:
        """The body of the answer."""
        return {
            "type": f"urn:alerting:problem:{self.name}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "correlation_id": correlation_id,
        }


def malformed(detail: str) -> Problem:
    """400."""
    return Problem(400, "malformed-request", "The request cannot be read", detail)


def forged(detail: str) -> Problem:
    """403."""
    return Problem(
        403,
        "invalid-signature",
        "The message does not prove that Amazon SNS sent it",
        f"{detail}. Nothing was stored. Only messages signed by SNS (SignatureVersion 1 or 2) are accepted in an SNS "
        "envelope; post anything else as plain JSON, form or text.",
        code=Code.ING_FORGED,
    )


def unknown_endpoint() -> Problem:
    """404."""
    return Problem(
        404,
        "unknown-endpoint",
        "There is no such endpoint",
        "The address must be /v1/endpoints/<endpoint>/events with the endpoint id you were given; "
        "copy it again from where you set the alerting up.",
    )


def method_not_allowed(method: str, allowed: tuple[str, ...]) -> Problem:
    """405."""
    return Problem(
        405,
        "method-not-allowed",
        "The method is not allowed",
        f"{method} is not accepted here; POST the event, or GET with the event in the query string.",
        headers={"Allow": ", ".join(allowed)},
    )


def too_large(size: int, limit: int) -> Problem:
    """413."""
    return Problem(
        413,
        "body-too-large",
        "The body is too large",
        f"The body has {size} bytes; at most {limit} are accepted. Post a summary and a link to the rest.",
    )


def over_rate(retry_after: int) -> Problem:
    """429."""
    return Problem(
        429,
        "over-rate",
        "Too many events",
        f"Nothing was stored: this endpoint's tenant sends far more events than are accepted. Post it again after "
        f"{retry_after} seconds, with the same id if it has one, and fewer per second; SNS does so by itself, and "
        "keeps what it gives up on if the subscription has a dead-letter queue.",
        headers={"Retry-After": str(retry_after)},
        code=Code.ING_THROTTLED,
    )


def unavailable() -> Problem:
    """503."""
    return Problem(
        503,
        "not-stored",
        "The event could not be stored",
        f"Nothing was stored. Post it again after {RETRY_AFTER_SECONDS} seconds, with the same id if it has one.",
        headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
        code=Code.ING_UNAVAILABLE,
    )


def unforeseen() -> Problem:
    """500."""
    return Problem(
        500,
        "unforeseen",
        "The request failed for a reason nobody foresaw",
        "It may not have been stored. Post it again; if that fails too, report the correlation id.",
        code=Code.ING_FAILED,
    )
