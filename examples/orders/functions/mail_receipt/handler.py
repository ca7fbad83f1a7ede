"""Mail a receipt: the provider is outside, so it is told the order's id, by which it knows copies."""

import os

import urllib3

from constructs_lib.runtime import DependencyUnavailable, Outside, PermanentFailure, Record, queue_consumer


def mail(record: Record) -> None:
    """Ask the provider to send the receipt; while it is away, the order waits."""
    try:
        answer = urllib3.request(
            "POST",
            os.environ["MAIL_URL"],
            json={"to": record.body["customer"], "about": record.id},
            headers={"Idempotency-Key": record.id},
            retries=False,
            timeout=2,
        )
    except urllib3.exceptions.HTTPError as failure:
        raise DependencyUnavailable(f"the mail provider cannot be reached: {type(failure).__name__}") from failure
    if answer.status >= 500:
        raise DependencyUnavailable(f"the mail provider answered {answer.status}")
    if answer.status >= 400:
        raise PermanentFailure(f"the mail provider refused the receipt: {answer.status}")


handle = queue_consumer(mail, effect=Outside(receiver_key=True))
