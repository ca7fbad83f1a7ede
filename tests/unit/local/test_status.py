from typing import Any

from botocore.exceptions import EndpointConnectionError

from constructs_lib.local import status
from constructs_lib.local.deployment import DeployedStack
from constructs_lib.local.third_parties.calls import Calls

STACK = DeployedStack(
    name="Orders",
    region="eu-west-1",
    outputs={},
    resources={"Queue": ("AWS::SQS::Queue", "http://a/000000000000/orders"), "Table": ("AWS::DynamoDB::Table", "t")},
)
STATUS = {
    "endpoint_url": "http://127.0.0.1:4566",
    "account": "000000000000",
    "regions": [{"name": "eu-west-1", "lost": True, "home": True}],
    "stacks": status.stacks([STACK]),
    "mappings": [
        {
            "region": "eu-west-1",
            "function_arn": "arn:aws:lambda:eu-west-1:0:function:consumer",
            "stream_arn": "arn:aws:kinesis:eu-west-1:0:stream/orders",
            "enabled": True,
            "problem": "",
            "shards": [{"shard_id": "shard-0", "checkpoint": "17", "lag": 2.5}],
        }
    ],
    "queues": [{"name": "orders", "region": "eu-west-1", "waiting": 3, "in_flight": None}],
    "tables": [
        {
            "name": "orders",
            "pairs": [
                {"source": "eu-west-1", "receiving": "us-east-1", "paused": True, "waiting": 4, "behind": 1.25},
            ],
        }
    ],
    "route53": {"url": "http://127.0.0.1:8053", "names": {"api.example.com": {"eu-west-1": ""}}},
    "third_parties": status.third_parties([Calls(host="api.example.com", passed=3, disturbed=2, open=1, untrusted=1)]),
    "faults": [{"id": "region-1", "kind": "region", "region": "eu-west-1"}],
}


class Sqs:
    def __init__(self, answers: bool) -> None:
        self.answers = answers

    def get_queue_attributes(self, **_: Any) -> Any:
        if not self.answers:
            raise EndpointConnectionError(endpoint_url="http://a")
        return {"Attributes": {"ApproximateNumberOfMessages": "3", "ApproximateNumberOfMessagesNotVisible": "1"}}


def test_a_queue_is_as_deep_as_it_says() -> None:
    """Messages that wait, and those that somebody has taken and not deleted yet."""
    (queue,) = status.queues([STACK], lambda *_: Sqs(answers=True), frozenset())

    assert queue == {"name": "orders", "region": "eu-west-1", "waiting": 3, "in_flight": 1}


def test_nobody_knows_how_deep_a_queue_is_that_does_not_answer() -> None:
    """A lost region is not even asked."""
    for lost, answers in ((frozenset({"eu-west-1"}), True), (frozenset[str](), False)):
        (queue,) = status.queues([STACK], lambda *_, answers=answers: Sqs(answers), lost)
        assert (queue["waiting"], queue["in_flight"]) == (None, None)


def test_a_person_reads_what_matters() -> None:
    """What is lost, where each mapping stands, how deep queues are, what is on its way, what is broken."""
    text = list(status.lines(STATUS))

    for line in (
        "  eu-west-1  LOST  (home)",
        "  Orders  eu-west-1  2 resources",
        "  eu-west-1  stream/orders -> consumer  enabled",
        "    shard id shard-0, checkpoint 17, lag 2.5",
        "  orders  eu-west-1  3 waiting, ? in flight",
        "  orders  eu-west-1 -> us-east-1  paused, 4 waiting, 1.2 s behind",
        "  api.example.com at http://127.0.0.1:8053: eu-west-1 -> nowhere",
        "  api.example.com  3 passed on, 2 disturbed, 1 open, 1 by a library with certificates of its own",
        "  region-1  region eu-west-1 lost",
    ):
        assert line in text


def test_what_is_not_there_has_no_heading() -> None:
    """An app without queues, mappings or names gets a short answer."""
    missing = dict.fromkeys(("mappings", "queues", "tables", "third_parties", "faults"), ())
    nothing: dict[str, Any] = STATUS | missing | {"route53": None}

    headings = [line for line in status.lines(nothing) if line.endswith(":")]

    assert headings == ["Regions:", "Stacks:"]
