import json
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from constructs_lib.local.errors import LocalCloudError
from constructs_lib.local.faults.active import Faults
from constructs_lib.local.faults.api import FaultsApi
from constructs_lib.local.faults.model import (
    Fault,
    FunctionFault,
    OperationFault,
    Partition,
    PoisonRecord,
    RegionLost,
    ThirdParty,
)
from constructs_lib.local.faults.notation import from_json, to_json

REGIONS = ("us-east-1", "eu-west-1")
LOST = RegionLost(region="eu-west-1")
THROTTLED = OperationFault(region="eu-west-1", service="dynamodb", operation="PutItem", mode="throttled")
CUT = Partition(regions=frozenset(REGIONS))
CRASHING = FunctionFault(function="Notify", mode="crash", region="eu-west-1", after=0.25)
DOWN = ThirdParty(where="slack", mode="throttled", retry_after=5.0)
POISON = PoisonRecord(where="orders")


class World:
    """What faults are applied to: keeps the last it was given."""

    def __init__(self) -> None:
        self.now: Mapping[str, Fault] = {}
        self.refuses = False

    def apply(self, faults: Mapping[str, Fault]) -> None:
        if self.refuses:
            raise LocalCloudError("The router has ended.")
        self.now = faults


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def faults(world: World) -> Faults:
    return Faults(REGIONS, world.apply)


@pytest.mark.parametrize("fault", [LOST, THROTTLED, CUT, CRASHING, DOWN, POISON])
def test_a_fault_survives_being_written_down(fault: Fault) -> None:
    """As JSON and back it is the same."""
    assert from_json(json.loads(json.dumps(to_json(fault)))) == fault


def test_what_has_a_default_may_be_left_out() -> None:
    """A fault of a whole service needs no operation."""
    fault = from_json({"kind": "operation", "region": "eu-west-1", "service": "sqs", "mode": "failed"})

    assert fault == OperationFault(region="eu-west-1", service="sqs", operation="*", mode="failed", by=1.0)


def test_faults_begin_and_end_in_any_order(faults: Faults, world: World) -> None:
    """Each by its own id; what is broken at any moment is exactly what has begun and not ended."""
    first, second = faults.inject(LOST), faults.inject(THROTTLED)
    assert world.now == {first: LOST, second: THROTTLED}

    faults.clear(first)
    assert world.now == faults.now() == {second: THROTTLED}

    faults.inject(CUT)
    faults.clear_all()
    assert world.now == {}


def test_a_region_comes_back_however_often_it_was_lost(faults: Faults, world: World) -> None:
    """Equal faults end together when the region is asked to return."""
    faults.inject(LOST)
    faults.inject(LOST)

    faults.clear_each(LOST)

    assert world.now == {}


def test_a_fault_that_could_not_begin_is_not_there(faults: Faults, world: World) -> None:
    """The list says what is broken, not what was wished."""
    world.refuses = True
    with pytest.raises(LocalCloudError):
        faults.inject(LOST)

    assert faults.now() == {}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ([], "allowed are region, partition, operation, function, third-party, record"),
        ({"kind": "meteor"}, "'meteor'; allowed are region, partition"),
        ({"kind": ["region"]}, r"\['region'\]; allowed are region, partition"),
        ({"kind": "region", "where": "eu-west-1"}, "takes region; given were where"),
        ({"kind": "region"}, r"takes region; given were \(none\)"),
        ({"kind": "operation", "service": "sqs"}, "takes service, mode, operation if need be, region if need be"),
        ({"kind": "region", "region": "mars-1"}, "Nothing runs in mars-1; there are us-east-1, eu-west-1"),
        ({"kind": "function", "function": "x", "mode": "raises", "region": "mars-1"}, "Nothing runs in mars-1"),
        ({"kind": "partition", "regions": ["eu-west-1"]}, r"two different ones, not \['eu-west-1'\]"),
        ({"kind": "partition", "regions": ["eu-west-1", "mars-1"]}, "Nothing runs in mars-1"),
        ({"kind": "operation", "service": "sqs", "mode": "odd"}, "'odd'; allowed: throttled, failed, slow"),
        ({"kind": "operation", "service": "sqs", "mode": "slow", "by": 1e9}, "0 to 900 seconds, not 1000000000.0"),
        ({"kind": "operation", "service": "sqs", "mode": "slow", "by": True}, "0 to 900 seconds, not True"),
        (
            {"kind": "operation", "service": 5, "mode": "slow"},
            "service of a fault of kind operation must be a text, not 5",
        ),
        ({"kind": "third-party", "where": "slack", "mode": "sulking"}, "'sulking'; allowed: down, refuse"),
    ],
)
def test_what_cannot_be_broken_is_one_sentence(faults: Faults, content: Any, sentence: str) -> None:
    """It names what was given and what is allowed."""
    with pytest.raises(LocalCloudError, match=sentence):
        faults.inject(from_json(content))


def test_what_was_made_wrong_in_python_is_refused_too(faults: Faults, world: World) -> None:
    """A mistake in a test says so at once, in the same words."""
    with pytest.raises(LocalCloudError, match="'sulking'; allowed: down"):
        faults.inject(ThirdParty(where="slack", mode="sulking"))  # type: ignore[arg-type]

    assert world.now == {}


def test_what_names_something_that_is_not_here_does_not_begin(world: World) -> None:
    """Whoever knows what is here is asked first."""

    def refuse(fault: Fault) -> None:
        raise LocalCloudError(f"There is no {fault}.")

    with pytest.raises(LocalCloudError, match="There is no FunctionFault"):
        Faults(REGIONS, world.apply, refuse).inject(CRASHING)

    assert world.now == {}


def test_ending_what_is_not_there_names_what_is(faults: Faults) -> None:
    """A mistyped id is easily put right."""
    faults.inject(LOST)

    with pytest.raises(LocalCloudError, match="no fault region-9; there are region-1"):
        faults.clear("region-9")


@pytest.fixture
def api(faults: Faults) -> Iterator[FaultsApi]:
    one = FaultsApi(faults, lambda: {"regions": list(REGIONS)})
    one.start()
    yield one
    one.stop()


def ask(api: FaultsApi, method: str, path: str, content: Any = None, content_type: str = "application/json") -> Any:
    """(status, content) of the answer."""
    body = None if content is None else content if isinstance(content, bytes) else json.dumps(content).encode()
    request = urllib.request.Request(
        f"http://127.0.0.1:{api.port}/_resilience{path}",
        data=body,
        method=method,
        headers={"Content-Type": content_type},
    )
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_faults_are_begun_listed_and_ended_over_http(api: FaultsApi, faults: Faults) -> None:
    """As the commands do."""
    status, begun = ask(api, "POST", "/faults", to_json(THROTTLED))
    assert status == 201
    assert ask(api, "GET", "/faults") == (200, {"faults": [begun | to_json(THROTTLED)]})

    assert ask(api, "DELETE", f"/faults/{begun['id']}")[0] == 200
    faults.inject(LOST)
    faults.inject(CUT)
    assert ask(api, "DELETE", "/faults")[0] == 200
    assert ask(api, "GET", "/faults") == (200, {"faults": []})


def test_whether_a_fault_could_begin_is_told_without_beginning_it(api: FaultsApi, faults: Faults) -> None:
    """A plan is looked through before its first fault."""
    assert ask(api, "POST", "/checks", to_json(LOST)) == (200, {})
    assert ask(api, "POST", "/checks", {"kind": "region", "region": "mars-1"})[0] == 400

    assert faults.now() == {}


def test_status_is_told_over_http(api: FaultsApi) -> None:
    """What the owner says of itself."""
    assert ask(api, "GET", "/status") == (200, {"regions": list(REGIONS)})


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        (("GET", "/elsewhere", None, "application/json"), 404),
        (("POST", "/elsewhere", {}, "application/json"), 404),
        (("DELETE", "/elsewhere", None, "application/json"), 404),
        (("POST", "/faults", b"{", "application/json"), 400),
        (("POST", "/faults", {"kind": "meteor"}, "application/json"), 400),
        (("DELETE", "/faults/none", None, "application/json"), 400),
        (("POST", "/faults", to_json(LOST), "text/plain"), 415),
    ],
)
def test_what_cannot_be_understood_changes_nothing(
    api: FaultsApi, faults: Faults, asked: tuple[str, str, Any, str], status: int
) -> None:
    """It is answered with a sentence; what a web page could send unasked is refused."""
    answered, told = ask(api, *asked)

    assert answered == status
    assert told["error"].endswith(".")
    assert faults.now() == {}
