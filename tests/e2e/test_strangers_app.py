"""The local cloud runs a whole shop of a stranger, unchanged: every service passes on to the next what AWS would."""

import contextlib
import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from constructs_lib.local.cloud import LocalCloud
from constructs_lib.testing.waiting import eventually

APP = Path(__file__).parent / "apps" / "shop_app.py"

pytestmark = pytest.mark.local_cloud


class Shop:
    """The shop as its customers, and those who run it, see it."""

    def __init__(self, cloud: LocalCloud) -> None:
        self.cloud = cloud
        self.outputs = cloud.stack("Shop").outputs
        self.url = cloud.local_url(self.outputs["Url"])

    def order(self, name: str) -> int:
        """The status with which the order of that name is answered."""
        body = json.dumps({"id": name}).encode()
        return ask(
            urllib.request.Request(f"{self.url}orders", data=body, headers={"Content-Type": "application/json"})
        )[0]

    def state(self, name: str) -> str:
        """How far the order is; empty if there is none."""
        return ask(f"{self.url}orders/{name}")[1]

    def put(self, name: str, **attributes: Any) -> None:
        """Write into the shop's table."""
        item = {"id": {"S": name}, "state": {"S": "put"}, **attributes}
        self.cloud.client("dynamodb").put_item(TableName=self.outputs["TableName"], Item=item)

    def noted(self, name: str) -> str:
        """What is noted in the shop's table under that name; empty if nothing is."""
        found = self.cloud.client("dynamodb").get_item(
            TableName=self.outputs["TableName"], Key={"id": {"S": name}}, ConsistentRead=True
        )
        return str(found["Item"]["state"]["S"]) if "Item" in found else ""

    def received(self, queue: str) -> Any:
        """A message of the queue, gone from it then; None if there is none within a second."""
        sqs, url = self.cloud.client("sqs"), self.outputs[queue]
        messages = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1).get("Messages")
        if not messages:
            return None
        sqs.delete_message(QueueUrl=url, ReceiptHandle=messages[0]["ReceiptHandle"])
        return json.loads(messages[0]["Body"])

    def mapping(self, function: str) -> dict[str, Any]:
        """The one event source mapping of that function."""
        mappings = self.cloud.client("lambda").list_event_source_mappings(FunctionName=self.outputs[function])
        (mapping,) = mappings["EventSourceMappings"]
        return dict(mapping)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    work_directory = tmp_path_factory.mktemp("cloud")
    with LocalCloud(app=f"python {APP}", port=0, work_directory=work_directory, progress=print) as cloud:
        yield Shop(cloud)


def test_an_order_passes_through_every_service(shop: Shop) -> None:
    """API, function, topic, queue, function, table, its stream, Kinesis, function, state machine, table."""
    assert shop.state("lamp") == ""
    assert shop.order("lamp") == 202
    assert eventually(lambda: shop.state("lamp") == "shipped")


def test_a_topic_also_invokes_a_function(shop: Shop) -> None:
    """Which gets the message in the form that SNS gives it to functions."""
    assert shop.order("clock") == 202
    assert eventually(lambda: shop.noted('heard of {"id": "clock"}')).endswith("Taken")


def test_a_page_may_order_if_the_shop_allows_its_origin(shop: Shop) -> None:
    """The API answers a browser's preflight request by itself, as the template says."""
    ours, others = "https://shop.example.com", "https://other.example.com"

    assert preflight(shop, ours) == (ours, "POST")
    assert preflight(shop, others) == (None, None)


def test_a_state_machine_catches_an_error_by_its_name(shop: Shop) -> None:
    """What a task's function raises has the name of its class."""
    assert shop.order("rare book") == 202
    assert eventually(lambda: shop.noted("rare book") == "refused")


def test_a_message_nobody_can_handle_ends_in_the_dead_letter_queue(shop: Shop) -> None:
    """After as many tries as the queue allows; an order behind it is not held up."""
    shop.cloud.client("sns").publish(TopicArn=shop.outputs["TopicArn"], Message="no order")
    assert shop.order("chair") == 202
    assert eventually(lambda: shop.state("chair") == "shipped")

    dead = eventually(lambda: shop.received("DeadUrl"), seconds=30)
    assert dead["Message"] == "no order"


def test_a_function_that_fails_with_an_event_is_tried_again_and_its_destination_told(shop: Shop) -> None:
    """A rule invokes it asynchronously: twice more after the first try, then the event is in the queue for failures."""
    entry = {"Source": "shop", "DetailType": "Breakage", "Detail": json.dumps({"of": "vase"})}
    shop.cloud.client("events").put_events(Entries=[entry])

    told = eventually(lambda: shop.received("FailedUrl"))
    assert told["requestPayload"]["detail"] == {"of": "vase"}
    assert told["requestContext"]["condition"] == "RetriesExhausted"
    assert told["requestContext"]["approximateInvokeCount"] == 3


def test_a_mapping_has_the_settings_of_its_template(shop: Shop) -> None:
    """One without a batch size takes a hundred records; a disabled one reads nothing and loses nobody's record."""
    assert shop.mapping("ShipName")["BatchSize"] == 100

    disabled = shop.mapping("ClumsyName")
    assert disabled["State"] == "Disabled"
    assert shop.order("table") == 202
    assert eventually(lambda: shop.state("table") == "shipped")
    (status,) = [each for each in shop.cloud.status()["mappings"] if each["mapping_id"] == disabled["UUID"]]
    assert not status["enabled"]
    assert shop.received("FailedUrl") is None


def test_an_expired_item_goes_and_the_stream_tells_why(shop: Shop) -> None:
    """The template's time to live is set; the function behind the stream sees a deletion by the service."""
    shop.put("bread", expires={"N": str(int(time.time()) - 1)})

    assert eventually(lambda: shop.noted("bread has expired") == "noted", seconds=20)
    assert shop.noted("bread") == ""


@pytest.mark.parametrize(("caller", "event"), [("aws.events", "Scheduled Event"), ("the schedule", "noted")])
def test_a_function_is_called_each_minute(shop: Shop, caller: str, event: str) -> None:
    """By a rule with EventBridge's own event, by a schedule with the input that it holds."""
    assert eventually(lambda: shop.noted(f"called by {caller}") == event, seconds=75)


def test_the_report_names_what_is_different(shop: Shop) -> None:
    """Everything is deployed; what goes another way than on AWS is told for the types the shop uses, and no others."""
    assert shop.cloud.report.left_out == ()
    different = dict(shop.cloud.report.differences)
    assert {"AWS::Events::Rule", "AWS::Scheduler::Schedule", "AWS::SNS::Subscription", "AWS::Lambda::Function"} <= set(
        different
    )
    assert "AWS::Route53::RecordSet" not in different


def ask(request: urllib.request.Request | str) -> tuple[int, str]:
    """Status and body of the answer; no body unless it is 200."""
    try:
        with urllib.request.urlopen(request, timeout=15) as answer:
            return answer.status, answer.read().decode() if answer.status == 200 else ""
    except urllib.error.HTTPError as error:
        with error:
            return error.code, ""


def preflight(shop: Shop, origin: str) -> tuple[str | None, str | None]:
    """Origin and methods that a page of *origin* is told it may use."""
    headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    request = urllib.request.Request(f"{shop.url}orders", headers=headers, method="OPTIONS")
    with contextlib.suppress(urllib.error.HTTPError), urllib.request.urlopen(request, timeout=15) as answer:
        return answer.headers["Access-Control-Allow-Origin"], answer.headers["Access-Control-Allow-Methods"]
    return None, None
