"""What the head of an HTTP request says about where it belongs: service, region, API, operation.

Facts: the credential scope of Signature Version 4 (date/region/service/aws4_request) is in the Authorization header,
or in the query of a presigned address (IAM User Guide, "Elements of an AWS API request signature").
"""

import re
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import parse_qs, unquote

_SCOPE = re.compile(r"Credential=[^/\s]+/\d+/([a-z0-9-]+)/([a-z0-9_-]+)/aws4_request")
_API_PATH = re.compile(r"/_aws/execute-api/([^/?]+)")
_API_HOST = re.compile(r"([a-z0-9]+)\.execute-api\.")
_FUNCTION_URL_HOST = re.compile(r"[a-z0-9]+\.lambda-url\.([a-z0-9-]+)\.")
_ARN_REGION = re.compile(r"arn:aws[a-z-]*:[a-z0-9-]+:([a-z0-9-]+):")
_FORM = "application/x-www-form-urlencoded"
# Operations of REST APIs, which carry no name: service, method, what the path looks like.
_REST = (
    ("lambda", "POST", re.compile(r"/2015-03-31/functions/[^/]+/invocations$"), "Invoke"),
    ("lambda", "GET", re.compile(r"/2015-03-31/event-source-mappings/?$"), "ListEventSourceMappings"),
    ("lambda", "GET", re.compile(r"/2015-03-31/functions/[^/]+/configuration$"), "GetFunctionConfiguration"),
    ("lambda", "GET", re.compile(r"/2015-03-31/functions/[^/]+$"), "GetFunction"),
    ("s3", "PUT", re.compile(r"/[^/]+/.+"), "PutObject"),
    ("s3", "GET", re.compile(r"/[^/]+/.+"), "GetObject"),
    ("s3", "HEAD", re.compile(r"/[^/]+/.+"), "HeadObject"),
    ("s3", "DELETE", re.compile(r"/[^/]+/.+"), "DeleteObject"),
    ("scheduler", "POST", re.compile(r"/schedules/[^/]+$"), "CreateSchedule"),
    ("scheduler", "DELETE", re.compile(r"/schedules/[^/]+$"), "DeleteSchedule"),
)


@dataclass(frozen=True)
class Request:
    """The head of a request.

    Attributes:
        method: As it stands in the first line.
        target: Path and query, as they stand there.
        headers: Lower-case name to value; the last one counts.
    """

    method: str
    target: str
    headers: dict[str, str]

    @classmethod
    def parse(cls, head: bytes) -> "Request":
        """The request whose head, up to and including the empty line, is *head*.

        Raises:
            ValueError: If this is not the head of an HTTP request.
        """
        first, *lines = head.decode("latin-1").split("\r\n")
        method, target, _version = first.split(" ")
        fields = (line.partition(":") for line in lines if line)
        return cls(method, target, {name.strip().lower(): value.strip() for name, _, value in fields})

    @cached_property
    def path(self) -> str:
        """The path without the query, decoded."""
        return unquote(self.target.partition("?")[0])

    @cached_property
    def scope(self) -> tuple[str, str] | None:
        """(region, service) of the signature; None if there is none."""
        found = _SCOPE.search(self.headers.get("authorization", ""))
        if found is None and "X-Amz-Credential=" in self.target:
            found = _SCOPE.search(unquote(self.target))
        return (found[1], found[2]) if found else None

    @cached_property
    def api_id(self) -> str | None:
        """The API of API Gateway that is called, by path or host; None if none is."""
        found = _API_PATH.match(self.target) or _API_HOST.match(self.headers.get("host", ""))
        return found[1] if found else None

    @cached_property
    def named_region(self) -> str | None:
        """The region that an unsigned request names: in the host of a function's URL, or in an ARN in its query."""
        found = _FUNCTION_URL_HOST.match(self.headers.get("host", "")) or _ARN_REGION.search(
            unquote(self.target.partition("?")[2])
        )
        return found[1] if found else None

    @property
    def service(self) -> str | None:
        """The service as signatures name it; `execute-api` for a call of an API; None if nothing says it."""
        if self.api_id:
            return "execute-api"
        return self.scope[1] if self.scope else None

    @property
    def body_length(self) -> int | None:
        """Number of bytes of the body; None when it comes in chunks.

        Raises:
            ValueError: If the length is not a number.
        """
        if "chunked" in self.headers.get("transfer-encoding", "").lower():
            return None
        return int(self.headers.get("content-length") or 0)

    def operation(self, body: bytes) -> str | None:
        """The operation as the API reference names it; None where the request does not tell.

        JSON protocols name it in a header, CBOR in the path, the query protocol in the form; for REST APIs a few are
        known by their path.
        """
        if target := self.headers.get("x-amz-target"):
            return target.rpartition(".")[2]
        if "/operation/" in self.path:
            return self.path.rpartition("/operation/")[2]
        if self.headers.get("content-type", "").startswith(_FORM) or "Action=" in self.target:
            form = parse_qs(body.decode("latin-1")) | parse_qs(self.target.partition("?")[2])
            return form.get("Action", [None])[0]
        if self.service == "execute-api":
            return self.method
        return next(
            (
                name
                for service, method, path, name in _REST
                if (self.service, self.method) == (service, method) and path.match(self.path)
            ),
            None,
        )
