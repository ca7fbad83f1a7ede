"""The example of orders on the local cloud: every order counts once for each consumer, whatever fails meanwhile."""

import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from constructs_lib.local.cloud import LocalCloud
from constructs_lib.local.faults.model import FunctionFault
from constructs_lib.runtime import Envelope
from constructs_lib.testing.waiting import eventually

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "orders"
# A message whose consumer crashed comes back after six times the function's time-out.
PATIENCE_SECONDS = 90.0

pytestmark = pytest.mark.local_cloud


class MailProvider:
    """Knows copies by the key it is given, as providers do; while it is away, it answers 503."""

    def __init__(self) -> None:
        self.away = False
        self.calls: Counter[str] = Counter()
        self.sent: dict[str, Any] = {}
        self._lock = threading.Lock()

    def take(self, key: str, body: bytes) -> int:
        """The status with which a request is answered."""
        with self._lock:
            if self.away:
                return 503
            self.calls[key] += 1
            self.sent.setdefault(key, json.loads(body))
            return 200

    @contextmanager
    def answering(self) -> Iterator[str]:
        """Answer requests at the address that it gives."""
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(provider.take(self.headers["Idempotency-Key"], body))
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Nobody reads it."""

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            try:
                yield f"http://127.0.0.1:{server.server_port}/messages"
            finally:
                server.shutdown()
                thread.join()


class Shop:
    """The example, deployed."""

    def __init__(self, cloud: LocalCloud, mail: MailProvider) -> None:
        self.cloud = cloud
        self.mail = mail
        self.outputs = cloud.stack("Orders").outputs

    def publish(self, order: str, *, product: str, pieces: int = 1) -> None:
        """Publish the order as its sender does, who gives it its id."""
        envelope = Envelope(
            id=order,
            key=order,
            tenant="shop",
            correlation_id=order,
            created=datetime.now(UTC).isoformat(),
            body={"product": product, "pieces": pieces, "customer": "ada@example.com"},
        )
        self.cloud.client("sns").publish(
            TopicArn=self.outputs["TopicArn"], Message=envelope.to_json(), MessageGroupId="shop"
        )

    def item(self, key: str) -> dict[str, Any] | None:
        """The item of that id."""
        answer: dict[str, Any] = self.cloud.client("dynamodb").get_item(
            TableName=self.outputs["TableName"], Key={"id": {"S": key}}, ConsistentRead=True
        )
        return answer.get("Item")

    def sold(self, product: str) -> int:
        """Pieces of the product that were counted."""
        item = self.item(f"sales#{product}")
        return int(item["pieces"]["N"]) if item else 0

    def done(self, orders: list[str], product: str) -> bool:
        """Whether every consumer is done with *orders*, which are all there were of *product*."""
        return (
            all(self.item(f"order#{order}") for order in orders)
            and self.sold(product) >= len(orders)
            and set(orders) <= self.mail.sent.keys()
        )

    def dead(self) -> dict[str, str]:
        """How many dead letters each consumer has, those that have some."""
        sqs, counts = self.cloud.client("sqs"), {}
        for name, url in self.outputs.items():
            if name.endswith("DeadLetters"):
                attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])
                counts[name] = attributes["Attributes"]["ApproximateNumberOfMessages"]
        return {name: count for name, count in counts.items() if count != "0"}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    mail = MailProvider()
    with (
        mail.answering() as url,
        LocalCloud(
            app="python app.py",
            directory=EXAMPLE,
            context={"mail": url},
            port=0,
            work_directory=tmp_path_factory.mktemp("cloud"),
            progress=print,
        ) as cloud,
    ):
        yield Shop(cloud, mail)


@pytest.mark.requirement("IDM-01", "MSG-03")
def test_orders_published_twice_count_once_for_each_of_three_consumers(shop: Shop) -> None:
    orders = [f"twice-{number}" for number in range(20)]
    for order in [*orders, *orders]:
        shop.publish(order, product="lamp")
    assert eventually(lambda: shop.done(orders, "lamp"), seconds=PATIENCE_SECONDS)
    # A message that is known to be done behind all copies: what they did, they have done.
    shop.publish("last", product="clock")
    assert eventually(lambda: shop.done(["last"], "clock"), seconds=PATIENCE_SECONDS)
    assert shop.sold("lamp") == len(orders)
    assert shop.dead() == {}


@pytest.mark.requirement("IDM-01")
def test_a_consumer_that_crashes_in_the_middle_counts_no_order_twice_and_none_too_few(shop: Shop) -> None:
    orders = [f"crash-{number}" for number in range(20)]
    fault = shop.cloud.inject(FunctionFault(function=shop.outputs["CountSalesFunction"], mode="crash", after=0.03))
    for order in [*orders, *orders]:
        shop.publish(order, product="vase")
    # The others notice nothing.
    assert eventually(lambda: all(shop.item(f"order#{order}") for order in orders), seconds=PATIENCE_SECONDS)
    shop.cloud.clear(fault)
    assert eventually(lambda: shop.done(orders, "vase"), seconds=PATIENCE_SECONDS)
    assert shop.sold("vase") == len(orders)
    assert shop.dead() == {}


def test_a_provider_that_is_away_costs_no_receipt_and_no_dead_letter(shop: Shop) -> None:
    orders = [f"away-{number}" for number in range(10)]
    shop.mail.away = True
    for order in orders:
        shop.publish(order, product="chair")
    assert eventually(lambda: shop.sold("chair") == len(orders), seconds=PATIENCE_SECONDS)
    assert not shop.mail.sent.keys() & set(orders)
    shop.mail.away = False
    assert eventually(lambda: shop.done(orders, "chair"), seconds=PATIENCE_SECONDS)
    assert shop.dead() == {}


@pytest.mark.requirement("MSG-07")
def test_a_consumer_that_was_off_takes_on_its_return_what_was_published_meanwhile(shop: Shop) -> None:
    orders = [f"off-{number}" for number in range(10)]
    lambda_ = shop.cloud.client("lambda")
    (mapping,) = lambda_.list_event_source_mappings(FunctionName=shop.outputs["BookOrderFunction"])[
        "EventSourceMappings"
    ]
    lambda_.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
    try:
        for order in orders:
            shop.publish(order, product="desk")
        assert eventually(lambda: shop.sold("desk") == len(orders), seconds=PATIENCE_SECONDS)
        assert not any(shop.item(f"order#{order}") for order in orders)
    finally:
        lambda_.update_event_source_mapping(UUID=mapping["UUID"], Enabled=True)
    assert eventually(lambda: shop.done(orders, "desk"), seconds=PATIENCE_SECONDS)
