"""Whether an answer passes a health check."""

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constructs_lib.local.dns.judgement import SEARCHED_BYTES, Reply, bytes_wanted, judge
from constructs_lib.local.dns.model import CheckType
from constructs_lib.local.dns.unknowns import CompressedBody, UnfinishedBody, Unknowns
from tests.unit.local.dns_building import check

USUAL = Unknowns()
TEXT = '"status":"healthy"'
MATCHING = check(type=CheckType.HTTPS_STR_MATCH, search_string=TEXT)


def passes(body: bytes, *, encoding: str = "", in_time: bool = True, unknowns: Unknowns = USUAL) -> bool:
    """Whether a body, cut as the checker cuts it, passes the check for the text."""
    reply = Reply(status=200, encoding=encoding, body=body[: bytes_wanted(encoding)], in_time=in_time)
    return judge(MATCHING, reply, unknowns).passed


@pytest.mark.parametrize("status", [200, 204, 301, 302, 399])
def test_two_and_three_hundreds_pass(status: int) -> None:
    """Redirections count as answers; they are not followed."""
    assert judge(check(), Reply(status=status), USUAL).passed


@pytest.mark.parametrize("status", [100, 199, 400, 404, 429, 500, 503])
def test_other_statuses_fail(status: int) -> None:
    """Also with the text in the body."""
    assert not judge(check(), Reply(status=status), USUAL).passed
    result = judge(MATCHING, Reply(status=status, body=TEXT.encode()), USUAL)
    assert (result.passed, result.reason) == (False, f"status {status}")


def test_malformed_headers_fail() -> None:
    """They must have the form of RFC 7230."""
    assert not judge(check(), Reply(status=200, well_formed=False), USUAL).passed


def test_the_text_must_be_there() -> None:
    """Whole, and in the same case."""
    assert passes(b'{"status":"healthy","region":"eu-west-1"}')
    assert not passes(b'{"status":"unhealthy"}')
    assert not passes(TEXT.upper().encode())
    shouting = check(type=CheckType.HTTP_STR_MATCH, search_string="OK")
    assert not judge(shouting, Reply(status=200, body=b"ok"), USUAL).passed
    assert not passes(b"")


def test_the_text_must_stand_in_the_first_5120_bytes() -> None:
    """Entirely: one byte further is too far."""
    assert SEARCHED_BYTES == 5120
    assert passes(b" " * (5120 - len(TEXT)) + TEXT.encode())
    assert not passes(b" " * (5121 - len(TEXT)) + TEXT.encode())


@given(st.integers(0, 6000), st.integers(0, 100))
def test_where_the_text_stands_decides(before: int, behind: int) -> None:
    """For every position."""
    assert passes(b" " * before + TEXT.encode() + b" " * behind) is (before + len(TEXT) <= 5120)


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_compressed_bodies_are_unpacked(encoding: str) -> None:
    """Those of the two algorithms that checkers know."""
    pack = gzip.compress if encoding == "gzip" else zlib.compress
    assert passes(pack(TEXT.encode() + b" " * 20_000), encoding=encoding)
    assert not passes(b"not packed " + TEXT.encode(), encoding=encoding)


def test_bodies_compressed_otherwise_are_searched_as_they_are() -> None:
    """Which finds nothing, nearly always."""
    assert not passes(gzip.compress(TEXT.encode() * 20), encoding="br")


def test_unknown_which_bytes_of_a_compressed_body_count() -> None:
    """A text far behind in the body and near the beginning of what is sent."""
    packed = gzip.compress(b" " * 8000 + TEXT.encode())
    for choice, expected in ((CompressedBody.UNPACKED_BYTES_COUNT, False), (CompressedBody.PACKED_BYTES_COUNT, True)):
        assert passes(packed, encoding="gzip", unknowns=Unknowns(compressed_body=choice)) is expected


def test_a_late_body_fails_without_the_text() -> None:
    """What came in time is searched, whatever the choice."""
    for choice in UnfinishedBody:
        assert not passes(b"{", in_time=False, unknowns=Unknowns(unfinished_body=choice))


def test_unknown_whether_a_body_must_end_in_time() -> None:
    """The text came in time, the rest did not."""
    for choice, expected in ((UnfinishedBody.PASSES, True), (UnfinishedBody.FAILS, False)):
        assert passes(TEXT.encode(), in_time=False, unknowns=Unknowns(unfinished_body=choice)) is expected
