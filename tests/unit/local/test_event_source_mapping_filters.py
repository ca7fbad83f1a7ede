"""FilterCriteria: which records reach the function, and what becomes of the others."""

import base64
import json
from typing import Any

import pytest

from constructs_lib.local.event_source_mapping.config import Config
from constructs_lib.local.event_source_mapping.filters import Filters
from constructs_lib.local.event_source_mapping.messages import FunctionFailed
from constructs_lib.local.event_source_mapping.unknowns import KinesisMetadata, variants
from tests.unit.local.virtual_shard import VirtualShard, answering


def kinesis_event(data: Any, **fields: Any) -> dict[str, Any]:
    """A Kinesis record as the function's event holds it; *data* is JSON unless it is bytes."""
    raw = data if isinstance(data, bytes) else json.dumps(data).encode()
    return {"kinesis": {"data": base64.b64encode(raw).decode(), **fields}, "eventName": "aws:kinesis:record"}


def filters(*patterns: Any) -> Filters:
    """Filters with these patterns."""
    result = Filters.from_api({"Filters": [{"Pattern": json.dumps(pattern)} for pattern in patterns]})
    assert result
    return result


def only(word: str) -> Filters:
    """Filters that let a Kinesis record through whose data is this word."""
    return filters({"data": [word]})


DOCUMENT = {
    "name": "Alice",
    "empty": "",
    "word": "None",
    "nothing": None,
    "price": 20,
    "ratio": 3.0,
    "open": True,
    "region": "us-east-1",
    "tags": ["red", "blue"],
    "address": {"city": "Anytown"},
    "lines": [{"sku": "a", "count": 1}, {"sku": "b", "count": 7}],
}


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        ({"name": ["Alice"]}, True),
        ({"name": ["alice"]}, False),
        ({"name": ["Bob", "Alice"]}, True),
        ({"name": ["Alice"], "open": [True]}, True),
        ({"name": ["Alice"], "open": [False]}, False),
        ({"missing": ["Alice"]}, False),
        ({"nothing": [None]}, True),
        ({"name": [None]}, False),
        ({"missing": [None]}, False),
        ({"word": [None]}, False),
        ({"empty": [""]}, True),
        ({"name": [""]}, False),
        ({"name": [{"equals-ignore-case": "aLICE"}]}, True),
        ({"name": [{"equals-ignore-case": "bob"}]}, False),
        ({"$or": [{"name": ["Bob"]}, {"open": [True]}]}, True),
        ({"$or": [{"name": ["Bob"]}, {"open": [False]}]}, False),
        ({"price": [20], "$or": [{"name": ["Alice"]}, {"open": [False]}]}, True),
        ({"name": [{"anything-but": ["Bob"]}]}, True),
        ({"name": [{"anything-but": ["Alice", "Bob"]}]}, False),
        ({"missing": [{"anything-but": ["Alice"]}]}, False),
        ({"price": [{"numeric": ["=", 20]}]}, True),
        ({"price": [{"numeric": [">", 10, "<=", 20]}]}, True),
        ({"price": [{"numeric": [">", 20]}]}, False),
        ({"price": [{"numeric": [">=", 20]}]}, True),
        ({"price": [{"numeric": [">=", 10, "<", 20]}]}, False),
        ({"name": [{"numeric": ["=", 20]}]}, False),
        ({"price": [20]}, True),
        ({"price": ["20"]}, False),
        ({"ratio": [3]}, False),
        ({"ratio": [{"numeric": ["=", 3]}]}, True),
        ({"open": [1]}, False),
        ({"name": [{"exists": True}]}, True),
        ({"name": [{"exists": False}]}, False),
        ({"missing": [{"exists": True}]}, False),
        ({"missing": [{"exists": False}]}, True),
        ({"missing": {"deeper": [{"exists": False}]}}, True),
        ({"missing": {"deeper": [{"exists": True}]}}, False),
        ({"address": [{"exists": True}]}, False),
        ({"address": {"city": [{"exists": True}]}}, True),
        ({"region": [{"prefix": "us-"}]}, True),
        ({"region": [{"prefix": "eu-"}]}, False),
        ({"region": [{"suffix": "-1"}]}, True),
        ({"region": [{"suffix": "-2"}]}, False),
        ({"tags": ["blue"]}, True),
        ({"tags": ["green"]}, False),
        ({"lines": {"sku": ["b"]}}, True),
        ({"lines": {"sku": ["a"], "count": [7]}}, False),
        ({"name": {"first": ["Alice"]}}, False),
    ],
)
def test_an_operator_matches_as_documented(pattern: dict[str, Any], matches: bool) -> None:
    """Every operator of the event filtering page, met and not met."""
    assert filters({"data": pattern}).admit(kinesis_event(DOCUMENT)) is matches


def test_any_of_several_filters_is_enough() -> None:
    """Filters of one mapping are alternatives."""
    either = filters({"data": {"a": [1]}}, {"data": {"b": [2]}})
    assert either.admit(kinesis_event({"a": 1}))
    assert either.admit(kinesis_event({"b": 2}))
    assert not either.admit(kinesis_event({"a": 2, "b": 1}))


@pytest.mark.parametrize("pattern", [{"x": ["y"]}, {"x": [{"exists": False}]}, [{"anything-but": ["y"]}]])
def test_data_that_is_not_json_is_dropped_by_a_filter_on_data(pattern: Any) -> None:
    """Whatever the filter asks of the data, a record without JSON does not pass."""
    assert not filters({"data": pattern}).admit(kinesis_event(b"not json"))


def test_data_that_is_not_json_passes_a_filter_on_metadata() -> None:
    """A filter that asks nothing of the data looks at the metadata only."""
    assert filters({"partitionKey": ["a"]}).admit(kinesis_event(b"not json", partitionKey="a"))


@pytest.mark.parametrize(("choice", "passes"), [(KinesisMetadata.COMPARED, True), (KinesisMetadata.NEVER_MET, False)])
def test_unknown_whether_kinesis_metadata_can_be_filtered(choice: KinesisMetadata, passes: bool) -> None:
    """One section says that only `data` is supported, another filters on metadata."""
    criteria = {"Filters": [{"Pattern": '{"partitionKey": ["a"]}'}]}
    found = Filters.from_api(criteria, choice)
    assert found
    assert found.admit(kinesis_event({}, partitionKey="a")) is passes


def test_dynamodb_images_and_metadata_can_be_filtered() -> None:
    """Keys, images and the kind of change; numbers are texts there."""
    event = {
        "eventName": "MODIFY",
        "dynamodb": {
            "Keys": {"id": {"S": "1"}},
            "NewImage": {"count": {"N": "7"}, "list": {"L": [{"S": "Sales"}, {"S": "Support"}]}},
            "OldImage": {"owner": {"S": "Terry"}},
        },
    }
    assert filters({"eventName": ["MODIFY"]}).admit(event)
    assert filters({"dynamodb": {"Keys": {"id": {"S": ["1"]}}}}).admit(event)
    assert filters({"dynamodb": {"NewImage": {"list": {"L": {"S": [{"exists": True}]}}}}}).admit(event)
    assert filters({"dynamodb": {"NewImage": {"count": {"N": ["7"]}}}}).admit(event)
    assert not filters({"dynamodb": {"NewImage": {"count": {"N": [{"numeric": ["=", 7]}]}}}}).admit(event)
    assert not filters({"eventName": ["INSERT"]}).admit(event)


def test_a_name_given_twice_must_match_both_times() -> None:
    """The documentation's AND of two images writes `dynamodb` twice."""
    pattern = '{"dynamodb": {"NewImage": {"a": {"S": ["new"]}}}, "dynamodb": {"OldImage": {"a": {"S": ["old"]}}}}'
    found = Filters.from_api({"Filters": [{"Pattern": pattern}]})
    assert found
    assert found.admit({"dynamodb": {"NewImage": {"a": {"S": "new"}}, "OldImage": {"a": {"S": "old"}}}})
    assert not found.admit({"dynamodb": {"NewImage": {"a": {"S": "new"}}, "OldImage": {"a": {"S": "older"}}}})
    assert not found.admit({"dynamodb": {"NewImage": {"a": {"S": "newer"}}, "OldImage": {"a": {"S": "old"}}}})


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("not json", "not JSON"),
        ("[]", "JSON object"),
        ('["a"]', "JSON object"),
        ("{}", "JSON object"),
        ('{"a": "b"}', "list of rules"),
        ('{"a": [{"wildcard": "*"}]}', "wildcard"),
        ('{"$or": [{"a": 1}]}', "list of rules"),
    ],
)
def test_a_malformed_filter_is_refused_with_its_reason(pattern: str, words: str) -> None:
    """AWS refuses such a mapping when it is made; here the runner says why it does not run it."""
    with pytest.raises(ValueError, match=words):
        Filters.from_api({"Filters": [{"Pattern": pattern}]})


@pytest.mark.parametrize("criteria", [None, {}, {"Filters": []}])
def test_no_filters_let_everything_through(criteria: dict[str, Any] | None) -> None:
    """An empty FilterCriteria is how filters are removed."""
    assert Filters.from_api(criteria) is None


@pytest.mark.parametrize("unknowns", variants())
def test_filtered_records_are_passed_over(unknowns: Any) -> None:
    """The function never sees them, and the checkpoint moves past them."""
    shard = VirtualShard(Config(filters=only("yes"), unknowns=unknowns))
    shard.put(0.0, *"abc", events=[kinesis_event(word) for word in ("no", "yes", "no")])
    shard.run(until=10.0)
    assert shard.batches == [["2"]]
    assert shard.filtered == ["1", "3"]
    assert shard.state.checkpoint == "3"


def test_a_batch_of_which_nothing_passes_is_not_sent() -> None:
    """No empty invocation."""
    shard = VirtualShard(Config(filters=only("yes")))
    shard.put(0.0, *"abc", events=kinesis_event("no"))
    shard.run(until=10.0)
    assert shard.batches == []
    assert shard.state.checkpoint == "3"


def test_the_checkpoint_waits_for_records_before_a_filtered_one() -> None:
    """A record that passes holds the checkpoint although a later, filtered one is done."""
    shard = VirtualShard(Config(filters=only("yes")), function=answering(FunctionFailed()))
    shard.put(0.0, *"abc", events=[kinesis_event(word) for word in ("no", "yes", "no")])
    shard.run(until=0.5)
    assert shard.state.checkpoint == "1"
    shard.run(until=5.0)
    assert shard.state.checkpoint == "3"
