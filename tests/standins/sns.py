"""Amazon SNS as a sender over HTTP: signed messages of all three types, and the certificate to check them with.

Formats: the SNS developer guide, "Parsing Amazon SNS message formats" and "HTTP/HTTPS headers".
"""

import base64
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from urllib.parse import urlencode

import urllib3
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from tests.standins.record import moment

ACCOUNT = "123456789012"

# SNS gives an endpoint this long to answer.
PATIENCE_SECONDS = 15.0

_SIGNED = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
    "UnsubscribeConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
}
_DIGESTS: Mapping[str, hashes.HashAlgorithm] = {"1": hashes.SHA1(), "2": hashes.SHA256()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What an endpoint answered: status 0 and the reason when it did not."""

    status: int
    body: str


def topic_arn(region: str, name: str = "alerts") -> str:
    """The ARN of a topic."""
    return f"arn:aws:sns:{region}:{ACCOUNT}:{name}"


class SnsStandIn:
    """A sender with a key and a certificate of its own.

    Args:
        url: Where the certificate is served and subscriptions are confirmed.

    Attributes:
        url: The same.
        confirmations: The topics and tokens confirmed so far, in order.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.confirmations: list[tuple[str, str]] = []
        self._name = f"SimpleNotificationService-{uuid.uuid4().hex}.pem"
        self.certificate_url = f"{url}/{self._name}"
        self.app = Starlette(routes=[Route("/", self._confirm), Route("/{name}", self._serve_certificate)])

    @cached_property
    def _key(self) -> rsa.RSAPrivateKey:
        # Made when first needed: it takes longer than everything else together.
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)

    @cached_property
    def certificate_pem(self) -> bytes:
        """The certificate to check signatures with."""
        return _certificate(self._key)

    def sign(self, fields: Mapping[str, str], *, version: str = "2") -> dict[str, str]:
        """*fields* with signature, its version and the certificate's address.

        Args:
            fields: Of a message, complete but for its signature.
            version: `1` (SHA-1) or `2` (SHA-256).
        """
        names = [name for name in _SIGNED[fields["Type"]] if name in fields]
        text = "".join(f"{name}\n{fields[name]}\n" for name in names).encode()
        signature = self._key.sign(text, padding.PKCS1v15(), _DIGESTS[version])
        return {
            **fields,
            "SignatureVersion": version,
            "Signature": base64.b64encode(signature).decode(),
            "SigningCertURL": self.certificate_url,
        }

    def notification(
        self,
        message: str,
        *,
        topic: str,
        subject: str | None = None,
        message_id: str | None = None,
        version: str = "2",
    ) -> dict[str, str]:
        """A signed notification.

        Args:
            message: What was published.
            topic: ARN of the topic.
            subject: Default: none.
            message_id: Default: a new one; copies of one message share it.
            version: Of the signature.
        """
        fields = _fields("Notification", topic, message, message_id)
        if subject is not None:
            fields["Subject"] = subject
        unsubscribe = {"Action": "Unsubscribe", "SubscriptionArn": _subscription(topic)}
        return self.sign(fields, version=version) | {"UnsubscribeURL": f"{self.url}/?{urlencode(unsubscribe)}"}

    def subscription_confirmation(self, *, topic: str, version: str = "2") -> dict[str, str]:
        """A signed request to confirm a subscription."""
        text = f"You have chosen to subscribe to the topic {topic}.\nTo confirm, visit the SubscribeURL."
        return self._confirmation("SubscriptionConfirmation", topic, text, version)

    def unsubscribe_confirmation(self, *, topic: str, version: str = "2") -> dict[str, str]:
        """A signed notice that a subscription has ended."""
        text = f"You have chosen to deactivate subscription {_subscription(topic)}."
        return self._confirmation("UnsubscribeConfirmation", topic, text, version)

    def post(self, url: str, envelope: Mapping[str, str]) -> Answer:
        """Post a message to *url* as SNS does."""
        headers = {
            "Content-Type": "text/plain; charset=UTF-8",
            "User-Agent": "Amazon Simple Notification Service Agent",
            "x-amz-sns-message-type": envelope["Type"],
            "x-amz-sns-message-id": envelope["MessageId"],
            "x-amz-sns-topic-arn": envelope["TopicArn"],
        }
        if envelope["Type"] != "SubscriptionConfirmation":
            headers["x-amz-sns-subscription-arn"] = _subscription(envelope["TopicArn"])
        timeout = urllib3.Timeout(total=PATIENCE_SECONDS)
        with urllib3.PoolManager(retries=False, timeout=timeout) as http:
            try:
                answer = http.request("POST", url, headers=headers, body=json.dumps(dict(envelope)), redirect=False)
            except urllib3.exceptions.HTTPError as error:
                return Answer(status=0, body=str(error))
            return Answer(status=answer.status, body=answer.data.decode(errors="replace"))

    def post_notification(
        self,
        url: str,
        message: str,
        *,
        topic: str,
        subject: str | None = None,
        message_id: str | None = None,
        version: str = "2",
    ) -> Answer:
        """Post a signed notification to *url*; options as of `notification`."""
        envelope = self.notification(message, topic=topic, subject=subject, message_id=message_id, version=version)
        return self.post(url, envelope)

    def _confirmation(self, kind: str, topic: str, text: str, version: str) -> dict[str, str]:
        token = uuid.uuid4().hex * 4
        query = {"Action": "ConfirmSubscription", "TopicArn": topic, "Token": token}
        fields = _fields(kind, topic, text, None) | {"Token": token, "SubscribeURL": f"{self.url}/?{urlencode(query)}"}
        return self.sign(fields, version=version)

    async def _confirm(self, request: Request) -> Response:
        query = request.query_params
        if query.get("Action") != "ConfirmSubscription" or not query.get("TopicArn") or not query.get("Token"):
            return PlainTextResponse("<ErrorResponse><Error><Code>InvalidParameter</Code></Error></ErrorResponse>", 400)
        self.confirmations.append((query["TopicArn"], query["Token"]))
        arn = _subscription(query["TopicArn"])
        return Response(
            f"<ConfirmSubscriptionResponse><ConfirmSubscriptionResult><SubscriptionArn>{arn}</SubscriptionArn>"
            "</ConfirmSubscriptionResult></ConfirmSubscriptionResponse>",
            media_type="text/xml",
        )

    async def _serve_certificate(self, request: Request) -> Response:
        if request.path_params["name"] != self._name:
            return PlainTextResponse("no such certificate", 404)
        return Response(self.certificate_pem, media_type="application/x-pem-file")


def _fields(kind: str, topic: str, message: str, message_id: str | None) -> dict[str, str]:
    return {
        "Type": kind,
        "MessageId": message_id or str(uuid.uuid4()),
        "TopicArn": topic,
        "Message": message,
        "Timestamp": moment(),
    }


def _subscription(topic: str) -> str:
    return f"{topic}:{uuid.uuid5(uuid.NAMESPACE_URL, topic)}"


def _certificate(key: rsa.RSAPrivateKey) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM)
