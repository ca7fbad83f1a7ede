"""What counts as a signing certificate."""

import base64
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from lambdas.ingest.certificates import CertificateError, read_certificate
from tests.unit.lambdas.ingest.signing import NOW, certificate, private_key


def test_key_and_dates_are_those_of_the_certificate() -> None:
    """Read by another library to compare; dates before and after 2050 are written differently."""
    far = datetime(2051, 1, 2, 3, 4, 5, tzinfo=UTC)
    pem = certificate(private_key(), not_after=far)
    read, other = read_certificate(pem), x509.load_pem_x509_certificate(pem)
    numbers = private_key().public_key().public_numbers()
    assert (read.modulus, read.exponent) == (numbers.n, numbers.e)
    assert (read.not_before, read.not_after) == (other.not_valid_before_utc, other.not_valid_after_utc)
    assert read.not_after == far


def test_a_certificate_counts_between_its_dates_only() -> None:
    """The first and the last second included."""
    read = read_certificate(certificate(private_key(), not_before=NOW, not_after=NOW + timedelta(days=1)))
    assert read.valid_at(NOW)
    assert read.valid_at(NOW + timedelta(days=1))
    assert not read.valid_at(NOW - timedelta(seconds=1))
    assert not read.valid_at(NOW + timedelta(days=1, seconds=1))


@pytest.mark.parametrize(
    ("pem", "reason"),
    [
        (b"", "no certificate in PEM form"),
        (b"<html>not found</html>", "no certificate in PEM form"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", "not an X.509 certificate"),
        (b"-----BEGIN CERTIFICATE-----\nA===\n-----END CERTIFICATE-----", "not an X.509 certificate"),
        (certificate(private_key(1024)), "the key has 1024 bits; at least 2048 are needed"),
        (certificate(private_key(2048, 3)), "exponent must be odd and at least 65537, got 3"),
        (certificate(ec.generate_private_key(ec.SECP256R1())), "the key is not an RSA key"),
    ],
)
def test_a_key_not_to_be_trusted_is_refused(pem: bytes, reason: str) -> None:
    """Each with its own reason."""
    with pytest.raises(CertificateError, match=reason):
        read_certificate(pem)


def test_bytes_behind_the_certificate_are_refused() -> None:
    """One reading only."""
    der = x509.load_pem_x509_certificate(certificate(private_key())).public_bytes(serialization.Encoding.DER)
    pem = b"-----BEGIN CERTIFICATE-----\n" + base64.b64encode(der + b"\x00\x00") + b"\n-----END CERTIFICATE-----\n"
    with pytest.raises(CertificateError, match="bytes follow"):
        read_certificate(pem)


def test_the_parser_is_loaded_for_a_certificate_only() -> None:
    """Senders other than SNS do not pay for it at cold start."""
    program = "import sys, lambdas.ingest.handler; sys.exit('pyasn1' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
