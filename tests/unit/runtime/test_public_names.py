import json
import subprocess
import sys

import pytest

PROGRAM = """
import json, sys
{statement}
heavy = [name for name in ("aws_cdk", "jsii", "boto3", "botocore", "aws_lambda_powertools") if name in sys.modules]
print(json.dumps(heavy))
"""


def _heavy_modules_after(statement: str) -> list[str]:
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(statement=statement)], capture_output=True, text=True, check=True
    )
    heavy: list[str] = json.loads(run.stdout)
    return heavy


@pytest.mark.parametrize(
    "statement",
    [
        "import constructs_lib.runtime",
        "from constructs_lib.runtime import DependencyUnavailable, PermanentFailure, TenantUnavailable",
        "from constructs_lib.runtime import queue_consumer, stream_consumer",
        "from constructs_lib.runtime.envelope import Envelope",
    ],
)
def test_importing_the_runtime_is_cheap(statement: str) -> None:
    """Code that only names a failure or writes an envelope pays neither for CDK nor for an SDK."""
    assert _heavy_modules_after(statement) == []


def test_a_consumer_never_loads_cdk() -> None:
    """A function that consumes runs where there is no CDK."""
    statement = "from constructs_lib.runtime import *; queue_consumer(print); stream_consumer(print)"
    assert "aws_cdk" not in _heavy_modules_after(statement)
    assert "jsii" not in _heavy_modules_after(statement)


def test_names_are_functions_whatever_was_imported_before() -> None:
    """The consumers share their names with their modules; the package always answers with the functions."""
    statement = (
        "import constructs_lib.runtime.stream_consumer, constructs_lib.runtime.queue_consumer\n"
        "from constructs_lib.runtime import stream_consumer, queue_consumer\n"
        "assert callable(stream_consumer) and callable(queue_consumer)"
    )
    _heavy_modules_after(statement)


def test_making_a_consumer_reads_no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """A handler module can be imported where none of its settings exist; they are read on the first event."""
    from constructs_lib.runtime import queue_consumer, stream_consumer
    from constructs_lib.runtime.settings import SettingError
    from tests.unit.runtime.fakes import FakeContext

    for name in ("RESILIENCE_DEPENDENCY", "RESILIENCE_DEAD_LETTER_QUEUE_URL", "POWERTOOLS_SERVICE_NAME"):
        monkeypatch.delenv(name, raising=False)
    for consumer in (queue_consumer, stream_consumer):
        handle = consumer(print)
        with pytest.raises(SettingError):
            handle({"Records": []}, FakeContext())
