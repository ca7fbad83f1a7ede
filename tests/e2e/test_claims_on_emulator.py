"""Effects outside, claimed over HTTP: real clients against the emulator, whose PartiQL is not ours."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Barrier
from typing import Any

import pytest
from botocore.session import Session

from constructs_lib.local.emulator import Emulator
from constructs_lib.runtime.clients import QUICK
from constructs_lib.runtime.effects import Outside
from constructs_lib.runtime.outcomes import PAYLOAD_MISMATCH, Done, Held, Outcome, Refused
from tests.standins.dynamodb import Faults
from tests.unit.runtime.claim_world import (
    REMEMBER_SECONDS,
    TABLE,
    VISIBILITY_SECONDS,
    Crash,
    Provider,
    World,
    delivery,
)

pytestmark = pytest.mark.local_cloud


@dataclass
class EmulatorWorld(World):
    """A table in the emulator; each worker has a client of its own."""

    url: str = ""

    def client(self, faults: Faults) -> Any:
        session = Session()
        session.set_credentials("test", "test")
        return session.create_client("dynamodb", region_name="eu-west-1", endpoint_url=self.url, config=QUICK)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    running = Emulator(tmp_path_factory.mktemp("emulator"), port=0)
    running.start()
    try:
        yield running.url
    finally:
        running.stop()


@pytest.fixture
def world(url: str) -> Iterator[EmulatorWorld]:
    world = EmulatorWorld(url=url)
    client = world.client(Faults())
    client.create_table(
        TableName=TABLE,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    yield world
    client.delete_table(TableName=TABLE)


@pytest.mark.requirement("IDM-01")
@pytest.mark.requirement("IDM-04")
@pytest.mark.parametrize("effect", [Outside(), Outside(receiver_key=True), Outside(concurrency=4)])
def test_copies_at_the_same_moment_have_one_effect(world: EmulatorWorld, effect: Outside) -> None:
    """Four workers, sixty messages, more than one call of each kind: each message is called once."""
    provider, workers = Provider(), [world.worker(effect=effect) for _ in range(4)]
    begin = Barrier(len(workers))

    def work(number: int) -> list[Outcome]:
        messages = [delivery(f"m-{(number * 7 + index) % 60}", deliveries=1 + number % 2) for index in range(60)]
        begin.wait()
        return workers[number].settle(messages, provider.call)

    with ThreadPoolExecutor(len(workers)) as pool:
        outcomes = [outcome for some in pool.map(work, range(len(workers))) for outcome in some]
    assert sorted(provider.calls) == sorted(f"m-{index}" for index in range(60))
    assert all(isinstance(each, Done | Held) for each in outcomes)
    again = world.worker(effect=effect).settle(
        [delivery(f"m-{index}", deliveries=2) for index in range(60)], provider.call
    )
    assert all(isinstance(each, Done) and each.repeated for each in again)


@pytest.mark.requirement("IDM-03")
@pytest.mark.requirement("IDM-05")
@pytest.mark.requirement("IDM-06")
def test_claims_lapse_are_taken_over_given_back_and_forgotten(world: EmulatorWorld) -> None:
    """Every statement there is, and what its conditions do."""
    provider = Provider()

    def crash() -> object:
        raise Crash

    def fail() -> object:
        raise TimeoutError

    provider.answers = {"crash": crash, "fail": fail}
    with pytest.raises(Crash):
        world.worker().settle([delivery("crash")], provider.call)
    provider.answers["crash"] = lambda: "recovered"
    assert isinstance(world.worker().settle([delivery("crash", deliveries=2)], provider.call)[0], Held)
    world.time.pass_by(VISIBILITY_SECONDS)
    assert world.worker().settle([delivery("crash", deliveries=2)], provider.call) == [Done("recovered")]

    reconciled = Outside(reconcile=provider.find)
    world.worker(effect=reconciled).settle([delivery("fail")], provider.call)
    assert world.worker(effect=reconciled).settle([delivery("fail")], provider.call) == [Done({"found": "fail"})]

    [refused] = world.worker().settle([delivery("crash", text="another")], provider.call)
    assert isinstance(refused, Refused)
    assert refused.code == PAYLOAD_MISMATCH

    world.time.pass_by(REMEMBER_SECONDS + 1)
    provider.answers["crash"] = fail
    world.worker().settle([delivery("crash")], provider.call)
    provider.answers["crash"] = lambda: "anew"
    assert world.worker().settle([delivery("crash")], provider.call) == [Done("anew")]
