import threading
from types import ModuleType
from typing import Any
from xml.etree import ElementTree

import pytest

from constructs_lib.local import _emulator_route53 as route53


class Emulator:
    """What of the emulator holds zones, records and health checks."""

    def __init__(self) -> None:
        self.zones: dict[str, Any] = {}
        self.records: dict[str, list[Any]] = {}
        self.checks: dict[str, Any] = {}
        self.made: list[tuple[str, str]] = []
        self.handlers: dict[str, Any] = {}
        store, provisioners = ModuleType("route53"), ModuleType("provisioners")
        self.store: Any = store
        vars(store).update(
            _lock=threading.RLock(),
            _zones=self.zones,
            _records=self.records,
            _health_checks=self.checks,
            _find=lambda element, tag: element.find(tag),
            _parse_health_check_config=lambda element: {
                "Inverted": element.findtext("Inverted") == "true",
                "ChildHealthChecks": ["", ""],
            },
            _hc_id=lambda: f"check-{len(self.checks) + 1}",
            _default_records=lambda zone_name: [f"NS {zone_name}"],
        )
        self.provisioners: Any = provisioners
        vars(provisioners).update(
            _RESOURCE_HANDLERS=self.handlers,
            _r53_record_set_create=lambda _id, props, _stack: self.made.append(("+", self.place(props))),
            _r53_record_set_delete=lambda _id, props: self.made.append(("-", self.place(props))),
            _r53_resolve_hosted_zone_id=self.resolve,
        )
        self.modules = {
            "ministack.services.route53": store,
            "ministack.services.cloudformation.provisioners": provisioners,
        }

    def place(self, props: dict[str, Any]) -> str:
        return f"{props['Name']} in {self.provisioners._r53_resolve_hosted_zone_id(props)}"

    def resolve(self, props: dict[str, Any]) -> str:
        if props.get("HostedZoneId"):
            return str(props["HostedZoneId"])
        return next(key for key, zone in self.zones.items() if zone["name"] == f"{props['HostedZoneName']}.")


@pytest.fixture
def emulator() -> Emulator:
    one = Emulator()
    route53.register(one.modules.__getitem__)
    return one


def test_a_health_check_is_kept_as_the_api_shows_it(emulator: Emulator) -> None:
    """Created, changed in place, deleted; truth values as the API writes them."""
    handlers = emulator.handlers["AWS::Route53::HealthCheck"]
    config = {"Type": "HTTPS_STR_MATCH", "RequestInterval": 10, "Inverted": True}

    check_id, attributes = handlers["create"]("Check", {"HealthCheckConfig": config}, "stack")
    assert attributes == {"HealthCheckId": check_id}
    assert emulator.checks[check_id]["config"] == {**config, "Inverted": "true"}

    changed = {"HealthCheckConfig": {**config, "Inverted": False}}
    assert handlers["update"](check_id, {}, changed, "stack")[0] == check_id
    assert emulator.checks[check_id]["config"]["Inverted"] == "false"
    assert emulator.checks[check_id]["version"] == 2

    handlers["delete"](check_id, changed)
    assert emulator.checks == {}


def test_a_health_check_made_by_a_call_keeps_what_it_was_told(emulator: Emulator) -> None:
    """The checks that one is calculated from, and truth values as the API writes them."""
    children = "<ChildHealthChecks><ChildHealthCheck>a</ChildHealthCheck><ChildHealthCheck>b</ChildHealthCheck>"
    told = f"<HealthCheckConfig><Inverted>true</Inverted>{children}</ChildHealthChecks></HealthCheckConfig>"

    config = emulator.store._parse_health_check_config(ElementTree.fromstring(told))

    assert config == {"Inverted": "true", "ChildHealthChecks": ["a", "b"]}


def test_a_group_of_records_is_its_records(emulator: Emulator) -> None:
    """Each is made in the zone of the group; a change replaces them."""
    handlers = emulator.handlers["AWS::Route53::RecordSetGroup"]
    one = {"HostedZoneId": "Z1", "RecordSets": [{"Name": "a.example.com"}, {"Name": "b.example.com"}]}
    other = {"HostedZoneId": "Z1", "RecordSets": [{"Name": "c.example.com"}]}

    physical_id, _ = handlers["create"]("Group", one, "stack")
    handlers["update"](physical_id, one, other, "stack")
    handlers["delete"](physical_id, other)

    assert emulator.made == [
        ("+", "a.example.com in Z1"),
        ("+", "b.example.com in Z1"),
        ("-", "a.example.com in Z1"),
        ("-", "b.example.com in Z1"),
        ("+", "c.example.com in Z1"),
        ("-", "c.example.com in Z1"),
    ]


def test_a_zone_that_lives_elsewhere_begins_with_its_first_record(emulator: Emulator) -> None:
    """By id it is called what stands above the record; by name it is that name; one that is there stays as it is."""
    resolve = emulator.provisioners._r53_resolve_hosted_zone_id

    assert resolve({"HostedZoneId": "Z1", "Name": "api.example.com"}) == "Z1"
    assert resolve({"HostedZoneId": "Z2", "Name": "example.org."}) == "Z2"
    named = resolve({"HostedZoneName": "example.net", "Name": "api.example.net"})
    assert {key: zone["name"] for key, zone in emulator.zones.items()} == {
        "Z1": "example.com.",
        "Z2": "example.org.",
        named: "example.net.",
    }
    assert emulator.records["Z1"] == ["NS example.com."]

    emulator.records["Z1"].append("a record")
    resolve({"HostedZoneId": "Z1", "Name": "other.example.com"})
    assert resolve({"HostedZoneName": "example.net", "Name": "api.example.net"}) == named
    assert emulator.records["Z1"] == ["NS example.com.", "a record"]
