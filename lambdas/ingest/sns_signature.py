"""Proof that SNS itself posted a message: signature versions 1 (SHA-1) and 2 (SHA-256).

The trust anchor is TLS: the certificate is fetched from the SNS host of the topic's own region, whose name a message
cannot choose. A message is not refused for its age: SNS documents no such rule, its retries may be stretched, and a
customer may send again what lay in a dead-letter queue for days. A copy replayed by somebody else changes nothing,
since its id is known already.
"""

import base64
import binascii
import re
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime
from typing import Protocol
from urllib.parse import parse_qs, urlsplit

from lambdas.ingest import rsa_signature
from lambdas.ingest.certificates import CertificateError, SigningCertificate, read_certificate
from lambdas.ingest.domain import ForgedError, UnavailableError
from lambdas.shared.sns_message import SnsMessage

_DIGESTS = {"1": "sha1", "2": "sha256"}
_REGION = re.compile(r"[a-z0-9-]+")
_CERTIFICATE_NAME = r"/SimpleNotificationService-[A-Za-z0-9_-]+\.pem"
# SNS changes its certificates about once a year.
_CERTIFICATES_KEPT = 32
_OK, _MULTIPLE_CHOICES, _SERVER_ERROR, _TOO_MANY = 200, 300, 500, 429


class Web(Protocol):
    """Port: fetch over HTTPS with verified certificates, time limits, and without following redirects."""

    def get(self, url: str) -> tuple[int, bytes]:
        """Status and the beginning of the body; raise `UnavailableError` when nothing answers."""


class SnsAuthority:
    """Verifies messages and confirms subscriptions, at one origin only.

    Args:
        web: How to fetch.
        origin: Address of SNS; `{region}` stands for the topic's region.
        clock: This moment.
    """

    def __init__(self, web: Web, *, origin: str, clock: Callable[[], datetime]) -> None:
        self._web = web
        self._origin = origin
        self._clock = clock
        self._certificates: OrderedDict[str, SigningCertificate] = OrderedDict()

    def verify(self, message: SnsMessage) -> None:
        """Accept *message* only if SNS signed it.

        Raises:
            ForgedError: It did not.
            UnavailableError: That cannot be told now.
        """
        if message.signature_version not in _DIGESTS:
            raise ForgedError(f"SignatureVersion must be 1 or 2, got {message.signature_version!r:.20}")
        try:
            signature = base64.b64decode(message.signature, validate=True)
        except (binascii.Error, ValueError):
            raise ForgedError("Signature is not base64") from None
        certificate = self._certificate(message)
        if not certificate.valid_at(self._clock()):
            raise ForgedError("the signing certificate is not valid at this time")
        if not rsa_signature.verify(
            message.canonical(),
            signature,
            modulus=certificate.modulus,
            exponent=certificate.exponent,
            digest=_DIGESTS[message.signature_version],
        ):
            raise ForgedError("the signature does not match the message")

    def confirm(self, message: SnsMessage) -> None:
        """Confirm the subscription that a verified *message* asks about.

        Raises:
            ForgedError: Its address does not confirm that subscription, or SNS refuses it.
            UnavailableError: SNS does not answer now.
        """
        url = message.signed["SubscribeURL"]
        query = parse_qs(urlsplit(url).query)
        wanted = {"Action": "ConfirmSubscription", "TopicArn": message.topic, "Token": message.signed["Token"]}
        if not url.startswith(f"{self._origin_of(message)}/?") or any(
            query.get(name) != [value] for name, value in wanted.items()
        ):
            raise ForgedError("SubscribeURL does not confirm this subscription at the SNS host of the topic's region")
        status, _ = self._fetch(url)
        if not _OK <= status < _MULTIPLE_CHOICES:
            raise ForgedError(f"SNS refused the confirmation with status {status}; subscribe again")

    def _certificate(self, message: SnsMessage) -> SigningCertificate:
        url = message.certificate_url
        if not re.fullmatch(re.escape(self._origin_of(message)) + _CERTIFICATE_NAME, url):
            raise ForgedError("SigningCertURL is not a certificate at the SNS host of the topic's region")
        if url not in self._certificates:
            status, body = self._fetch(url)
            if status != _OK:
                raise ForgedError(f"no certificate at SigningCertURL: status {status}")
            try:
                self._certificates[url] = read_certificate(body)
            except CertificateError as error:
                raise ForgedError(f"the certificate at SigningCertURL does not count: {error}") from error
            if len(self._certificates) > _CERTIFICATES_KEPT:
                self._certificates.popitem(last=False)
        return self._certificates[url]

    def _fetch(self, url: str) -> tuple[int, bytes]:
        status, body = self._web.get(url)
        if status >= _SERVER_ERROR or status == _TOO_MANY:
            raise UnavailableError(f"SNS answered {status}")
        return status, body

    def _origin_of(self, message: SnsMessage) -> str:
        region, partition = message.region, message.partition
        if not _REGION.fullmatch(region):
            raise ForgedError("TopicArn is not the ARN of an SNS topic")
        origin = self._origin.replace("{region}", region)
        if partition == "aws-cn" and origin.endswith(".amazonaws.com"):
            return origin + ".cn"
        return origin
