import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from constructs_lib.local import _emulator_tables as tables

NOW = 1_800_000_000.0
PLACE = ("000000000000", "eu-west-1", "orders")


class Scoped(dict[tuple[str, str, str], Any]):
    """A dictionary by account, region and name."""

    def all_items(self) -> list[tuple[tuple[str, str, str], Any]]:
        return list(self.items())

    def get_scoped(self, account: str, region: str, name: str) -> Any:
        return self.get((account, region, name))


class Emulator:
    """What of the emulator holds tables, their expiry and their streams."""

    def __init__(self) -> None:
        self.settings, self.tables = Scoped(), Scoped()
        self.stream: list[dict[str, Any]] = []
        self.place: list[str] = []
        self.dynamodb: Any = ModuleType("dynamodb")
        self.responses: Any = ModuleType("responses")
        vars(self.dynamodb).update(
            _lock=threading.Lock(),
            _ttl_settings=self.settings,
            _tables=self.tables,
            _remove_item=lambda table, pk, sk: table["items"][pk].pop(sk),
            _build_change_record=lambda _table, event, old, new, _view: {"eventName": event, "old": old, "new": new},
            _emit_stream_event=self.emit,
            _update_ttl=self.update_ttl,
        )
        vars(self.responses).update(
            set_request_account_id=self.place.append,
            set_request_region=self.place.append,
        )

    def emit(self, name: str, event: str, old: Any, new: Any) -> None:
        self.stream.append({"table": name, **self.dynamodb._build_change_record(None, event, old, new, "BOTH")})

    def update_ttl(self, data: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
        given = data["TimeToLiveSpecification"]
        if not given["AttributeName"]:
            return 400, {}, b"must have length greater than or equal to 1"
        status = "ENABLED" if given["Enabled"] else "DISABLED"
        self.settings[PLACE] = {"TimeToLiveStatus": status, "AttributeName": given["AttributeName"]}
        return 200, {}, b""

    def holds(self, *items: dict[str, Any], status: str = "ENABLED") -> None:
        self.tables[PLACE] = {"items": {item["id"]["S"]: {"": item} for item in items}}
        self.settings[PLACE] = {"TimeToLiveStatus": status, "AttributeName": "expires"}

    def left(self) -> list[str]:
        return [pk for pk, items in self.tables[PLACE]["items"].items() if items]


@pytest.fixture
def emulator() -> Emulator:
    return Emulator()


@pytest.fixture
def expiry(emulator: Emulator) -> tables.Expiry:
    made = tables.Expiry(emulator.dynamodb, emulator.responses)
    made.replace_stock()
    return made


def item(name: str, **expires: Any) -> dict[str, Any]:
    return {"id": {"S": name}, **({"expires": expires} if expires else {})}


def in_a_thread(named: str, do: Callable[[], object]) -> None:
    thread = threading.Thread(target=do, name=named)
    thread.start()
    thread.join()


@pytest.mark.parametrize(
    ("value", "gone"),
    [
        ({"N": str(NOW)}, True),
        ({"N": str(NOW - 1)}, True),
        ({"N": str(NOW + 1)}, False),
        ({"N": str(NOW - 6 * 365 * 86_400)}, False),
        ({"S": str(NOW - 1)}, False),
        ({}, False),
    ],
)
def test_only_a_recent_moment_in_seconds_is_an_expiry(value: dict[str, str], gone: bool) -> None:
    """A number that is over; a text is none, nor is what lies more than five years back."""
    assert tables.expired({"id": {"S": "1"}, "expires": value}, "expires", NOW) is gone
    assert not tables.expired({"id": {"S": "1"}}, "expires", NOW)


def test_what_expired_is_deleted_and_the_stream_names_the_service(emulator: Emulator, expiry: tables.Expiry) -> None:
    """As a deletion in the table's own account and region; what lives on stays."""
    emulator.holds(item("old", N=str(NOW - 1)), item("new", N=str(NOW + 1)), item("lasting"))

    in_a_thread("expiry", lambda: expiry.delete_expired(NOW))

    assert emulator.left() == ["new", "lasting"]
    assert emulator.place == list(PLACE[:2])
    (record,) = emulator.stream
    assert (record["table"], record["eventName"], record["old"]["id"]) == ("orders", "REMOVE", {"S": "old"})
    assert record["userIdentity"] == {"Type": "Service", "PrincipalId": "dynamodb.amazonaws.com"}


def test_deletions_of_others_name_nobody(emulator: Emulator, expiry: tables.Expiry) -> None:
    """A deletion that somebody asked for is told from one by expiry."""
    in_a_thread("expiry", lambda: expiry.delete_expired(NOW))

    emulator.emit("orders", "REMOVE", item("1"), None)

    assert "userIdentity" not in emulator.stream[0]


def test_a_table_without_expiry_keeps_its_items(emulator: Emulator, expiry: tables.Expiry) -> None:
    """Switched off, or the table is gone: nothing happens."""
    emulator.holds(item("old", N=str(NOW - 1)), status="DISABLED")
    expiry.delete_expired(NOW)
    assert emulator.left() == ["old"]

    emulator.holds()
    del emulator.tables[PLACE]
    expiry.delete_expired(NOW)
    assert emulator.stream == []


def test_the_emulators_own_thread_deletes_nothing(emulator: Emulator, expiry: tables.Expiry) -> None:
    """It would leave no record; what anybody else removes is removed."""
    emulator.holds(item("1"), item("2"))
    table = emulator.tables[PLACE]

    in_a_thread("dynamodb-ttl-reaper", lambda: emulator.dynamodb._remove_item(table, "1", ""))
    in_a_thread("request", lambda: emulator.dynamodb._remove_item(table, "2", ""))

    assert emulator.left() == ["1"]


@pytest.mark.parametrize("kind", ["AWS::DynamoDB::Table", "AWS::DynamoDB::GlobalTable"])
def test_a_table_of_a_template_has_its_expiry(emulator: Emulator, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """From its creation on; changed and taken away with the template; a table without one is left alone."""
    monkeypatch.setattr(threading, "Thread", lambda **_: type("Idle", (), {"start": lambda _: None})())
    stock: dict[str, Any] = {"create": lambda *_: ("orders", {}), "update": lambda *_: ("orders", {})}
    provisioners = ModuleType("provisioners")
    vars(provisioners)["_RESOURCE_HANDLERS"] = {
        each: {"delete": None, **stock} for each in ("AWS::DynamoDB::Table", "AWS::DynamoDB::GlobalTable")
    }
    modules = {
        "ministack.services.dynamodb": emulator.dynamodb,
        "ministack.core.responses": emulator.responses,
        "ministack.services.cloudformation.provisioners": provisioners,
    }
    tables.register(modules.__getitem__)
    handlers = vars(provisioners)["_RESOURCE_HANDLERS"][kind]

    def props(name: str) -> dict[str, Any]:
        return {"TimeToLiveSpecification": {"AttributeName": name, "Enabled": True}}

    assert handlers["create"]("Table", {}, "stack") == ("orders", {})
    assert emulator.settings == {}
    handlers["create"]("Table", props("expires"), "stack")
    assert emulator.settings[PLACE] == {"TimeToLiveStatus": "ENABLED", "AttributeName": "expires"}
    handlers["update"]("orders", props("expires"), props("until"), "stack", "Table")
    assert emulator.settings[PLACE]["AttributeName"] == "until"
    handlers["update"]("orders", props("until"), {}, "stack", "Table")
    assert emulator.settings[PLACE]["TimeToLiveStatus"] == "DISABLED"
    with pytest.raises(ValueError, match="TimeToLiveSpecification of orders"):
        handlers["create"]("Table", props(""), "stack")
