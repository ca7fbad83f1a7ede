"""RSASSA-PKCS1-v1_5 verification (RFC 8017, section 8.2.2) in plain Python: no compiled package may be bundled.

The expected block is built and compared as a whole. Nothing of what the sender's block holds is parsed, so there is no
place for padding that is too short, trailing garbage or parameters that do not belong there.
"""

import hashlib
import hmac

# DER of DigestInfo up to the digest itself: RFC 8017, section 9.2, note 1.
_DIGEST_INFO = {
    "sha1": bytes.fromhex("3021300906052b0e03021a05000414"),
    "sha256": bytes.fromhex("3031300d060960864801650304020105000420"),
}
_SHORTEST_PADDING = 8


def verify(text: bytes, signature: bytes, *, modulus: int, exponent: int, digest: str) -> bool:
    """Whether *signature* is that of *text* under the public key, with *digest* `sha1` or `sha256`."""
    size = (modulus.bit_length() + 7) // 8
    number = int.from_bytes(signature)
    if len(signature) != size or number >= modulus:
        return False
    tail = _DIGEST_INFO[digest] + hashlib.new(digest, text, usedforsecurity=False).digest()
    padding = size - len(tail) - 3
    if padding < _SHORTEST_PADDING:
        return False
    expected = b"\x00\x01" + b"\xff" * padding + b"\x00" + tail
    return hmac.compare_digest(pow(number, exponent, modulus).to_bytes(size), expected)
