"""Where an API of the local cloud answers."""

from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from botocore.exceptions import ClientError

from constructs_lib.local.errors import LocalCloudError

_MARK = "execute-api"


def local_url(url: str, endpoint_url: str, regions: Sequence[str], client: Callable[[str, str], Any]) -> str:
    """The address that answers here for the API whose default address is *url*.

    Args:
        url: `https://<api id>.execute-api...`, as a stack's output or API Gateway gives it; `wss` for a WebSocket API.
        endpoint_url: Where the emulator answers.
        regions: Where the API may be.
        client: Makes a boto3 client from the name of a service and a region.

    Raises:
        LocalCloudError: If *url* is not the default address of an API that is here.
    """
    parts = urlsplit(url)
    api_id, _, rest_of_host = (parts.hostname or "").partition(".")
    stages = _stages(api_id, regions, client) if rest_of_host.startswith(f"{_MARK}.") else None
    if stages is None:
        raise LocalCloudError(f"{url} is not the address (https://<id>.{_MARK}...) of an API of this local cloud.")
    path = parts.path.lstrip("/")
    stage, _, rest = path.partition("/")
    if stage not in stages:
        stage, rest = "$default", path
    here = urlsplit(endpoint_url)
    scheme = "ws" if parts.scheme.startswith("ws") else here.scheme
    return urlunsplit((scheme, here.netloc, f"/_aws/{_MARK}/{api_id}/{stage}/{rest}", parts.query, parts.fragment))


def _stages(api_id: str, regions: Sequence[str], client: Callable[[str, str], Any]) -> set[str] | None:
    """The stages of the API, whichever kind it is and wherever it lives; None if there is no such API."""
    for region in regions:
        try:
            found = client("apigatewayv2", region).get_stages(ApiId=api_id)["Items"]
            return {stage["StageName"] for stage in found}
        except ClientError:
            pass
        try:
            found = client("apigateway", region).get_stages(restApiId=api_id)["item"]
            return {stage["stageName"] for stage in found}
        except ClientError:
            pass
    return None
