"""Runs inside the emulator's own environment: tables whose items expire as on AWS.

Its CloudFormation ignores `TimeToLiveSpecification`, and items that it lets expire leave no record in the table's
stream. Facts: "Using time to live (TTL) in DynamoDB" and "DynamoDB Streams and Time to Live" in the DynamoDB developer
guide.
"""

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

TOUCHED: dict[str, dict[str, list[str] | None]] = {
    "ministack.services.dynamodb": {
        "_build_change_record": ["table", "event_name", "old_item", "new_item", "view_type"],
        "_emit_stream_event": ["table_name", "event_name", "old_item", "new_item", "replicate"],
        "_lock": None,
        "_remove_item": ["table", "pk_val", "sk_val"],
        "_tables": None,
        "_ttl_settings": None,
        "_update_ttl": ["data"],
    },
    "ministack.core.responses": {"set_request_account_id": ["access_key_id"], "set_request_region": ["region"]},
    "ministack.services.cloudformation.provisioners": {"_RESOURCE_HANDLERS": None},
}

# On AWS it takes up to days. Soon enough for a person to see it, late enough that code which relies on it shows.
SECONDS_BETWEEN_LOOKS = 10.0

_STOCK_THREAD = "dynamodb-ttl-reaper"
_SERVICE = {"Type": "Service", "PrincipalId": "dynamodb.amazonaws.com"}
# What is older was never meant as an expiry, and stays.
_OLDEST_EXPIRY = 5 * 365 * 86_400
_LOG = logging.getLogger(__name__)


def register(module: Callable[[str], Any]) -> None:
    """Let tables of templates have their time to live, and expired items go as deletions of the service.

    Args:
        module: Gives a module of the emulator by name.
    """
    dynamodb = module("ministack.services.dynamodb")
    handlers = module("ministack.services.cloudformation.provisioners")._RESOURCE_HANDLERS
    for kind in ("AWS::DynamoDB::Table", "AWS::DynamoDB::GlobalTable"):
        handlers[kind] |= _with_time_to_live(dynamodb, handlers[kind])
    expiry = Expiry(dynamodb, module("ministack.core.responses"))
    expiry.replace_stock()
    threading.Thread(target=expiry.run, name="expiry of items", daemon=True).start()


def expired(item: dict[str, Any], attribute: str, now: float) -> bool:
    """Whether *item* may be deleted at second *now*: its *attribute* is a number of seconds, over, and not absurd."""
    try:
        moment = float(item.get(attribute, {}).get("N", ""))
    except ValueError:
        return False
    return now - _OLDEST_EXPIRY <= moment <= now


class Expiry:
    """Deletes expired items, in place of the emulator's own thread.

    Args:
        dynamodb: The emulator's module of that name.
        responses: Its module that knows whose request is served.
    """

    def __init__(self, dynamodb: Any, responses: Any) -> None:
        self._dynamodb = dynamodb
        self._responses = responses
        self._by_service = threading.local()

    def replace_stock(self) -> None:
        """Keep the emulator's own thread from deleting, and name the service in the records of our deletions."""
        stock_remove, stock_record = self._dynamodb._remove_item, self._dynamodb._build_change_record

        def remove(table: Any, pk_val: Any, sk_val: Any) -> Any:
            return None if threading.current_thread().name == _STOCK_THREAD else stock_remove(table, pk_val, sk_val)

        def record(*arguments: Any) -> dict[str, Any]:
            built: dict[str, Any] = stock_record(*arguments)
            return {**built, "userIdentity": _SERVICE} if getattr(self._by_service, "acts", False) else built

        self._dynamodb._remove_item = remove
        self._dynamodb._build_change_record = record

    def run(self) -> None:
        """Look again and again, for as long as the process lives."""
        self._by_service.acts = True
        while True:
            time.sleep(SECONDS_BETWEEN_LOOKS)
            try:
                self.delete_expired(time.time())
            except Exception:  # noqa: BLE001 - whatever it was, the items of other tables must not stay for ever
                _LOG.exception("items were not deleted")

    def delete_expired(self, now: float) -> None:
        """Delete what has expired at second *now*, each with a record in the stream of its table."""
        self._by_service.acts = True
        with self._dynamodb._lock:
            for (account, region, name), setting in self._dynamodb._ttl_settings.all_items():
                table = self._dynamodb._tables.get_scoped(account, region, name)
                if table is None or setting["TimeToLiveStatus"] != "ENABLED":
                    continue
                self._responses.set_request_account_id(account)
                self._responses.set_request_region(region)
                for key in [
                    (pk, sk)
                    for pk, items in table["items"].items()
                    for sk, item in items.items()
                    if expired(item, setting["AttributeName"], now)
                ]:
                    gone = self._dynamodb._remove_item(table, *key)
                    self._dynamodb._emit_stream_event(name, "REMOVE", gone, None)


def _with_time_to_live(dynamodb: Any, handlers: dict[str, Any]) -> dict[str, Any]:
    stock_create, stock_update = handlers["create"], handlers["update"]

    def apply(name: str, specification: dict[str, Any]) -> None:
        status, _, body = dynamodb._update_ttl({"TableName": name, "TimeToLiveSpecification": specification})
        if status >= 400:
            raise ValueError(f"TimeToLiveSpecification of {name}: {body!r}")

    def create(logical_id: str, props: dict[str, Any], stack_name: str) -> tuple[str, dict[str, Any]]:
        name, attributes = stock_create(logical_id, props, stack_name)
        if specification := props.get("TimeToLiveSpecification"):
            apply(name, specification)
        return name, attributes

    def update(physical_id: str, old: dict[str, Any], new: dict[str, Any], *more: Any) -> tuple[str, dict[str, Any]]:
        name, attributes = stock_update(physical_id, old, new, *more)
        before, after = old.get("TimeToLiveSpecification"), new.get("TimeToLiveSpecification")
        if after:
            apply(name, after)
        elif before:
            apply(name, {**before, "Enabled": False})
        return name, attributes

    return {"create": create, "update": update}
