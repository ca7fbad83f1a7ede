import pytest

from constructs_lib.local.router.request import Request

SIGNED = "AWS4-HMAC-SHA256 Credential=000000000000/20260101/eu-west-1/{}/aws4_request, SignedHeaders=host, Signature=0"


def request(line: str, headers: dict[str, str] | None = None, service: str | None = None) -> Request:
    fields = {
        "Host": "127.0.0.1:4566",
        **({"Authorization": SIGNED.format(service)} if service else {}),
        **(headers or {}),
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return Request.parse(f"{line} HTTP/1.1\r\n{lines}\r\n".encode())


def test_region_and_service_come_from_the_signature() -> None:
    """Nothing but the credential scope says where a signed request belongs."""
    assert request("POST /", service="kinesis").scope == ("eu-west-1", "kinesis")


def test_a_presigned_address_says_where_it_belongs() -> None:
    """The scope stands in the query, with its slashes escaped."""
    query = "X-Amz-Credential=test%2F20260101%2Fap-south-1%2Fs3%2Faws4_request&X-Amz-Signature=0"

    assert request(f"GET /bucket/key?{query}").scope == ("ap-south-1", "s3")


def test_without_a_signature_nothing_is_guessed() -> None:
    """An unsigned request has no scope."""
    assert request("GET /bucket/key").scope is None


@pytest.mark.parametrize(
    ("line", "headers"),
    [
        ("POST /_aws/execute-api/abc123/$default/events?x=1", {}),
        ("POST /events", {"Host": "abc123.execute-api.localhost:4566"}),
    ],
)
def test_a_call_of_an_api_names_it_in_path_or_host(line: str, headers: dict[str, str]) -> None:
    """Both ways of reaching an API are understood, signed or not."""
    for service in (None, "execute-api"):
        assert request(line, headers, service).api_id == "abc123"
        assert request(line, headers, service).service == "execute-api"


def test_unsigned_requests_may_still_name_a_region() -> None:
    """A function's URL has it in its host, a confirmation of a subscription in the topic's ARN."""
    assert request("GET /", {"Host": "abc.lambda-url.eu-west-1.localhost:4566"}).named_region == "eu-west-1"
    arn = "arn%3Aaws%3Asns%3Aeu-west-1%3A000000000000%3Atopic"
    assert request(f"GET /?Action=ConfirmSubscription&TopicArn={arn}").named_region == "eu-west-1"


@pytest.mark.parametrize(
    ("line", "service", "headers", "body", "operation"),
    [
        ("POST /", "dynamodb", {"X-Amz-Target": "DynamoDB_20120810.PutItem"}, b"{}", "PutItem"),
        ("POST /", "sns", {"Content-Type": "application/x-www-form-urlencoded"}, b"Action=Publish&X=1", "Publish"),
        ("GET /?Action=GetCallerIdentity&Version=1", "sts", {}, b"", "GetCallerIdentity"),
        ("POST /service/GraniteServiceVersion20100801/operation/PutMetricData", "monitoring", {}, b"", "PutMetricData"),
        ("POST /2015-03-31/functions/orders/invocations", "lambda", {}, b"{}", "Invoke"),
        ("POST /2015-03-31/functions/arn%3Aaws%3Alambda/invocations", "lambda", {}, b"{}", "Invoke"),
        ("PUT /bucket/a/key", "s3", {}, b"content", "PutObject"),
        ("GET /bucket/a/key", "s3", {}, b"", "GetObject"),
        ("GET /bucket", "s3", {}, b"", None),
        ("POST /_aws/execute-api/abc/$default/events", None, {}, b"", "POST"),
        ("GET /v2/apis", "apigateway", {}, b"", None),
    ],
)
def test_operations_have_the_name_of_the_api_reference(
    line: str, service: str | None, headers: dict[str, str], body: bytes, operation: str | None
) -> None:
    """As far as the request tells: by header, path or form; a REST call that is not known has no name."""
    assert request(line, headers, service).operation(body) == operation


@pytest.mark.parametrize("line", ["", "GET", "GET / more HTTP/1.1"])
def test_what_is_no_request_is_refused(line: str) -> None:
    """A first line of another shape is an error, not a guess."""
    with pytest.raises(ValueError, match="unpack"):
        Request.parse(f"{line}\r\n\r\n".encode())
