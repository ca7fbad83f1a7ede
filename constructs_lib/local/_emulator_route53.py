"""Runs inside the emulator's own environment: what its CloudFormation lacks of Route 53.

Health checks and groups of records, stored where the emulator's own API finds them, and records in a hosted zone that
the app did not make. Facts: AWS::Route53::HealthCheck and AWS::Route53::RecordSetGroup in the CloudFormation template
reference.
"""

import uuid
from collections.abc import Callable, Iterator
from typing import Any

TOUCHED: dict[str, dict[str, list[str] | None]] = {
    "ministack.services.route53": {
        "_default_records": ["zone_name"],
        "_find": ["el", "tag"],
        "_hc_id": [],
        "_health_checks": None,
        "_lock": None,
        "_parse_health_check_config": ["el"],
        "_records": None,
        "_zones": None,
    },
    "ministack.services.cloudformation.provisioners": {
        "_RESOURCE_HANDLERS": None,
        "_r53_record_set_create": ["logical_id", "props", "stack_name"],
        "_r53_record_set_delete": ["physical_id", "props"],
        "_r53_resolve_hosted_zone_id": ["props"],
    },
}


def register(module: Callable[[str], Any]) -> None:
    """Let the emulator deploy them.

    Args:
        module: Gives a module of the emulator by name.
    """
    route53 = module("ministack.services.route53")
    provisioners = module("ministack.services.cloudformation.provisioners")
    _stand_in_for_zones(route53, provisioners)
    _keep_what_the_api_says_of_health_checks(route53)
    provisioners._RESOURCE_HANDLERS["AWS::Route53::HealthCheck"] = _health_check(route53)
    provisioners._RESOURCE_HANDLERS["AWS::Route53::RecordSetGroup"] = _record_set_group(provisioners)


def _stand_in_for_zones(route53: Any, provisioners: Any) -> None:
    """A zone that is named by its id lives elsewhere on AWS: here it begins with its first record."""
    stock = provisioners._r53_resolve_hosted_zone_id

    def resolve(props: dict[str, Any]) -> str:
        if props.get("HostedZoneId"):
            zone_id: str = stock(props)
            # Nobody says what the zone is called; the name above that of its first record will do.
            _, _, above = str(props["Name"]).rstrip(".").partition(".")
            _add_zone(route53, zone_id, above if "." in above else str(props["Name"]))
            return zone_id
        wanted = str(props.get("HostedZoneName", "")).rstrip(".").lower()
        if wanted and not any(zone["name"].rstrip(".").lower() == wanted for zone in route53._zones.values()):
            _add_zone(route53, f"Z{uuid.uuid4().hex[:20].upper()}", wanted)
        found: str = stock(props)
        return found

    provisioners._r53_resolve_hosted_zone_id = resolve


def _add_zone(route53: Any, zone_id: str, name: str) -> None:
    with route53._lock:
        if zone_id not in route53._zones:
            zone = {"id": zone_id, "name": f"{name.rstrip('.')}.", "caller_reference": zone_id}
            route53._zones[zone_id] = {**zone, "comment": "", "private": False}
            route53._records[zone_id] = route53._default_records(zone["name"])


def _keep_what_the_api_says_of_health_checks(route53: Any) -> None:
    """The emulator's own reading loses the checks that one is calculated from, and truth values on the way back."""
    stock = route53._parse_health_check_config

    def parse(el: Any) -> dict[str, Any]:
        config = _as_text(stock(el))
        children = route53._find(el, "ChildHealthChecks")
        if children is not None:
            config["ChildHealthChecks"] = [child.text for child in children]
        return config

    route53._parse_health_check_config = parse


def _health_check(route53: Any) -> dict[str, Any]:
    def create(_logical_id: str, props: dict[str, Any], _stack_name: str) -> tuple[str, dict[str, Any]]:
        with route53._lock:
            check_id = str(route53._hc_id())
            check = {"id": check_id, "caller_reference": str(uuid.uuid4()), "version": 1}
            route53._health_checks[check_id] = {**check, "config": _as_text(props["HealthCheckConfig"])}
        return check_id, {"HealthCheckId": check_id}

    def update(
        physical_id: str, _old: dict[str, Any], new: dict[str, Any], _stack_name: str
    ) -> tuple[str, dict[str, Any]]:
        with route53._lock:
            check = route53._health_checks[physical_id]
            version = int(check["version"]) + 1
            route53._health_checks[physical_id] = {
                **check,
                "version": version,
                "config": _as_text(new["HealthCheckConfig"]),
            }
        return physical_id, {"HealthCheckId": physical_id}

    def delete(physical_id: str, _props: dict[str, Any]) -> None:
        with route53._lock:
            route53._health_checks.pop(physical_id, None)

    return {"create": create, "update": update, "delete": delete}


def _as_text(config: dict[str, Any]) -> dict[str, Any]:
    """Its truth values as XML has them: the emulator writes those of Python, which no SDK reads as true."""
    return {name: str(value).lower() if isinstance(value, bool) else value for name, value in config.items()}


def _record_set_group(provisioners: Any) -> dict[str, Any]:
    def records(props: dict[str, Any]) -> Iterator[dict[str, Any]]:
        shared: dict[str, Any] = {name: props[name] for name in ("HostedZoneId", "HostedZoneName") if name in props}
        return ({**shared, **record} for record in props.get("RecordSets", ()))

    def create(logical_id: str, props: dict[str, Any], stack_name: str) -> tuple[str, dict[str, Any]]:
        for record in records(props):
            provisioners._r53_record_set_create(logical_id, record, stack_name)
        return f"{stack_name}-{logical_id}", {}

    def delete(physical_id: str, props: dict[str, Any]) -> None:
        for record in records(props):
            provisioners._r53_record_set_delete(physical_id, record)

    def update(
        physical_id: str, old: dict[str, Any], new: dict[str, Any], stack_name: str
    ) -> tuple[str, dict[str, Any]]:
        delete(physical_id, old)
        for record in records(new):
            provisioners._r53_record_set_create(physical_id, record, stack_name)
        return physical_id, {}

    return {"create": create, "update": update, "delete": delete}
