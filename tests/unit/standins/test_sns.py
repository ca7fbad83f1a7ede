"""SNS as a sender: what the stand-in signs, the system's own check believes."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import pytest

from lambdas.ingest.adapters import VerifiedWeb
from lambdas.ingest.domain import ForgedError
from lambdas.ingest.sns_signature import SnsAuthority
from lambdas.shared.sns_message import SnsMessage
from tests.standins import StandIns
from tests.standins.sns import topic_arn

TOPIC = topic_arn("eu-west-1")


@pytest.fixture(scope="module")
def standins() -> Iterator[StandIns]:
    with StandIns(port=0) as running:
        yield running


def read(envelope: dict[str, str]) -> SnsMessage:
    return SnsMessage.parse(json.dumps(envelope).encode())


def authority(standins: StandIns) -> SnsAuthority:
    return SnsAuthority(VerifiedWeb(), origin=f"{standins.url}/sns", clock=lambda: datetime.now(UTC))


def envelopes(standins: StandIns, version: str) -> list[dict[str, str]]:
    sns = standins.sns
    return [
        sns.notification("hello\nworld", topic=TOPIC, version=version),
        sns.notification("hello", topic=TOPIC, subject="ALARM: ä", version=version),
        sns.subscription_confirmation(topic=TOPIC, version=version),
        sns.unsubscribe_confirmation(topic=TOPIC, version=version),
    ]


@pytest.mark.parametrize("version", ["1", "2"])
def test_every_type_bears_a_signature_that_holds(standins: StandIns, version: str) -> None:
    """In both versions, against the certificate fetched from where the message says."""
    for envelope in envelopes(standins, version):
        authority(standins).verify(read(envelope))
        with pytest.raises(ForgedError):
            authority(standins).verify(read(envelope | {"Message": "something else"}))


def test_a_subscription_can_be_confirmed(standins: StandIns) -> None:
    """By the address in the message; the stand-in remembers it."""
    message = read(standins.sns.subscription_confirmation(topic=TOPIC))
    authority(standins).confirm(message)
    assert standins.sns.confirmations[-1] == (TOPIC, message.signed["Token"])


def test_a_confirmation_without_a_token_is_refused(standins: StandIns) -> None:
    """As SNS does."""
    status, _ = VerifiedWeb().get(f"{standins.url}/sns/?Action=ConfirmSubscription")
    assert status == 400
    assert VerifiedWeb().get(f"{standins.url}/sns/SimpleNotificationService-other.pem")[0] == 404


def test_a_message_is_posted_as_sns_posts_it(standins: StandIns, monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain text with SNS's own headers; the answer's status comes back."""
    seen: dict[str, Any] = {}

    def request(_pool: object, method: str, url: str, **rest: Any) -> Any:
        seen.update(method=method, url=url, **rest)
        raise ConnectionRefusedError

    answer = standins.sns.post_notification(f"{standins.url}/api/faults", "x", topic=TOPIC)
    assert answer.status == 400
    monkeypatch.setattr("urllib3.PoolManager.request", request)
    with pytest.raises(ConnectionRefusedError):
        standins.sns.post_notification(f"{standins.url}/x", "x", topic=TOPIC, message_id="m-1")
    assert seen["headers"]["Content-Type"] == "text/plain; charset=UTF-8"
    assert seen["headers"]["x-amz-sns-message-type"] == "Notification"
    assert seen["headers"]["x-amz-sns-message-id"] == "m-1"
    assert seen["headers"]["x-amz-sns-topic-arn"] == TOPIC
    assert seen["headers"]["x-amz-sns-subscription-arn"].startswith(TOPIC + ":")


def test_an_endpoint_that_does_not_answer_is_status_zero(standins: StandIns) -> None:
    """Whoever sends decides whether to try again."""
    nobody = urlsplit(standins.url)._replace(netloc="127.0.0.1:1").geturl()
    assert standins.sns.post_notification(nobody, "x", topic=TOPIC).status == 0
