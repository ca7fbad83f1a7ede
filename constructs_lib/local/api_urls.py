"""Where an API of the local cloud answers."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from botocore.exceptions import ClientError

from constructs_lib.local.errors import LocalCloudError

_MARK = "execute-api"


def local_url(url: str, endpoint_url: str, client: Callable[[str, str], Any]) -> str:
    """The address that answers here for the API whose AWS address is *url*.

    Args:
        url: `https://<api id>.execute-api.<region>.amazonaws.com/...`, or the same with `wss`.
        endpoint_url: Where the emulator answers.
        client: Makes a boto3 client from the name of a service and a region.

    Raises:
        LocalCloudError: If *url* is not the default address of an API Gateway API.
    """
    parts = urlsplit(url)
    match (parts.hostname or "").split("."):
        case [api_id, mark, region, *_] if mark == _MARK:
            pass
        case _:
            raise LocalCloudError(f"{url} is not the address of an API (https://<id>.{_MARK}.<region>.amazonaws.com).")
    stage, _, rest = parts.path.lstrip("/").partition("/")
    if stage not in _stages(api_id, client("apigatewayv2", region)):
        stage, rest = "$default", parts.path.lstrip("/")
    here = urlsplit(endpoint_url)
    scheme = "ws" if parts.scheme == "wss" else here.scheme
    return urlunsplit((scheme, here.netloc, f"/_aws/{_MARK}/{api_id}/{stage}/{rest}", parts.query, parts.fragment))


def _stages(api_id: str, apigateway: Any) -> set[str]:
    try:
        stages = apigateway.get_stages(ApiId=api_id)["Items"]
    except ClientError as error:
        raise LocalCloudError(f"The local cloud has no API {api_id}.") from error
    return {stage["StageName"] for stage in stages}
