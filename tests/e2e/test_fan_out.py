"""A fan-out and a rule on the local cloud: what concerns one consumer concerns no other."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from constructs_lib.local.cloud import LocalCloud
from constructs_lib.runtime import Envelope
from constructs_lib.testing.waiting import eventually

APP = Path(__file__).parent / "apps" / "fan_out_app.py"
CONSUMERS = {"Bill", "Pack", "Thank"}

pytestmark = pytest.mark.local_cloud


class Orders:
    """The app as its producers and its operators see it."""

    def __init__(self, cloud: LocalCloud) -> None:
        self.cloud = cloud
        self.outputs = cloud.stack("Orders").outputs

    def publish(self, order: str, **body: Any) -> None:
        envelope = Envelope(
            id=order, key=order, tenant="acme", correlation_id=order, created="2026-11-21T03:04:05Z", body=body
        )
        self.cloud.client("sns").publish(TopicArn=self.outputs["TopicArn"], Message=envelope.to_json())

    def noted(self) -> dict[str, str]:
        """Where each consumer heard of each order: by "<consumer> <order>"."""
        found = self.cloud.client("dynamodb").scan(TableName=self.outputs["NotesName"], ConsistentRead=True)
        return {item["id"]["S"]: item["source"]["S"] for item in found["Items"]}

    def told_of(self, order: str) -> set[str]:
        """The consumers that have noted an order."""
        return {name.split()[0] for name in self.noted() if name.split()[1] == order}

    def heard_by(self, source: str) -> list[str]:
        """The consumers that have noted an event of a source, once for each event."""
        return [name.split()[0] for name, noted in self.noted().items() if noted == source]

    def dead_letter(self, consumer: str) -> Any:
        """A dead letter of a consumer, with its reason; None if there is none within a second."""
        answer = self.cloud.client("sqs").receive_message(
            QueueUrl=self.outputs[f"{consumer}DeadLettersUrl"], WaitTimeSeconds=1, MessageAttributeNames=["All"]
        )
        return next(iter(answer.get("Messages", ())), None)


@pytest.fixture(scope="module")
def orders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orders]:
    work_directory = tmp_path_factory.mktemp("cloud")
    with LocalCloud(app=f"python {APP}", port=0, work_directory=work_directory, progress=print) as cloud:
        yield Orders(cloud)


@pytest.mark.requirement("MSG-03")
def test_what_one_consumer_cannot_process_is_its_own_dead_letter(orders: Orders) -> None:
    """The others go on with the same event, and have no letter."""
    orders.publish("o-3", spoilt="Pack")
    letter = eventually(lambda: orders.dead_letter("Pack"))
    assert letter["MessageAttributes"]["reason"]["StringValue"] == "this one cannot be read"
    assert eventually(lambda: orders.told_of("o-3") == CONSUMERS - {"Pack"})
    assert [orders.dead_letter(name) for name in sorted(CONSUMERS - {"Pack"})] == [None, None]


@pytest.mark.requirement("MSG-05")
def test_a_rule_delivers_what_matches_to_the_same_queue(orders: Orders) -> None:
    """Under the id that the bus gave the event."""
    entries = [
        {"Source": source, "DetailType": "Gift", "Detail": json.dumps({"of": "vase"})} for source in ("gifts", "others")
    ]
    orders.cloud.client("events").put_events(Entries=entries)
    assert eventually(lambda: orders.heard_by("gifts") == ["Thank"])
    assert orders.heard_by("others") == []
