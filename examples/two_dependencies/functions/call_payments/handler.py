"""Charge one order at the payment provider."""

import urllib3

from constructs_lib.runtime import DependencyUnavailable, PermanentFailure, Record, TenantUnavailable, stream_consumer


def charge(record: Record) -> None:
    """Say of a failure how far it reaches; the consumer does the rest."""
    answer = urllib3.request("POST", "https://payments.example.com/charges", json=record.body, retries=False, timeout=5)
    if answer.status == 429:
        raise TenantUnavailable("the shop is over its limit", retry_after=float(answer.headers["Retry-After"]))
    if answer.status >= 500:
        raise DependencyUnavailable(f"the payment provider answered {answer.status}")
    if answer.status >= 400:
        raise PermanentFailure(f"the payment provider refused the charge: {answer.status}")


handle = stream_consumer(charge)
