"""Reading what matters of an X.509 certificate: the RSA key and how long it is valid."""

import base64
import binascii
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

# What browsers and AWS have asked for since 2014.
SMALLEST_KEY_BITS = 2048
# A small odd exponent makes forgeries easier wherever a verifier is careless; public authorities use this one.
SMALLEST_EXPONENT = 65537

_RSA = "1.2.840.113549.1.1.1"
_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----\s+([A-Za-z0-9+/=\s]+?)-----END CERTIFICATE-----")


class CertificateError(Exception):
    """The certificate cannot be read, or its key is not one to trust."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningCertificate:
    """An RSA public key and the time in which it counts."""

    modulus: int
    exponent: int
    not_before: datetime
    not_after: datetime

    def valid_at(self, moment: datetime) -> bool:
        """Whether *moment* is between the two dates."""
        return self.not_before <= moment <= self.not_after


def read_certificate(pem: bytes) -> SigningCertificate:
    """The first certificate in *pem*.

    Raises:
        CertificateError: There is none, or its key is not RSA of at least 2048 bits with a common exponent.
    """
    # Needed for SNS senders only, and slow to import for everyone else.
    from pyasn1.codec.der.decoder import decode  # noqa: PLC0415
    from pyasn1.error import PyAsn1Error  # noqa: PLC0415
    from pyasn1_modules import rfc2459, rfc8017  # noqa: PLC0415

    found = _PEM.search(pem)
    if found is None:
        raise CertificateError("no certificate in PEM form")
    try:
        certificate, rest = decode(base64.b64decode(found[1]), asn1Spec=rfc2459.Certificate())
        signed = certificate["tbsCertificate"]
        key = signed["subjectPublicKeyInfo"]
        if str(key["algorithm"]["algorithm"]) != _RSA:
            raise CertificateError("the key is not an RSA key")
        numbers, rest_of_key = decode(key["subjectPublicKey"].asOctets(), asn1Spec=rfc8017.RSAPublicKey())
        not_before, not_after = _moment(signed["validity"]["notBefore"]), _moment(signed["validity"]["notAfter"])
    except (PyAsn1Error, binascii.Error, ValueError) as error:
        raise CertificateError(f"not an X.509 certificate: {type(error).__name__}") from error
    modulus, exponent = int(numbers["modulus"]), int(numbers["publicExponent"])
    if rest or rest_of_key:
        raise CertificateError("bytes follow where the certificate should end")
    if modulus.bit_length() < SMALLEST_KEY_BITS:
        raise CertificateError(f"the key has {modulus.bit_length()} bits; at least {SMALLEST_KEY_BITS} are needed")
    if exponent < SMALLEST_EXPONENT or exponent % 2 == 0:
        raise CertificateError(f"the key's exponent must be odd and at least {SMALLEST_EXPONENT}, got {exponent}")
    return SigningCertificate(modulus=modulus, exponent=exponent, not_before=not_before, not_after=not_after)


def _moment(time: Any) -> datetime:
    moment: datetime = time.getComponent().asDateTime
    return moment.astimezone(UTC)
