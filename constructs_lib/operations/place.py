"""Where an operator works: an account on AWS, or a local cloud."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from constructs_lib.operations.errors import OperationError


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """An account and the regions of it that are looked at.

    Attributes:
        regions: At least one.
        client: Makes a boto3 client from the name of a service and a region.
    """

    regions: tuple[str, ...]
    client: Callable[[str, str], Any]


def on_aws(region: str | None = None) -> Place:
    """The account of the default credentials.

    Args:
        region: The one region that is looked at. Default: that of the environment or the profile.

    Raises:
        OperationError: If no region is known.
    """
    import boto3  # noqa: PLC0415 - comes with an extra

    session = boto3.Session()
    if (chosen := region or session.region_name) is None:
        raise OperationError("No region is known; name it with --region, or set AWS_REGION.")
    make: Any = session.client
    return Place(regions=(chosen,), client=lambda service, at: make(service, region_name=at))


def in_local_cloud(port: int, region: str | None = None) -> Place:
    """The local cloud on *port*.

    Args:
        port: Where it answers.
        region: The one region that is looked at. Default: every region that holds a stack.

    Raises:
        LocalCloudError: If none runs there.
    """
    from constructs_lib.local import deployment, running  # noqa: PLC0415 - boto3 comes with an extra

    cloud = running.find(running.default_work_directory(port))
    return Place(
        regions=(region,) if region else cloud.regions,
        client=partial(deployment.client, cloud.endpoint_url, cloud.account),
    )
