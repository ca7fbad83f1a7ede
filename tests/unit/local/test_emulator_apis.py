from types import ModuleType
from typing import Any

import pytest

from constructs_lib.local import _emulator_apis as apis


@pytest.fixture
def handlers() -> dict[str, Any]:
    """What deploys APIs; its stock part gives back the properties it is given."""
    provisioners = ModuleType("provisioners")
    stock = {"create": lambda *given: given, "update": lambda *given: given, "update_with_logical_id": True}
    vars(provisioners)["_RESOURCE_HANDLERS"] = {"AWS::ApiGatewayV2::Api": stock}
    apis.register({"ministack.services.cloudformation.provisioners": provisioners}.__getitem__)
    return dict(vars(provisioners)["_RESOURCE_HANDLERS"]["AWS::ApiGatewayV2::Api"])


def test_cors_of_a_template_is_kept_as_the_api_spells_it(handlers: dict[str, Any]) -> None:
    """When the API is made and when it changes; everything else stays as it is."""
    given = {"Name": "Shop", "CorsConfiguration": {"AllowOrigins": ["https://example.com"], "MaxAge": 60}}
    kept = {"Name": "Shop", "CorsConfiguration": {"allowOrigins": ["https://example.com"], "maxAge": 60}}

    assert handlers["create"]("Api", given, "stack") == ("Api", kept, "stack")
    assert handlers["update"]("id", {}, given, "stack", "Api") == ("id", {}, kept, "stack", "Api")
    assert given["CorsConfiguration"] == {"AllowOrigins": ["https://example.com"], "MaxAge": 60}


def test_an_api_without_cors_is_left_alone(handlers: dict[str, Any]) -> None:
    """As is everything else that handles it."""
    assert handlers["create"]("Api", {"Name": "Shop"}, "stack") == ("Api", {"Name": "Shop"}, "stack")
    assert handlers["update_with_logical_id"]
