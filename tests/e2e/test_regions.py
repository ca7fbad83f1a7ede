"""An app in two regions, each a process: they replicate, fail over, get lost, are cut off and come back."""

import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.client import HTTPException
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError

from constructs_lib.local import processes
from constructs_lib.local.cloud import LocalCloud
from constructs_lib.local.dns.route53 import Route53
from constructs_lib.local.dns.source import read_dns
from constructs_lib.local.faults.model import OperationFault

APP = Path(__file__).parent / "apps" / "regional_app.py"
HOME, AWAY = "us-east-1", "eu-west-1"

pytestmark = pytest.mark.local_cloud


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    work_directory = tmp_path_factory.mktemp("cloud")
    with LocalCloud(app=f"{sys.executable} {APP}", port=0, work_directory=work_directory, progress=print) as cloud:
        yield cloud


@pytest.fixture
def cloud(running: LocalCloud) -> Iterator[LocalCloud]:
    yield running
    for fault_id in running.faults():
        running.clear(fault_id)


def test_each_region_is_a_process_behind_one_port(cloud: LocalCloud) -> None:
    """The same name of a stream may be taken in both; what is made in one is not in the other."""
    cloud.client("kinesis", HOME).create_stream(StreamName="only-at-home", ShardCount=1)

    assert "only-at-home" in cloud.client("kinesis", HOME).list_streams()["StreamNames"]
    assert "only-at-home" not in cloud.client("kinesis", AWAY).list_streams()["StreamNames"]
    assert ask(cloud, HOME, "put/one") == (201, HOME)
    assert ask(cloud, AWAY, "put/two") == (201, AWAY)


def test_what_one_region_writes_the_other_reads(cloud: LocalCloud) -> None:
    """Through the API of one, and from the replica of the other, both ways."""
    for here, there, order in ((HOME, AWAY, "east"), (AWAY, HOME, "west")):
        assert ask(cloud, here, f"put/{order}") == (201, here)
        assert eventually(partial(stored, cloud, there, order))


def test_functions_call_any_region(cloud: LocalCloud) -> None:
    """AWS is one endpoint for them, whatever region they name."""
    assert ask(cloud, AWAY, f"call/{HOME}") == (200, HOME)


def test_a_role_is_known_wherever_its_stack_made_it(cloud: LocalCloud) -> None:
    """IAM is one for all regions."""
    for region in (HOME, AWAY):
        roles = [name for kind, name in cloud.stack(f"Orders-{region}").resources.values() if kind == "AWS::IAM::Role"]
        assert cloud.client("iam").get_role(RoleName=roles[0])["Role"]["RoleName"] == roles[0]


def test_a_throttled_operation_reaches_the_functions_of_its_region_only(cloud: LocalCloud) -> None:
    """A handler sees the service's own error; the other region and replication go on."""
    fault = cloud.inject(OperationFault(region=HOME, service="dynamodb", operation="PutItem", mode="throttled"))

    assert ask(cloud, HOME, "put/three") == (500, "ProvisionedThroughputExceededException")
    assert ask(cloud, AWAY, "put/three") == (201, AWAY)
    assert eventually(lambda: stored(cloud, HOME, "three"))
    cloud.clear(fault)
    assert ask(cloud, HOME, "put/four") == (201, HOME)


def test_a_partition_stops_replication_and_calls_between_the_two(cloud: LocalCloud) -> None:
    """Both go on to serve; what was written meanwhile arrives when it heals."""
    cloud.partition(HOME, AWAY)

    assert ask(cloud, HOME, "put/five") == (201, HOME)
    assert ask(cloud, HOME, f"call/{AWAY}")[0] == 504
    assert ask(cloud, HOME, f"call/{HOME}")[0] == 200
    assert not eventually(lambda: stored(cloud, AWAY, "five"), 1.0)

    cloud.heal(HOME, AWAY)
    assert eventually(lambda: stored(cloud, AWAY, "five"))


@pytest.mark.parametrize("lost", [HOME, AWAY])
def test_a_lost_region_stops_at_once_and_keeps_what_it_had(cloud: LocalCloud, lost: str) -> None:
    """Its clients see a broken connection within a second, the other region serves, and nothing accepted is lost."""
    other = AWAY if lost == HOME else HOME
    stream = cloud.stack(f"Orders-{lost}").outputs["StreamName"]
    cloud.client("kinesis", lost).put_record(StreamName=stream, Data=f"before-{lost}".encode(), PartitionKey="1")

    cloud.lose_region(lost)

    began = time.monotonic()
    with pytest.raises((urllib.error.URLError, HTTPException, ConnectionError)):
        ask(cloud, lost, "health")
    with pytest.raises(BotoCoreError):
        impatient(cloud, "kinesis", lost).list_streams()
    assert time.monotonic() - began < 1.0
    assert ask(cloud, other, f"put/without-{lost}") == (201, other)
    # The process group is stopped, functions included.
    groups = [group for emulator in cloud._regions._emulators.values() if (group := emulator.group)]
    assert sum(stopped(group) for group in groups) == 1
    cloud.check()

    cloud.restore_region(lost)

    assert ask(cloud, lost, "health") == (200, "healthy")
    assert eventually(lambda: stored(cloud, lost, f"before-{lost}"))
    assert eventually(lambda: stored(cloud, lost, f"without-{lost}"))
    assert eventually(lambda: stored(cloud, other, f"before-{lost}"))


def test_the_name_leads_to_the_region_that_is_healthy(cloud: LocalCloud) -> None:
    """Health checks notice a lost region, and clients near it are sent to the other one until it is back."""
    assert cloud.route53 is not None
    # The same as the local cloud has started, with twenty times less patience.
    with quick_route53(cloud) as route53:
        for region in (AWAY, HOME):
            assert by_name(route53, region) == (201, region)

        cloud.lose_region(AWAY)
        assert eventually(lambda: by_name(route53, AWAY) == (201, HOME))

        cloud.restore_region(AWAY)
        assert eventually(lambda: by_name(route53, AWAY) == (201, AWAY))


def test_status_shows_what_is_lost_and_broken(cloud: LocalCloud) -> None:
    """Also while a region does not answer, and without waiting for it."""
    cloud.lose_region(AWAY)
    began = time.monotonic()
    status = cloud.status()

    assert time.monotonic() - began < 2.0
    assert [region["name"] for region in status["regions"] if region["lost"]] == [AWAY]
    assert [fault["kind"] for fault in status["faults"]] == ["region"]
    assert {mapping["region"] for mapping in status["mappings"]} == {HOME, AWAY}


def test_a_cloud_that_is_killed_with_a_region_lost_leaves_nothing(tmp_path: Path, running: LocalCloud) -> None:
    """What is stopped cannot see that its owner is gone: the router ends it."""
    script = f"""
import sys, time
from pathlib import Path
from constructs_lib.local.cloud import LocalCloud
app, work = {str(running.work_directory / "synthesized")!r}, Path({str(tmp_path)!r})
with LocalCloud(app=app, port=0, work_directory=work) as cloud:
    cloud.lose_region("{AWAY}")
    print(*(emulator.group for emulator in cloud._regions._emulators.values()), flush=True)
    time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        groups = [int(group) for group in owner.stdout.readline().split()]
        assert len(groups) == 2
        owner.kill()
    assert eventually(lambda: not any(processes.members(group) for group in groups))


def ask(cloud: LocalCloud, region: str, path: str) -> tuple[int, str]:
    """Status and body that the API of *region* answers with."""
    address = cloud.stack(f"Orders-{region}").outputs["Url"]
    api_id = address.partition("//")[2].partition(".")[0]
    return get(f"{cloud.endpoint_url}/_aws/execute-api/{api_id}/$default/{path}", {})


@contextmanager
def quick_route53(cloud: LocalCloud) -> Iterator[Route53]:
    """Health checks and names of *cloud*, with intervals and TTLs twenty times shorter."""
    dns = read_dns(cloud._direct_client, cloud.regions)
    route53 = Route53(dns, cloud.local_url, regions=cloud.regions, time_scale=20)
    route53.start()
    try:
        yield route53
    finally:
        route53.stop()


def by_name(route53: Route53, client: str) -> tuple[int, str]:
    """What a client in region *client* gets from the name of the app."""
    return get(f"{route53.url}/put/by-name", {"Host": "orders.example.com", "X-Client-Region": client})


def get(url: str, headers: dict[str, str]) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=15) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def stored(cloud: LocalCloud, region: str, order: str) -> bool:
    """Whether the replica in *region* holds *order*."""
    return "Item" in impatient(cloud, "dynamodb", region).get_item(TableName="orders", Key={"id": {"S": order}})


def impatient(cloud: LocalCloud, service: str, region: str) -> Any:
    """A client that tries once."""
    return boto3.session.Session(aws_access_key_id="000000000000", aws_secret_access_key="x").client(
        service,  # type: ignore[call-overload]  # any of them
        region_name=region,
        endpoint_url=cloud.endpoint_url,
        config=Config(read_timeout=5, retries={"total_max_attempts": 1}),
    )


def stopped(group: int) -> bool:
    """Whether every process of *group* is stopped."""
    listing = subprocess.run(["ps", "-A", "-o", "pgid=,stat="], capture_output=True, text=True, check=True).stdout
    states = [state for pgid, state in (line.split() for line in listing.splitlines()) if int(pgid) == group]
    return bool(states) and all(state.startswith("T") for state in states)


def eventually(true: Callable[[], bool], seconds: float = 20.0) -> bool:
    """Whether *true* becomes true within *seconds*."""
    deadline = time.monotonic() + seconds
    while not (holds := true()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return holds
