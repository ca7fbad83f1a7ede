"""Runs inside the emulator's own environment: HTTP APIs of templates that answer preflight requests.

Its CloudFormation keeps `CorsConfiguration` in the spelling of templates, and its API reads another one. Facts:
AWS::ApiGatewayV2::Api in the CloudFormation template reference, the resource Api in the API Gateway V2 reference.
"""

from collections.abc import Callable
from typing import Any

TOUCHED: dict[str, dict[str, list[str] | None]] = {
    "ministack.services.cloudformation.provisioners": {"_RESOURCE_HANDLERS": None},
}

_CORS = "CorsConfiguration"


def register(module: Callable[[str], Any]) -> None:
    """Let the emulator keep what a template says of CORS as its API does.

    Args:
        module: Gives a module of the emulator by name.
    """
    handlers = module("ministack.services.cloudformation.provisioners")._RESOURCE_HANDLERS["AWS::ApiGatewayV2::Api"]
    stock_create, stock_update = handlers["create"], handlers["update"]

    def create(logical_id: str, props: dict[str, Any], stack_name: str) -> Any:
        return stock_create(logical_id, _as_in_the_api(props), stack_name)

    def update(physical_id: str, old: dict[str, Any], new: dict[str, Any], *more: Any) -> Any:
        return stock_update(physical_id, old, _as_in_the_api(new), *more)

    handlers |= {"create": create, "update": update}


def _as_in_the_api(props: dict[str, Any]) -> dict[str, Any]:
    """*props* with the names in `CorsConfiguration` beginning with a small letter."""
    if not isinstance(given := props.get(_CORS), dict):
        return props
    return {**props, _CORS: {name[:1].lower() + name[1:]: value for name, value in given.items()}}
