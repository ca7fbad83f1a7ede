"""Only what SNS signed counts, and only SNS's own host is ever asked."""

import base64
from datetime import timedelta

import pytest

from lambdas.ingest.domain import ForgedError, UnavailableError
from lambdas.ingest.sns_signature import SnsAuthority
from lambdas.shared.sns_message import SnsMessage
from tests.unit.lambdas.ingest.signing import (
    CERTIFICATE_URL,
    NOW,
    ORIGIN,
    FakeWeb,
    body,
    certificate,
    confirmation,
    notification,
    private_key,
    sign,
    web,
)

pytestmark = pytest.mark.requirement("ING-03")


def authority(fake: FakeWeb, origin: str = "https://sns.{region}.amazonaws.com") -> SnsAuthority:
    return SnsAuthority(fake, origin=origin, clock=lambda: NOW)


def message(fields: dict[str, str]) -> SnsMessage:
    return SnsMessage.parse(body(fields))


@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize(
    "fields",
    [
        notification(),
        {name: value for name, value in notification().items() if name != "Subject"},
        notification("Grüße\nzwei Zeilen \U0001f525", Subject=""),
        confirmation(),
        confirmation("UnsubscribeConfirmation"),
    ],
)
def test_what_sns_signed_is_accepted(fields: dict[str, str], version: str) -> None:
    """All three types, with and without subject, both signature versions."""
    authority(web()).verify(message(sign(fields, version=version)))


def test_an_old_message_is_accepted() -> None:
    """A customer may send again what lay in a dead-letter queue for days; SNS documents no age limit."""
    authority(web()).verify(message(sign(notification(Timestamp="2025-01-01T00:00:00.000Z"))))


SIGNED = sign(notification())


@pytest.mark.parametrize(
    "change",
    [
        {"Message": "disk is fine"},
        {"MessageId": "another"},
        {"Subject": "another"},
        {"Timestamp": "2026-11-21T03:40:00.000Z"},
        {"TopicArn": "arn:aws:sns:us-east-1:999999999999:alarms"},
        {"SignatureVersion": "2"},
        {"SignatureVersion": "3"},
        {"Signature": ""},
        {"Signature": "not base64!"},
        {"Signature": base64.b64encode(b"\x00" * 256).decode()},
        {"Signature": SIGNED["Signature"] + "AAAA"},
        {"Signature": sign(notification(), key=private_key(number=1))["Signature"]},
    ],
    ids=str,
)
def test_a_message_changed_or_signed_by_another_is_refused(change: dict[str, str]) -> None:
    """Every signed field is covered."""
    with pytest.raises(ForgedError):
        authority(web()).verify(message(SIGNED | change))


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/SimpleNotificationService-1.pem",
        "http://sns.us-east-1.amazonaws.com/SimpleNotificationService-1.pem",
        "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-1.pem",
        "https://sns.us-east-1.amazonaws.com.evil.example/SimpleNotificationService-1.pem",
        "https://sns.us-east-1.amazonaws.com@evil.example/SimpleNotificationService-1.pem",
        "https://sns.us-east-1.amazonaws.com:8443/SimpleNotificationService-1.pem",
        "https://sns.us-east-1.amazonaws.com/bucket/SimpleNotificationService-1.pem",
        "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-1.pem?x=1",
        "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-1.pem\n",
        "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-1/../x.pem",
        "https://SNS.us-east-1.amazonaws.com/SimpleNotificationService-1.pem",
        "",
    ],
)
def test_a_certificate_elsewhere_is_not_even_fetched(url: str) -> None:
    """A message cannot choose who vouches for it, nor where this function connects to."""
    fake = web()
    with pytest.raises(ForgedError):
        authority(fake).verify(message(SIGNED | {"SigningCertURL": url}))
    assert fake.asked == []


@pytest.mark.parametrize(
    "topic",
    ["", "alarms", "arn:aws:sqs:us-east-1:123456789012:q", "arn:aws:sns:us-east-1/../x:1:t", "arn:aws:sns::1:t"],
)
def test_a_topic_without_a_region_is_refused(topic: str) -> None:
    """The region decides which host may vouch."""
    fake = web()
    with pytest.raises(ForgedError):
        authority(fake).verify(message(SIGNED | {"TopicArn": topic}))
    assert fake.asked == []


@pytest.mark.parametrize(
    ("topic", "host"),
    [
        ("arn:aws-cn:sns:cn-north-1:123456789012:alarms", "sns.cn-north-1.amazonaws.com.cn"),
        ("arn:aws-us-gov:sns:us-gov-west-1:123456789012:alarms", "sns.us-gov-west-1.amazonaws.com"),
    ],
)
def test_other_partitions_have_their_own_hosts(topic: str, host: str) -> None:
    """China's names end in .cn."""
    url = f"https://{host}/SimpleNotificationService-1.pem"
    fake = FakeWeb({url: (200, certificate(private_key()))}, [])
    authority(fake).verify(message(sign(notification(TopicArn=topic, SigningCertURL=url))))
    assert fake.asked == [url]


def test_a_stand_in_may_be_the_authority_by_setting() -> None:
    """The local cloud signs with a certificate of its own; nothing of the check is left out."""
    origin = "http://127.0.0.1:4581/sns"
    url = f"{origin}/SimpleNotificationService-local.pem"
    fake = FakeWeb({url: (200, certificate(private_key()))}, [])
    authority(fake, origin).verify(message(sign(notification(SigningCertURL=url))))
    with pytest.raises(ForgedError):
        authority(fake, origin).verify(message(SIGNED))


def test_a_certificate_is_fetched_once() -> None:
    """SNS need not be asked for every message."""
    fake = web()
    sns = authority(fake)
    for number in range(3):
        sns.verify(message(sign(notification(MessageId=str(number)))))
    assert fake.asked == [CERTIFICATE_URL]


def test_a_kept_certificate_still_expires() -> None:
    """Its dates count at each message."""
    clock = [NOW]
    sns = SnsAuthority(web(), origin=ORIGIN, clock=lambda: clock[0])
    sns.verify(message(SIGNED))
    clock[0] = NOW + timedelta(days=31)
    with pytest.raises(ForgedError, match="not valid at this time"):
        sns.verify(message(SIGNED))


@pytest.mark.parametrize("answer", [(500, b""), (503, b""), (429, b""), UnavailableError("no answer")])
def test_an_authority_that_is_away_asks_for_another_try(answer: tuple[int, bytes] | Exception) -> None:
    """Not knowing is no reason to call an event forged: SNS would never send it again."""
    with pytest.raises(UnavailableError):
        authority(FakeWeb({CERTIFICATE_URL: answer}, [])).verify(message(SIGNED))


@pytest.mark.parametrize("answer", [(404, b""), (302, b""), (200, b"<html>"), (200, certificate(private_key(1024)))])
def test_what_is_no_certificate_vouches_for_nothing(answer: tuple[int, bytes]) -> None:
    """A redirect is not followed either."""
    with pytest.raises(ForgedError):
        authority(FakeWeb({CERTIFICATE_URL: answer}, [])).verify(message(SIGNED))


def test_a_subscription_is_confirmed_where_it_says() -> None:
    """One GET of SubscribeURL."""
    fields = sign(confirmation())
    fake = FakeWeb({fields["SubscribeURL"]: (200, b"<ConfirmSubscriptionResponse/>")}, [])
    authority(fake).confirm(message(fields))
    assert fake.asked == [fields["SubscribeURL"]]


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/?Action=ConfirmSubscription&TopicArn={topic}&Token=2336412f37",
        "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn={topic}&Token=2336412f37",
        f"{ORIGIN}/?Action=DeleteTopic&TopicArn={{topic}}&Token=2336412f37",
        f"{ORIGIN}/?Action=ConfirmSubscription&TopicArn=arn:aws:sns:us-east-1:1:other&Token=2336412f37",
        f"{ORIGIN}/?Action=ConfirmSubscription&TopicArn={{topic}}&Token=other",
        f"{ORIGIN}/?Action=ConfirmSubscription&Action=DeleteTopic&TopicArn={{topic}}&Token=2336412f37",
    ],
)
def test_an_address_that_does_something_else_is_not_called(url: str) -> None:
    """Not even when it is signed."""
    fields = confirmation()
    fake = FakeWeb({}, [])
    with pytest.raises(ForgedError):
        authority(fake).confirm(message(sign(fields | {"SubscribeURL": url.format(topic=fields["TopicArn"])})))
    assert fake.asked == []


@pytest.mark.parametrize(("status", "error"), [(400, ForgedError), (302, ForgedError), (500, UnavailableError)])
def test_a_confirmation_that_fails_says_whether_to_try_again(status: int, error: type[Exception]) -> None:
    """SNS repeats what is answered with 503."""
    fields = sign(confirmation())
    with pytest.raises(error):
        authority(FakeWeb({fields["SubscribeURL"]: (status, b"")}, [])).confirm(message(fields))
