"""The local cloud of a test run: started once, told about in the words of pytest."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from constructs_lib.local.cloud import LocalCloud
    from constructs_lib.local.faults.control import FaultControl

# boto3 comes with the extra, and botocore with boto3.
_OF_THE_EXTRA = ("boto3", "botocore")


@contextmanager
def running(app: str, *, directory: Path, work_directory: Path, options: Mapping[str, Any]) -> "Iterator[LocalCloud]":
    """The app, deployed to AWS on this machine, for as long as the block lasts.

    What is under way is printed, which pytest shows with `-s`, or when starting fails.

    Args:
        app: What runs the app.
        directory: Where it runs.
        work_directory: Where the local cloud keeps its state and logs.
        options: More keyword arguments of `LocalCloud`, which win over the three above.

    Raises:
        pytest.fail.Exception: If the extra `local` is not installed, or the app cannot be run; the message says which.
    """
    try:
        from constructs_lib.local.cloud import LocalCloud  # noqa: PLC0415 - needs an extra
        from constructs_lib.local.errors import LocalCloudError  # noqa: PLC0415 - as above
    except ModuleNotFoundError as error:
        if error.name not in _OF_THE_EXTRA:
            raise
        pytest.fail(f"local_cloud needs {error.name}; install constructs-lib[local,testing].", pytrace=False)
    given = {"app": app, "directory": directory, "work_directory": work_directory, "port": 0, "progress": print}
    with ExitStack() as stack:
        try:
            cloud = stack.enter_context(LocalCloud(**{**given, **options}))
        except LocalCloudError as error:
            pytest.fail(f"The local cloud did not start: {error}", pytrace=False)
        yield cloud


@contextmanager
def restored(cloud: "FaultControl") -> "Iterator[FaultControl]":
    """*cloud*, to be broken for as long as the block lasts: what began in it ends with it, the latest first."""
    before = cloud.faults()
    try:
        yield cloud
    finally:
        for fault_id in reversed(cloud.faults()):
            if fault_id not in before:
                cloud.clear(fault_id)
