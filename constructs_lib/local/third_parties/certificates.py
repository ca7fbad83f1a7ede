"""Certificates for hosts that functions call, so that the proxy can answer in a host's place over TLS.

The library depends on nothing that makes certificates, so they are put together here: version 3, signed by ECDSA with
SHA-256, with the extensions that strict checkers ask for.

Facts: the certificate and its extensions in RFC 5280, sections 4.1 and 4.2; keys on elliptic curves in RFC 5480
(public) and RFC 5915 (private).
"""

import base64
import datetime
import hashlib
import ipaddress
import secrets
import ssl
from collections.abc import Iterable
from typing import Final

from constructs_lib.local.third_parties.asn1 import (
    OCTETS,
    SEQUENCE,
    SET,
    TEXT,
    TIME,
    YES,
    bits,
    element,
    identifier,
    number,
)
from constructs_lib.local.third_parties.elliptic import Key

_BY_ECDSA: Final = element(SEQUENCE, identifier("1.2.840.10045.4.3.2"))
_P256: Final = identifier("1.2.840.10045.3.1.7")
_ON_P256: Final = element(SEQUENCE, identifier("1.2.840.10045.2.1"), _P256)
_COMMON_NAME: Final = identifier("2.5.4.3")
_SUBJECT_KEY, _USAGE, _NAMES, _CONSTRAINTS, _AUTHORITY_KEY, _PURPOSES = (
    identifier(f"2.5.29.{each}") for each in (14, 15, 17, 19, 35, 37)
)
_SERVER: Final = element(SEQUENCE, identifier("1.3.6.1.5.5.7.3.1"))
_SIGNS_CERTIFICATES: Final = bits(bytes([0b00000100]), unused=2)
_SIGNS: Final = bits(bytes([0b10000000]), unused=7)

_ISSUER: Final = "Local cloud"
_SUBJECT: Final = "Third party, played by the local cloud"


class Authority:
    """Vouches for hosts, with a key of its own that is nowhere but in this process.

    Attributes:
        certificate: What whoever is to believe it must trust, as PEM.
    """

    def __init__(self) -> None:
        self._key = Key()
        self.certificate = self._certificate(
            _ISSUER,
            self._key,
            _extension(_CONSTRAINTS, element(SEQUENCE, YES), critical=True),
            _extension(_USAGE, _SIGNS_CERTIFICATES, critical=True),
        )

    def vouch(self, host: str) -> str:
        """A new key, and the certificate by which it belongs to *host*, a name or an IP address; both as PEM."""
        key = Key()
        certificate = self._certificate(
            _SUBJECT,
            key,
            _extension(_CONSTRAINTS, element(SEQUENCE), critical=True),
            _extension(_USAGE, _SIGNS, critical=True),
            _extension(_PURPOSES, _SERVER),
            _extension(_NAMES, element(SEQUENCE, _alternative_name(host))),
        )
        return _private(key) + certificate

    def _certificate(self, subject: str, key: Key, *extensions: bytes) -> str:
        content = element(
            SEQUENCE,
            element(0xA0, number(2)),
            number(secrets.randbits(128)),
            _BY_ECDSA,
            _name(_ISSUER),
            # A day for clocks that are behind; a year is longer than a local cloud runs.
            element(SEQUENCE, *_days_from_now((-1, 365))),
            _name(subject),
            element(SEQUENCE, _ON_P256, bits(key.public)),
            element(
                0xA3,
                element(
                    SEQUENCE,
                    *extensions,
                    _extension(_SUBJECT_KEY, element(OCTETS, _fingerprint(key))),
                    _extension(_AUTHORITY_KEY, element(SEQUENCE, element(0x80, _fingerprint(self._key)))),
                ),
            ),
        )
        signature = element(SEQUENCE, *map(number, self._key.sign(content)))
        return ssl.DER_cert_to_PEM_cert(element(SEQUENCE, content, _BY_ECDSA, bits(signature)))


def _extension(kind: bytes, value: bytes, *, critical: bool = False) -> bytes:
    return element(SEQUENCE, kind, YES if critical else b"", element(OCTETS, value))


def _name(name: str) -> bytes:
    return element(SEQUENCE, element(SET, element(SEQUENCE, _COMMON_NAME, element(TEXT, name.encode()))))


def _alternative_name(host: str) -> bytes:
    try:
        return element(0x87, ipaddress.ip_address(host).packed)
    except ValueError:
        return element(0x82, host.encode("ascii"))


def _days_from_now(days: Iterable[int]) -> Iterable[bytes]:
    now = datetime.datetime.now(datetime.UTC)
    for each in days:
        yield element(TIME, (now + datetime.timedelta(days=each)).strftime("%y%m%d%H%M%SZ").encode())


def _fingerprint(key: Key) -> bytes:
    return hashlib.sha256(key.public).digest()[:20]


def _private(key: Key) -> str:
    content = element(
        SEQUENCE, number(1), element(OCTETS, key.private), element(0xA0, _P256), element(0xA1, bits(key.public))
    )
    return f"-----BEGIN EC PRIVATE KEY-----\n{base64.encodebytes(content).decode()}-----END EC PRIVATE KEY-----\n"
