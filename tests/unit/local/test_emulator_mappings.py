import json
from types import ModuleType
from typing import Any

import pytest

from constructs_lib.local import _emulator_mappings as mappings

KINESIS = "arn:aws:kinesis:eu-west-1:000000000000:stream/orders"
TABLE = "arn:aws:dynamodb:eu-west-1:000000000000:table/orders/stream/2026"
QUEUE = "arn:aws:sqs:eu-west-1:000000000000:orders"


class Emulator:
    """What of the emulator holds mappings: it knows the state Enabled only, and keeps a part of what it is told."""

    def __init__(self) -> None:
        self.mappings: dict[str, dict[str, Any]] = {}
        service, self.provisioners = ModuleType("lambda_svc"), ModuleType("provisioners")
        vars(service).update(
            _esms=self.mappings, _create_esm=self.call, _esm_response=lambda esm: {**esm, "Enabled": None}
        )
        vars(self.provisioners).update(
            _lambda_esm_create=self.create,
            _lambda_esm_update=self.update,
            _RESOURCE_HANDLERS={"AWS::Lambda::EventSourceMapping": {"delete": None}},
        )
        self.service: Any = service
        mappings.register(
            {
                "ministack.services.lambda_svc": service,
                "ministack.services.cloudformation.provisioners": self.provisioners,
            }.__getitem__
        )
        self.handlers: Any = vars(self.provisioners)["_RESOURCE_HANDLERS"]["AWS::Lambda::EventSourceMapping"]

    def create(self, logical_id: str, props: dict[str, Any], _stack_name: str) -> tuple[str, dict[str, Any]]:
        self.mappings[logical_id] = {"UUID": logical_id, "BatchSize": props.get("BatchSize", 10), "State": "Enabled"}
        return logical_id, {"Id": logical_id}

    def update(self, physical_id: str, old: dict[str, Any], new: dict[str, Any], _: str) -> tuple[str, dict[str, Any]]:
        if old["EventSourceArn"] != new["EventSourceArn"]:
            created: tuple[str, dict[str, Any]] = vars(self.provisioners)["_lambda_esm_create"]("other", new, "stack")
            return created
        self.mappings[physical_id]["BatchSize"] = new.get("BatchSize")
        return physical_id, {"Id": physical_id}

    def call(self, data: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
        if "FunctionName" not in data:
            return 404, {}, b"no such function"
        self.create("called", data, "")
        return 202, {}, json.dumps({"UUID": "called"}).encode()

    def deployed(self, **props: Any) -> dict[str, Any]:
        self.handlers["create"]("mapping", {"EventSourceArn": KINESIS, **props}, "stack")
        return self.mappings["mapping"]

    def called(self, **data: Any) -> dict[str, Any]:
        return dict(json.loads(self.service._create_esm({"FunctionName": "f", "EventSourceArn": KINESIS, **data})[2]))


@pytest.fixture
def emulator() -> Emulator:
    return Emulator()


@pytest.mark.parametrize(("source", "size"), [(KINESIS, 100), (TABLE, 100), (QUEUE, 10)])
def test_the_batch_size_is_awss_where_none_is_given(emulator: Emulator, source: str, size: int) -> None:
    """A hundred records of a stream, ten messages of a queue, from a template and from a call; a given one stays."""
    assert emulator.deployed(EventSourceArn=source)["BatchSize"] == size
    assert emulator.called(EventSourceArn=source)["BatchSize"] == size
    assert emulator.deployed(EventSourceArn=source, BatchSize=7)["BatchSize"] == 7


@pytest.mark.parametrize("enabled", [False, "false"])
def test_a_mapping_can_begin_disabled(emulator: Emulator, enabled: Any) -> None:
    """Its state says so, whichever form the template has it in; without the setting it is enabled."""
    assert emulator.deployed(Enabled=enabled)["State"] == "Disabled"
    assert emulator.mappings["mapping"]["Enabled"] is False
    assert emulator.called(Enabled=enabled)["State"] == "Disabled"
    assert emulator.deployed()["State"] == "Enabled"


def test_nothing_that_decides_what_is_read_is_forgotten(emulator: Emulator) -> None:
    """The moment to start at, and a window, are there for whoever lists mappings; numbers even if written as text."""
    given = {"StartingPosition": "AT_TIMESTAMP", "StartingPositionTimestamp": "1700000000.5"}

    for kept in (
        emulator.deployed(**given, TumblingWindowInSeconds="30"),
        emulator.called(**given, TumblingWindowInSeconds=30),
    ):
        assert (kept["StartingPositionTimestamp"], kept["TumblingWindowInSeconds"]) == (1_700_000_000.5, 30)
    assert "TumblingWindowInSeconds" not in emulator.deployed()


def test_a_change_is_taken_as_a_whole(emulator: Emulator) -> None:
    """What is not said any more has its default again; one that must be replaced is made by the same rules."""
    before = {"EventSourceArn": KINESIS, "BatchSize": 7, "Enabled": False, "TumblingWindowInSeconds": 30}
    emulator.deployed(**before)

    assert emulator.handlers["update"]("mapping", before, {"EventSourceArn": KINESIS}, "stack")[0] == "mapping"
    assert emulator.mappings["mapping"] == {"UUID": "mapping", "BatchSize": 100, "State": "Enabled", "Enabled": True}

    replaced = {"EventSourceArn": TABLE, "Enabled": False}
    assert emulator.handlers["update"]("mapping", {"EventSourceArn": KINESIS}, replaced, "stack")[0] == "other"
    assert emulator.mappings["other"]["State"] == "Disabled"


def test_a_refusal_stays_one(emulator: Emulator) -> None:
    """What the emulator does not accept is answered as it is."""
    assert emulator.service._create_esm({"EventSourceArn": KINESIS}) == (404, {}, b"no such function")
