"""A sender that signs as SNS does, with a key and certificate of its own."""

import base64
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

NOW = datetime(2026, 11, 21, 3, 40, tzinfo=UTC)
ORIGIN = "https://sns.us-east-1.amazonaws.com"
CERTIFICATE_URL = f"{ORIGIN}/SimpleNotificationService-0123456789abcdef.pem"
TOPIC = "arn:aws:sns:us-east-1:123456789012:alarms"
HASHES: dict[str, hashes.HashAlgorithm] = {"1": hashes.SHA1(), "2": hashes.SHA256()}


@cache
def private_key(bits: int = 2048, exponent: int = 65537, number: int = 0) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=exponent, key_size=bits)


def certificate(
    key: Any, *, not_before: datetime = NOW - timedelta(days=1), not_after: datetime = NOW + timedelta(days=30)
) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(not_before)
        .not_valid_after(not_after)
        .sign(private_key(), hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM)


def notification(message: str = "disk is full", **changes: str) -> dict[str, str]:
    return {
        "Type": "Notification",
        "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
        "TopicArn": TOPIC,
        "Subject": "My First Message",
        "Message": message,
        "Timestamp": "2026-11-21T03:39:59.000Z",
        "UnsubscribeURL": f"{ORIGIN}/?Action=Unsubscribe",
    } | changes


def confirmation(kind: str = "SubscriptionConfirmation", **changes: str) -> dict[str, str]:
    return {
        "Type": kind,
        "MessageId": "165545c9-2a5c-472c-8df2-7ff2be2b3b1b",
        "Token": "2336412f37",
        "TopicArn": TOPIC,
        "Message": "You have chosen to subscribe to the topic.",
        "SubscribeURL": f"{ORIGIN}/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=2336412f37",
        "Timestamp": "2026-11-21T03:39:59.000Z",
    } | changes


def text_to_sign(fields: dict[str, str]) -> bytes:
    """Written out per type as the guide lists them, on purpose not as the code under test does it."""
    if fields["Type"] == "Notification":
        names = ["Message", "MessageId", *(["Subject"] if "Subject" in fields else []), "Timestamp", "TopicArn", "Type"]
    else:
        names = ["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
    return "".join(f"{name}\n{fields[name]}\n" for name in names).encode()


def sign(fields: dict[str, str], *, version: str = "1", key: rsa.RSAPrivateKey | None = None) -> dict[str, str]:
    signature = (key or private_key()).sign(text_to_sign(fields), padding.PKCS1v15(), HASHES[version])
    return fields | {
        "SignatureVersion": version,
        "Signature": base64.b64encode(signature).decode(),
        "SigningCertURL": fields.get("SigningCertURL", CERTIFICATE_URL),
    }


def body(fields: dict[str, str]) -> bytes:
    return json.dumps(fields).encode()


@dataclass
class FakeWeb:
    """Answers from a table and remembers what was asked."""

    answers: dict[str, tuple[int, bytes] | Exception]
    asked: list[str]

    def get(self, url: str) -> tuple[int, bytes]:
        self.asked.append(url)
        answer = self.answers.get(url, (404, b""))
        if isinstance(answer, Exception):
            raise answer
        return answer


def web(key: rsa.RSAPrivateKey | None = None) -> FakeWeb:
    return FakeWeb({CERTIFICATE_URL: (200, certificate(key or private_key()))}, [])
