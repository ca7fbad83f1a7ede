"""RSA verification in plain Python against the `cryptography` package, and against known forgeries."""

import hashlib

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from lambdas.ingest.rsa_signature import verify
from tests.unit.lambdas.ingest.signing import private_key

DIGESTS: dict[str, hashes.HashAlgorithm] = {"sha1": hashes.SHA1(), "sha256": hashes.SHA256()}
SHA256_INFO = bytes.fromhex("3031300d060960864801650304020105000420")


def ours(key: rsa.RSAPrivateKey, text: bytes, signature: bytes, digest: str) -> bool:
    public = key.public_key().public_numbers()
    return verify(text, signature, modulus=public.n, exponent=public.e, digest=digest)


def theirs(key: rsa.RSAPrivateKey, text: bytes, signature: bytes, digest: str) -> bool:
    try:
        key.public_key().verify(signature, text, padding.PKCS1v15(), DIGESTS[digest])
    except InvalidSignature:
        return False
    return True


def raw_sign(key: rsa.RSAPrivateKey, block: bytes) -> bytes:
    numbers = key.private_numbers()
    number = pow(int.from_bytes(block), numbers.d, numbers.public_numbers.n)
    return number.to_bytes(key.key_size // 8)


@pytest.mark.parametrize("digest", DIGESTS)
@pytest.mark.parametrize("bits", [2048, 2056, 3072])
def test_genuine_signatures_are_accepted(digest: str, bits: int) -> None:
    """Whatever the key's size, also one that does not fill its last byte's neighbours."""
    key = private_key(bits)
    signature = key.sign(b"text", padding.PKCS1v15(), DIGESTS[digest])
    assert ours(key, b"text", signature, digest)
    assert not ours(key, b"other text", signature, digest)


@settings(deadline=None)
@given(st.binary(max_size=64), st.sampled_from(["sha1", "sha256"]), st.sampled_from(["sha1", "sha256"]), st.data())
def test_both_judge_alike_whatever_is_done_to_a_signature(
    text: bytes, signed_with: str, read_as: str, data: st.DataObject
) -> None:
    """Flipped bits, cut or added bytes, another digest: the same answer as a library many have looked at."""
    key = private_key()
    signature = bytearray(key.sign(text, padding.PKCS1v15(), DIGESTS[signed_with]))
    change = data.draw(st.sampled_from(["none", "flip", "cut", "append", "prepend", "zero"]))
    if change == "flip":
        signature[data.draw(st.integers(0, len(signature) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    elif change == "cut":
        signature = signature[: data.draw(st.integers(0, len(signature) - 1))]
    elif change == "append":
        signature += b"\x00"
    elif change == "prepend":
        signature = bytearray(b"\x00") + signature
    elif change == "zero":
        signature = bytearray(len(signature))
    genuine = change == "none" and signed_with == read_as
    assert ours(key, text, bytes(signature), read_as) == theirs(key, text, bytes(signature), read_as) == genuine


@pytest.mark.parametrize(
    "forge",
    [
        pytest.param(lambda tail, size: b"\x00\x01" + b"\xff" * 8 + b"\x00" + tail, id="short padding, then garbage"),
        pytest.param(lambda tail, size: b"\x00\x01\x00" + tail, id="no padding"),
        pytest.param(lambda tail, size: b"\x00\x02" + b"\xff" * (size - len(tail) - 3) + b"\x00" + tail, id="type 2"),
        pytest.param(lambda tail, size: b"\x00\x01" + b"\xfe" * (size - len(tail) - 3) + b"\x00" + tail, id="not ff"),
    ],
)
def test_blocks_that_lax_parsers_accept_are_refused(forge: object) -> None:
    """Made with the real private key, so that nothing but the comparison stands in the way."""
    key, size = private_key(), 256
    tail = SHA256_INFO + hashlib.sha256(b"text").digest()
    assert callable(forge)
    block = forge(tail, size).ljust(size, b"\x5a")
    assert not ours(key, b"text", raw_sign(key, block), "sha256")


def test_a_digest_without_its_null_parameters_is_refused() -> None:
    """RFC 8017 wants NULL there; a second spelling of one signature is one too many."""
    key = private_key()
    digest = hashlib.sha256(b"text").digest()
    for info in (bytes.fromhex("302f300b0609608648016503040201") + b"\x04\x20", b""):
        tail = info + digest
        block = b"\x00\x01" + b"\xff" * (256 - len(tail) - 3) + b"\x00" + tail
        assert not ours(key, b"text", raw_sign(key, block), "sha256")


def test_a_cube_root_is_no_signature_even_under_exponent_three() -> None:
    """Bleichenbacher's forgery: a cube whose upper part is a perfect block and whose rest is garbage."""
    key = private_key(3072, 3)
    size = 384
    head = b"\x00\x01" + b"\xff" * 8 + b"\x00" + SHA256_INFO + hashlib.sha256(b"text").digest()
    target = int.from_bytes(head.ljust(size, b"\xff"))
    root = _cube_root(target)
    assert (root**3).to_bytes(size).startswith(head)
    assert not ours(key, b"text", root.to_bytes(size), "sha256")


def test_the_modulus_added_once_more_is_no_second_signature() -> None:
    """A signature is a number below the modulus."""
    key = private_key(2056)
    signature = key.sign(b"text", padding.PKCS1v15(), hashes.SHA256())
    larger = int.from_bytes(signature) + key.public_key().public_numbers().n
    if larger.bit_length() <= 2056:
        assert not ours(key, b"text", larger.to_bytes(257), "sha256")


def _cube_root(number: int) -> int:
    low, high = 0, 1 << (number.bit_length() // 3 + 1)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if middle**3 <= number else (low, middle - 1)
    return low
