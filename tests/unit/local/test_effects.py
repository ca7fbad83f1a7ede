"""What a fault names is found, and who can do it does it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ConnectionClosedError

from constructs_lib.local.effects import Effects
from constructs_lib.local.errors import LocalCloudError
from constructs_lib.local.faults.model import Fault, FunctionFault, PoisonRecord, RegionLost, ThirdParty
from constructs_lib.local.faults.poison import UNREADABLE
from constructs_lib.local.faults.targets import Targets
from constructs_lib.local.faults.third_parties import FirstWho


@dataclass(frozen=True)
class Stack:
    region: str
    resources: Mapping[str, tuple[str, str]]


def resources(region: str) -> Mapping[str, tuple[str, str]]:
    return {
        "NotifySlack1A": ("AWS::Lambda::Function", f"App-{region}-NotifySlack1A-XYZ"),
        "NotifyTeams2B": ("AWS::Lambda::Function", f"App-{region}-NotifyTeams2B-XYZ"),
        "SlackStream3C": ("AWS::Kinesis::Stream", f"App-{region}-SlackStream3C-XYZ"),
        "Orders4D": ("AWS::SQS::Queue", "http://127.0.0.1:4566/000000000000/orders"),
        "Ordered5E": ("AWS::SQS::Queue", "http://127.0.0.1:4566/000000000000/audit.fifo"),
        "Slack6F": ("AWS::IAM::Role", "slack-role"),
    }


HOME, AWAY = "us-east-1", "eu-west-1"
TARGETS = Targets([Stack(HOME, resources(HOME)), Stack(AWAY, resources(AWAY)), Stack(HOME, {})])


def names(fault: FunctionFault | PoisonRecord) -> list[tuple[str, str]]:
    found = TARGETS.functions(fault) if isinstance(fault, FunctionFault) else TARGETS.receivers(fault)
    return [(each.region, each.logical_id) for each in found]


def test_a_function_is_found_by_a_part_of_its_name_wherever_it_is() -> None:
    """Upper and lower case do not matter; nor do resources of other types."""
    everywhere = names(FunctionFault(function="notifyslack", mode="raises"))
    there = names(FunctionFault(function=f"App-{AWAY}-NotifySlack1A-XYZ", mode="raises"))

    assert everywhere == [(AWAY, "NotifySlack1A"), (HOME, "NotifySlack1A")]
    assert there == [(AWAY, "NotifySlack1A")]
    assert names(FunctionFault(function="NotifyTeams2B", mode="raises", region=HOME)) == [(HOME, "NotifyTeams2B")]


def test_a_whole_name_is_not_taken_for_a_part_of_another() -> None:
    """Of two whose names begin alike the shorter can be named too."""
    kind = "AWS::Lambda::Function"
    two = Targets([Stack(HOME, {"Charge": (kind, "charge"), "ChargeBack": (kind, "charge-back")})])

    assert [each.name for each in two.functions(FunctionFault(function="charge", mode="raises"))] == ["charge"]


def test_a_record_goes_to_a_stream_or_a_queue() -> None:
    """A queue is known by its name, not its address."""
    assert names(PoisonRecord(where="slack", region=HOME)) == [(HOME, "SlackStream3C")]
    assert names(PoisonRecord(where="orders", region=AWAY)) == [(AWAY, "Orders4D")]


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        (
            FunctionFault(function="Notify", mode="raises", region=HOME),
            "More than one function is called like 'Notify' in us-east-1: App-us-east-1-NotifySlack1A-XYZ, "
            "App-us-east-1-NotifyTeams2B-XYZ. Say more of it.",
        ),
        (
            FunctionFault(function="Nobody", mode="raises", region=HOME),
            "There is no function called 'Nobody' in us-east-1; there are App-us-east-1-NotifySlack1A-XYZ, "
            "App-us-east-1-NotifyTeams2B-XYZ.",
        ),
        (PoisonRecord(where="127.0.0.1"), "There is no stream or queue called '127.0.0.1'; there are"),
    ],
)
def test_what_is_not_clear_is_said(fault: FunctionFault | PoisonRecord, sentence: str) -> None:
    """The message names what there is."""
    with pytest.raises(LocalCloudError) as caught:
        names(fault)
    assert str(caught.value).startswith(sentence)


class Carrier:
    """Carries out faults of one third party."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.now: Mapping[str, ThirdParty] = {}

    def objection(self, fault: ThirdParty) -> str | None:
        return None if fault.where == self.name else f"only {self.name} can fail"

    def apply(self, faults: Mapping[str, ThirdParty]) -> None:
        self.now = faults


class World:
    """Everything that faults happen to."""

    def __init__(self) -> None:
        self.calls: list[Any] = []
        self.slack, self.mail = Carrier("slack"), Carrier("mail")
        regions: Any = self
        self.effects = Effects(
            regions=regions,
            tables=None,
            third_parties=FirstWho([self.slack, self.mail]),
            targets=TARGETS,
            client=lambda service, region: Client(service, region, self.calls),
        )
        self.before: dict[str, Fault] = {}

    def apply(self, faults: Mapping[str, Fault]) -> None:
        self.faults = faults

    def break_functions(self, faults: Any) -> None:
        self.broken = faults

    def change(self, **faults: Fault) -> None:
        self.effects.change(self.before, faults)
        self.before = faults


class Client:
    """Notes what it is called with."""

    def __init__(self, service: str, region: str, calls: list[Any]) -> None:
        self.put_record = lambda **given: calls.append((service, region, given))
        self.send_message = self.put_record


@pytest.fixture
def world() -> World:
    return World()


def test_functions_are_broken_in_the_regions_where_they_are(world: World) -> None:
    """Of two faults of one function the first happens; the second when the first has ended."""
    raises = FunctionFault(function="NotifyTeams", mode="raises", region=AWAY)
    crash = FunctionFault(function="NotifyTeams", mode="crash", after=2.0)

    world.change(a=raises, b=crash)
    assert world.broken == {
        AWAY: {f"App-{AWAY}-NotifyTeams2B-XYZ": {"mode": "raises", "after": 0.1}},
        HOME: {f"App-{HOME}-NotifyTeams2B-XYZ": {"mode": "crash", "after": 2.0}},
    }
    world.change(b=crash)
    assert world.broken[AWAY] == {f"App-{AWAY}-NotifyTeams2B-XYZ": {"mode": "crash", "after": 2.0}}
    world.change()
    assert world.broken == {}


def test_a_record_arrives_once_when_its_fault_begins(world: World) -> None:
    """Not again when other faults come and go, and nothing is taken back."""
    poison = PoisonRecord(where="slack", region=HOME)
    world.change(a=poison)
    world.change(a=poison, b=RegionLost(region=AWAY))
    world.change()

    stream = f"App-{HOME}-SlackStream3C-XYZ"
    given = {"StreamName": stream, "PartitionKey": "poison", "Data": UNREADABLE.encode()}
    assert world.calls == [("kinesis", HOME, given)]


def test_a_queue_that_keeps_order_is_told_what_it_needs(world: World) -> None:
    """Others would refuse it."""
    world.change(a=PoisonRecord(where="orders", region=HOME), b=PoisonRecord(where="audit", region=HOME))

    assert sorted((service, len(given)) for service, _, given in world.calls) == [("sqs", 2), ("sqs", 4)]


def test_a_record_that_is_not_taken_is_a_sentence(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a region that is lost."""

    def refuse(**_: Any) -> None:
        raise ConnectionClosedError(endpoint_url="http://127.0.0.1:1")

    monkeypatch.setattr(Client, "__init__", lambda self, *_: setattr(self, "put_record", refuse))

    with pytest.raises(LocalCloudError, match=f"SlackStream3C-XYZ in {HOME} took no record: Connection was closed"):
        world.change(a=PoisonRecord(where="slack", region=HOME))


def test_third_parties_fail_by_whoever_knows_them(world: World) -> None:
    """Each is told of its own only, also that nothing is wrong any more."""
    slack, mail = ThirdParty(where="slack", mode="down"), ThirdParty(where="mail", mode="slow")

    world.change(a=slack, b=mail, c=RegionLost(region=AWAY))
    assert (world.slack.now, world.mail.now) == ({"a": slack}, {"b": mail})
    world.change(b=mail)
    assert (world.slack.now, world.mail.now) == ({}, {"b": mail})


def test_the_first_who_can_carries_a_fault_out_alone() -> None:
    """A stand-in is not bypassed by the way out, nor broken twice."""
    first, second = Carrier("slack"), Carrier("slack")
    fault = ThirdParty(where="slack", mode="down")

    FirstWho([first, second]).apply({"a": fault})

    assert (first.now, second.now) == ({"a": fault}, {})


def test_what_nobody_can_carry_out_does_not_begin(world: World) -> None:
    """The message says why, in the words of those who were asked."""
    world.effects.refuse(ThirdParty(where="mail", mode="down"))
    with pytest.raises(LocalCloudError, match=r"^pager cannot be broken: only slack can fail; only mail can fail\.$"):
        world.effects.refuse(ThirdParty(where="pager", mode="down"))
    with pytest.raises(LocalCloudError, match="no function called 'nobody'"):
        world.effects.refuse(FunctionFault(function="nobody", mode="crash"))
    with pytest.raises(LocalCloudError, match="no stream or queue called 'nowhere'"):
        world.effects.refuse(PoisonRecord(where="nowhere"))
    assert "nothing here stands in" in (FirstWho([]).objection(ThirdParty(where="x", mode="down")) or "")
