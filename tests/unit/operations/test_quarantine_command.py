"""`resilience quarantine` as an operator types it, against AWS in memory."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import boto3
import pytest
from moto import mock_aws

from constructs_lib import cli
from constructs_lib.operations.quarantine.sender import Kinesis, Outgoing, Refused, Taken
from tests.unit.operations.world import STREAM, World, data_of

BUCKET = "quarantine-of-slack"


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """An account with a stream and an empty quarantine."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_CONFIG_FILE": str(tmp_path / "none"),
        "XDG_CACHE_HOME": str(tmp_path),
    }.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    before = signal.getsignal(signal.SIGTERM)
    with mock_aws():
        s3 = boto3.client("s3")
        s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        boto3.client("kinesis").create_stream(StreamName="slack", ShardCount=1)
        yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def world(aws: None) -> World:
    return World()


def upload(world: World) -> None:
    """Put what *world* holds into the bucket."""
    for key, body in world.bucket.objects.items():
        boto3.client("s3").put_object(Bucket=BUCKET, Key=key, Body=body)


def run(*arguments: str, bucket: str = BUCKET) -> int:
    return cli.main(["quarantine", *arguments, "--bucket", bucket])


def on_stream() -> list[tuple[str, bytes]]:
    """Partition key and data of everything on the stream."""
    kinesis = boto3.client("kinesis")
    shard = kinesis.list_shards(StreamName="slack")["Shards"][0]["ShardId"]
    start = kinesis.get_shard_iterator(StreamName="slack", ShardId=shard, ShardIteratorType="TRIM_HORIZON")
    records = kinesis.get_records(ShardIterator=start["ShardIterator"])["Records"]
    return [(record["PartitionKey"], record["Data"]) for record in records]


@pytest.mark.requirement("MSG-08", "ISO-06")
def test_list_show_dry_run_redrive_and_list_again(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """The way an operator goes, with what each step tells; objects and their versions all stay."""
    first, second, expired = world.record("alert-1"), world.record("alert-1", b"\xff\x00"), world.record("alert-2")
    world.by_runtime(first)
    world.by_runtime(second, kind="unreadable", reason="not an envelope: the text is not JSON")
    world.by_lambda([expired])
    upload(world)

    assert run("list") == 0
    listed = capsys.readouterr().out.splitlines()
    assert listed[0] == f"{BUCKET} in eu-west-1: 3 open"
    assert listed[1].split() == ["QUARANTINED", "KIND", "TENANT", "KEY", "TRIES", "ID", "REASON"]
    assert listed[2].split()[1:4] == ["permanent", "acme", "alert-1"]
    assert listed[3].endswith("not an envelope: the text is not JSON")
    assert run("list", "--limit", "1", "--kind", "permanent", "--kind", "expired") == 0
    assert "and 1 more: --limit 0" in capsys.readouterr().out

    assert run("show", first.sequence) == 0
    assert json.loads(capsys.readouterr().out)["payload"]["id"] == "m-1"

    assert run("redrive", "--dry-run", "--rate", "1") == 0
    assert f"3 of 2 keys would go to {STREAM}, in about 3 seconds" in capsys.readouterr().out
    assert run("redrive", "--dry-run", "--json") == 0
    assert [item["key"] for item in json.loads(capsys.readouterr().out)["streams"][STREAM]] == [
        "alert-1",
        None,
        "alert-2",
    ]
    assert on_stream() == []

    assert run("redrive", "--rate", "100") == 0
    told = capsys.readouterr()
    assert told.out == "3 sent\n"
    assert "· 0 of 3 sent" in told.err
    sent = on_stream()
    assert sorted(sent) == sorted(
        [("alert-1", data_of(first)), ("alert-1", data_of(second)), ("alert-2", data_of(expired))]
    )
    assert [data for key, data in sent if key == "alert-1"] == [data_of(first), data_of(second)]

    assert run("redrive", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"sent": 0, "left": 0, "impossible": {}}
    assert run("list", "--settled", "--json") == 0
    assert len(json.loads(capsys.readouterr().out)) == 3
    versions = boto3.client("s3").list_object_versions(Bucket=BUCKET)
    assert "DeleteMarkers" not in versions
    assert set(world.bucket.objects) <= {version["Key"] for version in versions["Versions"]}


@pytest.mark.requirement("MSG-08")
def test_discard_needs_a_reason_and_a_choice(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is discarded by accident, and everybody can see who did it and why."""
    world.by_runtime(world.record("a"))
    world.by_runtime(world.record("b", tenant="globex"))
    upload(world)
    with pytest.raises(SystemExit):
        run("discard", "--all")
    assert "--reason" in capsys.readouterr().err
    assert run("discard", "--reason", "noise") == 1
    assert "--all for everything" in capsys.readouterr().err
    assert run("discard", "--reason", "noise", "--tenant", "globex", "--dry-run") == 0
    assert "1 would be discarded" in capsys.readouterr().out
    assert run("discard", "--reason", "noise", "--tenant", "globex") == 0
    assert "1 discarded" in capsys.readouterr().out
    assert run("list", "--settled", "--json") == 0
    [item] = json.loads(capsys.readouterr().out)
    assert run("show", item["id"]) == 0
    settled = json.loads(capsys.readouterr().out)["settled"]
    assert (settled["action"], settled["reason"]) == ("discarded", "noise")
    assert settled["by"].startswith("arn:aws:sts::")
    assert run("redrive", "--again") == 1
    assert "by its ids only" in capsys.readouterr().err
    assert run("redrive", item["id"], "--again") == 0
    assert [key for key, _ in on_stream()] == ["b"]


def test_what_cannot_be_sent_is_told_and_is_a_status(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """Scripts notice that something was left."""
    world.bucket.keep("quarantine/Slack/2026/11/21/x-1.json", b"?")
    upload(world)
    assert run("redrive") == 1
    out = capsys.readouterr().out
    assert out.startswith("0 sent\ncannot be sent: quarantine/Slack/2026/11/21/x-1.json: the object cannot be read")
    assert run("redrive", "--dry-run") == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["list", "--bucket", "nowhere"], "There is no bucket nowhere"),
        (["redrive", "--stream", "gone"], "There is no stream arn:aws:kinesis:eu-west-1:123456789012:stream/gone"),
        (["show", "no-such-id"], "There is no item, open or settled, no-such-id"),
        (["list", "--local", "--port", "1"], "No local cloud runs in"),
    ],
)
def test_errors_are_sentences(
    world: World, arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is wrong and where to look, and no stack trace."""
    world.by_runtime(world.record("a"))
    upload(world)
    if "--bucket" not in arguments:
        arguments = [*arguments, "--bucket", BUCKET]
    assert cli.main(["quarantine", *arguments]) == 1
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["list", "--since", "yesterday"], "'yesterday' is no time"),
        (["list", "--kind", "odd"], "invalid choice: 'odd'"),
        (["redrive", "--rate", "0"], "'0' is not a number from 0.01 to 10000"),
        (["redrive", "--rate", "fast"], "'fast' is not a number"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    aws: None, arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """With what was given and what is allowed."""
    with pytest.raises(SystemExit):
        run(*arguments)
    assert words in capsys.readouterr().err


def test_times_are_moments_or_so_long_ago(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """Both forms, in UTC unless they say otherwise."""
    world.by_runtime(world.record("a"))
    upload(world)
    for arguments, number in (
        (["--since", "2024-11-21T12:00:00"], 1),
        (["--since", "2024-11-21T13:00:00+01:00"], 1),
        (["--until", "2024-11-21T12:00:00Z"], 0),
        (["--until", "90m"], 1),
        (["--since", "2020-01-01"], 1),
    ):
        assert run("list", "--json", *arguments) == 0
        assert len(json.loads(capsys.readouterr().out)) == number, arguments


def test_ctrl_c_ends_a_redrive_between_two_rounds(
    monkeypatch: pytest.MonkeyPatch, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is on the stream is noted; status and output say that it was interrupted, and how to go on."""
    for _ in range(5):
        world.by_runtime(world.record("a"))
    upload(world)
    put = Kinesis.put

    def interrupted(self: Kinesis, stream: str, records: Sequence[Outgoing]) -> Sequence[Taken | Refused]:
        signal.raise_signal(signal.SIGINT)
        return put(self, stream, records)

    monkeypatch.setattr(Kinesis, "put", interrupted)
    assert run("redrive") == 130
    told = capsys.readouterr()
    assert told.out == "1 sent, 4 left: the same command goes on with them\n"
    assert "once more breaks it off" in told.err
    monkeypatch.setattr(Kinesis, "put", put)
    assert run("redrive", "--rate", "1000") == 0
    assert [data for _, data in on_stream()] == [data_of(record) for record in world.made]


def test_the_command_line_loads_without_boto3() -> None:
    """It comes with an extra; without it, `resilience --help` works and a command says what to install."""
    program = """
import sys
class Absent:
    def find_spec(self, name, *_):
        if name in ("boto3", "botocore"):
            raise ModuleNotFoundError(name=name)
sys.meta_path.insert(0, Absent())
from constructs_lib import cli
sys.exit(cli.main(["quarantine", "list", "--region", "eu-west-1"]))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "install constructs-lib[local]" in done.stderr
