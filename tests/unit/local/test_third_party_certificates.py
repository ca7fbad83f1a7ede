import datetime
import ipaddress
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError
from hypothesis import given, settings
from hypothesis import strategies as st

from constructs_lib.local.third_parties import asn1
from constructs_lib.local.third_parties.certificates import Authority
from constructs_lib.local.third_parties.elliptic import Key


@settings(max_examples=20, deadline=None)
@given(st.binary(max_size=100))
def test_signatures_are_those_of_the_curve(message: bytes) -> None:
    """Another implementation accepts a signature of a new key, for that message and for no other."""
    key = Key()
    public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), key.public)
    signature = encode_dss_signature(*key.sign(message))

    public.verify(signature, message, ec.ECDSA(hashes.SHA256()))
    with pytest.raises(InvalidSignature):
        public.verify(signature, message + b"!", ec.ECDSA(hashes.SHA256()))


@pytest.mark.parametrize("secret", [1, 2, 3, 2**255 + 1])
def test_public_keys_are_those_of_the_curve(secret: int) -> None:
    """Another implementation finds the same public key for the same private one."""
    theirs = ec.derive_private_key(secret, ec.SECP256R1()).public_key()

    point = theirs.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    assert Key(secret).public == point


def test_a_key_is_not_printed() -> None:
    """What shows objects does not show the secret."""
    assert repr(Key(123456789)) == "Key()"


@pytest.mark.parametrize("host", ["api.example.com", "a" * 60 + "." + "b" * 60 + ".example.com"])
def test_a_host_is_believed_by_who_trusts_the_authority(host: str) -> None:
    """The chain, the name, the purpose and the time hold before a verifier that is strict; another name does not."""
    authority = Authority()
    issuer = x509.load_pem_x509_certificate(authority.certificate.encode())
    leaf = x509.load_pem_x509_certificate(authority.vouch(host).encode())
    verifiers = PolicyBuilder().store(Store([issuer]))

    verifiers.build_server_verifier(x509.DNSName(host)).verify(leaf, [])
    with pytest.raises(VerificationError):
        verifiers.build_server_verifier(x509.DNSName("www.example.com")).verify(leaf, [])
    assert issuer.not_valid_before_utc < datetime.datetime.now(datetime.UTC) < issuer.not_valid_after_utc


def test_an_address_is_believed_as_a_name_is() -> None:
    """Some hosts are called by number."""
    authority = Authority()
    issuer = x509.load_pem_x509_certificate(authority.certificate.encode())
    leaf = x509.load_pem_x509_certificate(authority.vouch("192.0.2.1").encode())
    address = x509.IPAddress(ipaddress.ip_address("192.0.2.1"))

    PolicyBuilder().store(Store([issuer])).build_server_verifier(address).verify(leaf, [])


def test_a_host_is_vouched_for_as_a_server() -> None:
    """Not every checker takes a certificate that does not say so."""
    leaf = x509.load_pem_x509_certificate(Authority().vouch("api.example.com").encode())

    purposes = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(purposes) == [ExtendedKeyUsageOID.SERVER_AUTH]


def test_an_authority_believes_in_itself_alone() -> None:
    """Each is made anew: what one vouches for is nothing to who trusts another."""
    mine, other = Authority(), Authority()
    leaf = x509.load_pem_x509_certificate(other.vouch("api.example.com").encode())
    trusted = x509.load_pem_x509_certificate(mine.certificate.encode())

    with pytest.raises(VerificationError):
        PolicyBuilder().store(Store([trusted])).build_server_verifier(x509.DNSName("api.example.com")).verify(leaf, [])


def test_the_key_belongs_to_the_certificate(tmp_path: Path) -> None:
    """TLS takes both; it would refuse a key that does not fit."""
    chain = tmp_path / "chain.pem"
    chain.write_text(Authority().vouch("127.0.0.1"))

    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(chain)


@pytest.mark.parametrize(
    ("encoded", "expected"),
    [
        (asn1.number(0), "020100"),
        (asn1.number(127), "02017f"),
        (asn1.number(128), "02020080"),
        (asn1.identifier("1.2.840.113549"), "06062a864886f70d"),
        (asn1.bits(b"\x80", unused=7), "03020780"),
        (asn1.element(asn1.OCTETS, bytes(127))[:2], "047f"),
        (asn1.element(asn1.OCTETS, bytes(128))[:3], "048180"),
        (asn1.element(asn1.OCTETS, bytes(256))[:4], "04820100"),
    ],
)
def test_encoding_is_the_distinguished_one(encoded: bytes, expected: str) -> None:
    """Numbers have a sign, lengths as few bytes as they take."""
    assert encoded.hex() == expected
