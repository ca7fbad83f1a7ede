from typing import Any

import pytest
from botocore.exceptions import ClientError

from constructs_lib.local.api_urls import local_url
from constructs_lib.local.errors import LocalCloudError

HERE = "http://127.0.0.1:4566"


class ApiGateway:
    """Knows one HTTP API in eu-west-1 and one REST API in us-east-1."""

    def __init__(self, service: str, region: str) -> None:
        self.kind = (service, region)

    def get_stages(self, **named: str) -> dict[str, Any]:
        match (*self.kind, *named.values()):
            case ("apigatewayv2", "eu-west-1", "abc123"):
                return {"Items": [{"StageName": "$default"}, {"StageName": "beta"}]}
            case ("apigateway", "us-east-1", "rest9"):
                return {"item": [{"stageName": "prod"}]}
        raise ClientError({"Error": {"Code": "NotFoundException"}}, "GetStages")


@pytest.mark.parametrize(
    ("url", "here"),
    [
        ("https://abc123.execute-api.eu-west-1.amazonaws.com/", "/_aws/execute-api/abc123/$default/"),
        ("https://abc123.execute-api.eu-west-1.amazonaws.com/a/b?c=d", "/_aws/execute-api/abc123/$default/a/b?c=d"),
        ("https://abc123.execute-api.eu-west-1.amazonaws.com/beta/a", "/_aws/execute-api/abc123/beta/a"),
        ("http://abc123.execute-api.localhost:4566", "/_aws/execute-api/abc123/$default/"),
        ("https://rest9.execute-api.us-east-1.amazonaws.com/prod/a", "/_aws/execute-api/rest9/prod/a"),
    ],
)
def test_an_api_answers_on_this_machine(url: str, here: str) -> None:
    """Whatever its stack gives as its address, the path tells API, stage and the rest."""
    assert local_url(url, HERE, ["us-east-1", "eu-west-1"], ApiGateway) == HERE + here


def test_a_websocket_api_keeps_its_protocol() -> None:
    """A client that opens a WebSocket gets an address to open one at."""
    url = local_url("wss://abc123.execute-api.eu-west-1.amazonaws.com/beta", HERE, ["eu-west-1"], ApiGateway)

    assert url == "ws://127.0.0.1:4566/_aws/execute-api/abc123/beta/"


@pytest.mark.parametrize("url", ["https://example.com/", "https://zzz.execute-api.eu-west-1.amazonaws.com/"])
def test_any_other_address_is_refused(url: str) -> None:
    """Only an API that is here can answer here."""
    with pytest.raises(LocalCloudError, match="is not the address"):
        local_url(url, HERE, ["eu-west-1"], ApiGateway)
