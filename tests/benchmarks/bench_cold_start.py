"""From the start of the process to the first answer of a store, against Powertools' full stack for the same job.

Both sides run as Lambda runs them: a fresh interpreter that keeps no bytecode it makes, botocore with bytecode from the
same place, the store on the loopback interface. The time ends where the store has answered the first call.

Who has bytecode decides much, so each row says it. *As bundled*: ours has it, as the bundle brings it where synth runs on
the function's Python; the baseline has none that serves, for what pip makes is stale once a zip has given the files another
date (serverless/serverless issue 13889). *Both with bytecode* and *both without* are what they say; without is what the
bundle brings where synth runs on another Python.
"""

import io
import json
import os
import shutil
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
import zipfile
from collections.abc import Callable, Mapping, Sequence
from compileall import compile_dir
from dataclasses import dataclass
from importlib.util import MAGIC_NUMBER
from pathlib import Path
from py_compile import PycInvalidationMode
from typing import Any
from unittest import mock

from constructs_lib._bundle import collect
from tests.benchmarks import answering_store
from tests.benchmarks.result import Figure
from tests.unit.lambdas.alerting import command
from tests.unit.runtime.events import envelope, kinesis_event, sqs_event

ROUNDS = 9
TARGET = 0.35

# Powertools with its parser, pydantic and an HTTP client, as installed for Lambda, without bytecode and with it.
BASELINE_ZIP_KB = {False: 4_300, True: 7_100}
ZIP_TARGET = 0.1

# What the baseline's function brings along; everything else is there for both.
BASELINE_PACKAGES = (
    "aws_lambda_powertools",
    "aws_xray_sdk",
    "wrapt",
    "pydantic",
    "pydantic_core",
    "annotated_types",
    "typing_inspection",
    "typing_extensions.py",
)

ROOT = Path(__file__).parents[2]
FUNCTIONS = ROOT / "tests/benchmarks/functions"

# What Lambda's own bootstrap does with a handler, without the rest of it.
RUN = """
import importlib, json, sys, time

ends = time.monotonic() + float(sys.argv[3])

class Context:
    aws_request_id = "request-1"
    function_name = memory_limit_in_mb = "function"
    invoked_function_arn = "arn:aws:lambda:eu-west-1:123456789012:function:function"
    def get_remaining_time_in_millis(self): return int(1000 * (ends - time.monotonic()))

importlib.import_module(sys.argv[1]).handle(json.loads(sys.argv[2]), Context())
"""

ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_REGION": "eu-west-1",
    "AWS_DEFAULT_REGION": "eu-west-1",
    "AWS_LAMBDA_FUNCTION_NAME": "function",
    "LAMBDA_TASK_ROOT": "/var/task",  # Powertools' tracer is idle without it
    "_X_AMZN_TRACE_ID": "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1",
    "POWERTOOLS_SERVICE_NAME": "function",
    "POWERTOOLS_METRICS_NAMESPACE": "Resilience",
    "RESILIENCE_QUEUE_URL": "https://sqs.eu-west-1.amazonaws.com/123456789012/queue",
    "RESILIENCE_MAX_RECEIVE_COUNT": "5",
    "RESILIENCE_QUEUE_RETENTION_SECONDS": "345600",
    "RESILIENCE_DEAD_LETTER_QUEUE_URL": "https://sqs.eu-west-1.amazonaws.com/123456789012/dead",
    "RESILIENCE_IDEMPOTENCY_TABLE": "done",
    "RESILIENCE_REMEMBER_SECONDS": "86400",
    "RESILIENCE_DEPENDENCY": "slack",
    "RESILIENCE_QUARANTINE_BUCKET": "quarantine",
    "RESILIENCE_STATE_TABLE": "state",
    "RESILIENCE_HOLD_SECONDS": "3600",
    "ALERTS_TABLE": "alerts",
    "TENANTS_TABLE": "tenants",
    "SLACK_TOKENS_SECRET": "slack",
    "STREAMS": "{}",
    "ESCALATION_ARN": "arn:aws:states:eu-west-1:123456789012:stateMachine:escalation",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One function, and the event it starts with."""

    what: str
    source: Path
    event: Mapping[str, Any]


QUEUED = sqs_event([envelope().to_json()])
BASELINE = Case(what="Powertools", source=FUNCTIONS / "powertools", event=QUEUED)
LIGHT = Case(what="the lightest queue consumer", source=FUNCTIONS / "light", event=QUEUED)
OURS = (
    LIGHT,
    Case(
        what="the lightest stream consumer",
        source=FUNCTIONS / "stream",
        event=kinesis_event([envelope().to_json()]),
    ),
    Case(
        what="notify_slack, whole",
        source=ROOT / "lambdas/notify_slack",
        event=kinesis_event([envelope("a1", key="a1", body=command().to_body()).to_json()]),
    ),
    Case(what="process_event, whole", source=ROOT / "lambdas/process_event", event=QUEUED),
    Case(what="alert_actions, whole", source=ROOT / "lambdas/alert_actions", event=QUEUED),
)


AS_BUNDLED, BOTH_WITH, BOTH_WITHOUT = (True, False), (True, True), (False, False)
MODES = {AS_BUNDLED: "as bundled", BOTH_WITH: "both with bytecode", BOTH_WITHOUT: "both without bytecode"}
COMPARED = (
    (OURS[0], AS_BUNDLED),
    (OURS[0], BOTH_WITH),
    (OURS[0], BOTH_WITHOUT),
    (OURS[1], AS_BUNDLED),
    (OURS[1], BOTH_WITH),
    *((case, AS_BUNDLED) for case in OURS[2:]),
)


def measure() -> Sequence[Figure]:
    """Weigh the bundles, and start each of ours and the baseline in turn."""
    figures = [weight(case, bytecode=bytecode) for case in OURS for bytecode in (False, True)]
    with tempfile.TemporaryDirectory() as folder, answering_store.running() as (url, first):
        unpacked = {
            (case.what, bytecode): unpack(case, Path(folder) / f"{index}-{bytecode}", bytecode=bytecode)
            for index, case in enumerate((BASELINE, *OURS))
            for bytecode in (False, True)
        }
        for case, mode in COMPARED:
            pair = [
                (unpacked[each.what, bytecode], each.event)
                for each, bytecode in zip((case, BASELINE), mode, strict=True)
            ]
            runs = [tuple(seconds(made, event, url, first) for made, event in pair) for _ in range(ROUNDS + 1)]
            figures += times(f"{case.what}, {MODES[mode]}", runs[1:])
    return figures


def times(what: str, pairs: Sequence[tuple[float, ...]]) -> list[Figure]:
    """What the pairs of runs say: the median of their ratios, and milliseconds."""
    ours, baseline = (round(statistics.median(run) * 1000) for run in zip(*pairs, strict=True))
    ratio = round(statistics.median(one / other for one, other in pairs), 3)
    return [
        Figure(what=f"{what}: cold start (median ratio of {ROUNDS} pairs)", ours=ratio, baseline=1, target=TARGET),
        Figure(what=f"{what}: cold start, ms", ours=ours, baseline=baseline),
    ]


def weight(case: Case, *, bytecode: bool) -> Figure:
    """What the zip of *case* weighs; only the lightest has a target."""
    with tempfile.TemporaryDirectory() as folder:
        bundled(case, Path(folder), bytecode=bytecode)
        kilobytes = zipped(Path(folder)) / 1000
    target = ZIP_TARGET if case is LIGHT else None
    return Figure(
        what=f"{case.what}, {'with' if bytecode else 'without'} bytecode: bundle_size, zip in kB",
        ours=round(kilobytes),
        baseline=BASELINE_ZIP_KB[bytecode],
        target=target,
        counted=target is not None,
    )


def zipped(folder: Path) -> int:
    """Bytes of *folder* as a zip."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, path.relative_to(folder))
    return len(buffer.getvalue())


def bundled(case: Case, target: Path, *, bytecode: bool) -> str:
    """Write the asset of *case* as if functions ran on this Python, or on another; return the handler's module."""
    with mock.patch("constructs_lib._bytecode.kind", return_value=MAGIC_NUMBER.hex() if bytecode else ""):
        bundle = collect(case.source)
        bundle.write(target)
    return bundle.handler.removesuffix(".handle")


def unpack(case: Case, target: Path, *, bytecode: bool) -> tuple[Path, str]:
    """Make the folder that *case* runs from."""
    target.mkdir()
    if case is not BASELINE:
        return target, bundled(case, target, bytecode=bytecode)
    shutil.copytree(case.source, target / "function")
    for name in BASELINE_PACKAGES:
        package = Path(sysconfig.get_path("purelib")) / name
        copy = shutil.copytree if package.is_dir() else shutil.copy
        copy(package, target / name)
    for cache in list(target.rglob("__pycache__")):
        shutil.rmtree(cache)
    if bytecode:
        compile_dir(target, quiet=1, invalidation_mode=PycInvalidationMode.UNCHECKED_HASH)
    return target, "function.handler"


def seconds(made: tuple[Path, str], event: Mapping[str, Any], url: str, first: Callable[[str], float]) -> float:
    """Time from the start of a fresh interpreter that handles *event* to the store's first answer."""
    folder, module = made
    below = f"/{time.monotonic_ns()}"
    environment = {
        **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
        **ENVIRONMENT,
        "AWS_ENDPOINT_URL": url + below,
        "PYTHONPATH": os.pathsep.join((str(folder), sysconfig.get_path("purelib"))),
        "PYTHONDONTWRITEBYTECODE": "1",  # the code's folder is read-only on Lambda
    }
    command = [sys.executable, "-c", RUN, module, json.dumps(event), "30"]
    started = time.monotonic()
    # Started in its folder, for the current directory comes before all others when modules are looked for.
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            return first(below) - started
        finally:
            process.kill()
