"""The bucket that other tests work with behaves like the one of S3."""

from collections.abc import Iterator

import boto3
import pytest
from moto import mock_aws

from constructs_lib.operations.quarantine.bucket import Bucket, OvertakenError, S3Bucket
from tests.unit.operations.world import MemoryBucket


@pytest.fixture(params=["S3", "memory"])
def bucket(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    if request.param == "memory":
        yield MemoryBucket()
        return
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
        client.create_bucket(Bucket="quarantine")
        yield S3Bucket(client=client, name="quarantine")


def test_what_is_written_is_read_and_listed_in_order(bucket: Bucket) -> None:
    """By prefix, with the time of writing."""
    for name in ("settled/b", "settled/a", "quarantine/x"):
        bucket.write(name, {"n": name})
    assert [found.key for found in bucket.listed("settled/")] == ["settled/a", "settled/b"]
    stored = bucket.read("settled/b")
    assert stored is not None
    assert stored.content == b'{"n": "settled/b"}'
    assert all(found.written.tzinfo is not None for found in bucket.listed("quarantine/"))


def test_what_is_not_there_reads_as_nothing(bucket: Bucket) -> None:
    """No error: who asks wants to know."""
    assert bucket.read("settled/lease.json") is None


def test_a_write_over_a_version_succeeds_for_one_of_two(bucket: Bucket) -> None:
    """Whoever comes second learns of it, be the object new, changed or not there."""
    first = bucket.replace("lease", {"by": "ada"}, version=None)
    with pytest.raises(OvertakenError):
        bucket.replace("lease", {"by": "bob"}, version=None)
    second = bucket.replace("lease", {"by": "ada", "still": True}, version=first)
    with pytest.raises(OvertakenError):
        bucket.replace("lease", {"by": "bob"}, version=first)
    stored = bucket.read("lease")
    assert stored is not None
    assert stored.version == second
    with pytest.raises(OvertakenError):
        bucket.replace("never there", {"by": "bob"}, version=first)
