from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.config import Config
from botocore.exceptions import ClientError

from constructs_lib.local.router import refusal as router_refusal
from constructs_lib.local.router.request import Request

CALLS: list[tuple[str, str, dict[str, Any], str]] = [
    ("dynamodb", "list_tables", {}, "ProvisionedThroughputExceededException"),
    ("kinesis", "list_streams", {}, "ProvisionedThroughputExceededException"),
    ("lambda", "invoke", {"FunctionName": "orders"}, "TooManyRequestsException"),
    ("s3", "get_object", {"Bucket": "bucket", "Key": "key"}, "SlowDown"),
    ("sns", "publish", {"Message": "m"}, "Throttled"),
    ("sqs", "list_queues", {}, "RequestThrottled"),
    ("cloudwatch", "list_metrics", {}, "ThrottlingException"),
    ("secretsmanager", "list_secrets", {}, "ThrottlingException"),
]


class Response(AWSResponse):
    """An answer that was not read from a socket."""

    def __init__(self, url: str, status: int, headers: dict[str, str], body: bytes) -> None:
        super().__init__(url, status, HTTPHeaders.from_dict(headers), None)
        self.body = body

    @property
    def content(self) -> bytes:
        return self.body


def answered(service: str, call: str, arguments: dict[str, Any], refuse: Any) -> ClientError:
    """What an SDK makes of the refusal of a call."""
    session: Any = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name="eu-west-1")
    client = session.client(
        service, endpoint_url="http://127.0.0.1:1", config=Config(retries={"total_max_attempts": 1})
    )

    def send(request: Any, **_: Any) -> Any:
        path = request.url.removeprefix("http://127.0.0.1:1")
        fields = "".join(f"{name}: {text(value)}\r\n" for name, value in request.headers.items())
        head, _, body = refuse(Request.parse(f"{request.method} {path} HTTP/1.1\r\n{fields}\r\n".encode())).partition(
            b"\r\n\r\n"
        )
        first, *lines = head.decode().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        assert int(headers["Content-Length"]) == len(body)
        return Response(request.url, int(first.split()[1]), headers, body)

    client.meta.events.register("before-send", send)
    with pytest.raises(ClientError) as caught:
        getattr(client, call)(**arguments)
    return caught.value


def text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


@pytest.mark.parametrize(("service", "call", "arguments", "code"), CALLS)
def test_an_sdk_reads_the_services_own_throttling_error(
    service: str, call: str, arguments: dict[str, Any], code: str
) -> None:
    """In every protocol the code is the one that the service's reference gives, so handlers and retries see it."""
    assert answered(service, call, arguments, router_refusal.throttled).response["Error"]["Code"] == code


@pytest.mark.parametrize(("service", "call", "arguments"), [row[:3] for row in CALLS])
def test_an_sdk_reads_a_broken_service_as_one(service: str, call: str, arguments: dict[str, Any]) -> None:
    """A failure is a 500 with a code."""
    response = answered(service, call, arguments, router_refusal.failed).response

    assert response["ResponseMetadata"]["HTTPStatusCode"] == 500
    assert response["Error"]["Code"] in ("InternalError", "InternalServerError")


def test_an_api_answers_as_api_gateway_does() -> None:
    """429 when throttled, 503 when broken, with a JSON message."""
    request = Request.parse(b"POST /_aws/execute-api/abc/$default/x HTTP/1.1\r\nHost: a\r\n\r\n")

    assert router_refusal.throttled(request).startswith(b"HTTP/1.1 429 ")
    assert router_refusal.failed(request).startswith(b"HTTP/1.1 503 ")
    assert router_refusal.failed(request).endswith(b'{"message": "Service Unavailable"}')


def test_an_answer_to_head_has_no_body() -> None:
    """Or the client would take it for the beginning of the next answer."""
    head = "Authorization: AWS4-HMAC-SHA256 Credential=t/20260101/eu-west-1/s3/aws4_request"
    request = Request.parse(f"HEAD /bucket/key HTTP/1.1\r\n{head}\r\n\r\n".encode())

    assert router_refusal.failed(request).endswith(b"\r\n\r\n")
