"""Calls an address in one of the ways that functions do, and tells what became of it."""

import urllib.error
import urllib.request
from typing import Any

import boto3
import urllib3


def handle(event: dict[str, Any], context: object) -> dict[str, Any]:
    """*event* names a `way` and, but for AWS, a `url`."""
    return WAYS[event["way"]](event.get("url", ""))


def by_urllib(url: str) -> dict[str, Any]:
    """The standard library, which goes by proxy settings, as most libraries do."""
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return {"status": answer.status, "body": answer.read().decode()}
    except urllib.error.HTTPError as error:
        return {"status": error.code, "retry_after": error.headers["Retry-After"]}
    except OSError as error:
        return {"error": type(getattr(error, "reason", error)).__name__}


def by_pool(url: str) -> dict[str, Any]:
    """A pool of urllib3, which does not."""
    answer = urllib3.PoolManager(retries=False, timeout=2).request("GET", url)
    return {"status": answer.status, "body": answer.data.decode()}


def by_sdk(_url: str) -> dict[str, Any]:
    """AWS's own SDK, which goes by proxy settings for what lies outside."""
    return {"account": boto3.client("sts").get_caller_identity()["Account"]}


WAYS = {"urllib": by_urllib, "pool": by_pool, "sdk": by_sdk}
