"""Runs inside the emulator's own environment: settings of event source mappings that it forgets or gets wrong.

Facts: AWS::Lambda::EventSourceMapping in the CloudFormation template reference, CreateEventSourceMapping in the Lambda
API reference.
"""

import json
from collections.abc import Callable
from typing import Any

TOUCHED: dict[str, dict[str, list[str] | None]] = {
    "ministack.services.lambda_svc": {"_create_esm": ["data"], "_esm_response": ["esm"], "_esms": None},
    "ministack.services.cloudformation.provisioners": {
        "_RESOURCE_HANDLERS": None,
        "_lambda_esm_create": ["logical_id", "props", "stack_name"],
        "_lambda_esm_update": ["physical_id", "old_props", "new_props", "stack_name"],
    },
}

_TYPE = "AWS::Lambda::EventSourceMapping"
_FORGOTTEN: dict[str, Callable[[Any], Any]] = {"StartingPositionTimestamp": float, "TumblingWindowInSeconds": int}
_ACCEPTED = 202


def register(module: Callable[[str], Any]) -> None:
    """Let the emulator keep what a mapping says, whether it comes from a template or from the API.

    Args:
        module: Gives a module of the emulator by name.
    """
    service = module("ministack.services.lambda_svc")
    provisioners = module("ministack.services.cloudformation.provisioners")
    stock_create, stock_update = provisioners._lambda_esm_create, provisioners._lambda_esm_update
    stock_call = service._create_esm

    def create(logical_id: str, props: dict[str, Any], stack_name: str) -> tuple[str, dict[str, Any]]:
        mapping_id, attributes = stock_create(logical_id, _with_batch_size(props), stack_name)
        _complete(service._esms[mapping_id], props)
        return mapping_id, attributes

    def update(
        physical_id: str, old: dict[str, Any], new: dict[str, Any], stack_name: str
    ) -> tuple[str, dict[str, Any]]:
        mapping_id, attributes = stock_update(physical_id, old, _with_batch_size(new), stack_name)
        _complete(service._esms[mapping_id], new)
        return mapping_id, attributes

    def call(data: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
        status, headers, body = stock_call(_with_batch_size(data))
        if status != _ACCEPTED:
            return status, headers, body
        mapping = service._esms[json.loads(body)["UUID"]]
        _complete(mapping, data)
        return status, headers, json.dumps(service._esm_response(mapping)).encode()

    provisioners._RESOURCE_HANDLERS[_TYPE] |= {"create": create, "update": update}
    service._create_esm = call


def _with_batch_size(props: dict[str, Any]) -> dict[str, Any]:
    """*props* with AWS's default: 10 for a queue, 100 for a stream. The emulator has 10 for all."""
    return {"BatchSize": 10 if ":sqs:" in str(props.get("EventSourceArn")) else 100, **props}


def _complete(mapping: dict[str, Any], props: dict[str, Any]) -> None:
    """Give *mapping* what the emulator forgot of *props*."""
    for name, kind in _FORGOTTEN.items():
        mapping.pop(name, None)
        if props.get(name) is not None:
            mapping[name] = kind(props[name])
    # A template may hold either form of a truth value. The emulator's state of a new mapping is always Enabled.
    enabled = str(props.get("Enabled", True)).lower() != "false"
    mapping |= {"Enabled": enabled, "State": "Enabled" if enabled else "Disabled"}
