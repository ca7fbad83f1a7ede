"""Find functions by the settings they run with."""

from collections.abc import Iterator, Mapping
from typing import Any

from constructs_lib.operations.place import Place


def with_settings(place: Place, region: str, stack: str | None) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Yield the functions of *region* and what each runs with.

    Args:
        place: Where to look.
        region: One of its regions.
        stack: CloudFormation stack they are in. None: any.
    """
    client = place.client("lambda", region)
    if stack is None:
        pages = client.get_paginator("list_functions").paginate()
        functions: Iterator[Any] = (function for page in pages for function in page["Functions"])
    else:
        names = _names(place, region, stack)
        functions = (client.get_function_configuration(FunctionName=name) for name in names)
    for function in functions:
        yield function["FunctionName"], function.get("Environment", {}).get("Variables", {})


def _names(place: Place, region: str, stack: str) -> list[str]:
    client = place.client("cloudformation", region)
    pages = client.get_paginator("list_stack_resources").paginate(StackName=stack)
    try:
        return [
            resource["PhysicalResourceId"]
            for page in pages
            for resource in page["StackResourceSummaries"]
            if resource["ResourceType"] == "AWS::Lambda::Function" and resource.get("PhysicalResourceId")
        ]
    except client.exceptions.ClientError as error:
        if error.response["Error"]["Code"] == "ValidationError":  # what CloudFormation says of an unknown stack
            return []
        raise
