"""What nobody can read is kept byte for byte."""

import pytest

from lambdas.shared.raw_events import PIECE, RawEventRepository
from tests.unit.lambdas.shared.tables import ALERTS, tables

AT = "2026-11-21T03:40:00.000Z"


@pytest.mark.parametrize("raw", [b"", b"\xff\x00", b"x" * PIECE, bytes(range(256)) * 2048])
def test_raw_bytes_come_back_as_they_were(raw: bytes) -> None:
    """However long: an item is limited, so a long body is several."""
    with tables() as client:
        repository = RawEventRepository(client, ALERTS, "us-east-1")
        assert repository.load("e1") is None
        repository.keep("e1", raw, accepted_at=AT)
        repository.keep("e1", raw, accepted_at=AT)
        assert repository.load("e1") == raw
