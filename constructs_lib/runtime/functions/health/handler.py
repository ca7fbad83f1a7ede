"""GET /health: 200 from a region that works, 503 from one that does not, and never an error.

A health function that breaks is no proof that its region works, so whatever goes wrong here counts as unhealthy.
"""

import json
import logging
import os
from collections.abc import Callable
from functools import cache
from typing import Any

from constructs_lib.runtime.functions.health.check import HealthCheck
from constructs_lib.runtime.functions.health.probes import build, clients

logger = logging.getLogger(__name__)

Handler = Callable[[dict[str, Any], object], dict[str, Any]]


def from_environment() -> HealthCheck:
    """The check that the construct asked for."""
    return HealthCheck(probes=build(json.loads(os.environ["RESILIENCE_HEALTH_PROBES"]), clients()))


def make_handler(load: Callable[[], HealthCheck]) -> Handler:
    """Build the handler; *load* runs on the first request, never on import."""
    check = cache(load)

    def handle(_event: dict[str, Any], _context: object) -> dict[str, Any]:
        try:
            return _answer(check().failed())
        except Exception:
            logger.exception("the health check itself failed")
            return _answer(("health check",))

    return handle


def _answer(failed: tuple[str, ...]) -> dict[str, Any]:
    body: dict[str, Any] = {"status": "unhealthy" if failed else "healthy", "region": os.environ.get("AWS_REGION", "")}
    if failed:
        body["failed"] = list(failed)
    return {
        "statusCode": 503 if failed else 200,
        "headers": {"content-type": "application/json", "cache-control": "no-store"},
        # No spaces: Route 53 looks for the text "status":"healthy".
        "body": json.dumps(body, separators=(",", ":")),
    }


handle = make_handler(from_environment)
