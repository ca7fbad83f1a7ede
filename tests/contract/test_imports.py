"""What importing the library costs and offers."""

import json
import subprocess
import sys

import pytest

PUBLIC = {
    "constructs_lib": [
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
        "StreamSource",
        "StronglyConsistentStore",
        "TenantThrottle",
        "grant_items",
    ],
    "constructs_lib.runtime": [
        "DependencyUnavailable",
        "Fold",
        "Inherent",
        "Insert",
        "Items",
        "Outside",
        "PermanentFailure",
        "Replace",
        "Send",
        "TenantThrottle",
        "TenantUnavailable",
        "Transact",
        "queue_consumer",
        "stream_consumer",
    ],
}


def modules_after(statement: str) -> set[str]:
    """Names of the modules that a fresh interpreter holds after *statement*."""
    program = f"{statement}\nimport json, sys; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


def test_importing_the_library_does_not_import_aws_cdk() -> None:
    """Functions import the runtime through the package, and neither have nor need aws_cdk there."""
    loaded = modules_after("import constructs_lib, constructs_lib.runtime")
    assert not loaded & {"aws_cdk", "jsii", "constructs", "boto3"}


@pytest.mark.parametrize("module", PUBLIC)
def test_the_public_names_are_there(module: str) -> None:
    """These names are promised; an app that imports one keeps working."""
    statement = f"from {module} import {', '.join(PUBLIC[module])}"
    assert module in modules_after(statement)


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    """A misspelt name is reported like any other, not as a puzzle about lazy loading."""
    program = "import constructs_lib; constructs_lib.IsolatedStream"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "AttributeError: module 'constructs_lib' has no attribute 'IsolatedStream'" in done.stderr
