"""What a function loads and brings along before it does anything: as little as it can."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from constructs_lib._bundle import collect
from constructs_lib._imports import modules_imported
from tests.benchmarks import answering_store
from tests.benchmarks.bench_cold_start import ENVIRONMENT, QUEUED, RUN
from tests.unit.runtime.events import envelope, kinesis_event

# A stream's consumer goes on as long as it may where its stores answer nonsense.
SECONDS = "4"
ROOT = Path(__file__).parents[2]
HEAVY = {"aws_cdk", "aws_xray_sdk", "boto3", "jsii", "pydantic", "s3transfer"}
FUNCTIONS = sorted(
    folder.parent
    for home in ("lambdas", "constructs_lib/runtime/functions")
    for folder in (ROOT / home).glob("*/handler.py")
)


def loaded(program: str, *arguments: str, **environment: str) -> set[str]:
    """Top-level modules that a fresh interpreter holds at the end of *program*."""
    tail = "\nimport json, sys; print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    done = subprocess.run(
        [sys.executable, "-c", program + tail, *arguments],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.fixture(scope="module")
def store() -> Iterator[str]:
    """URL of something that answers whatever it is asked."""
    with answering_store.running() as (url, _):
        yield url


def test_importing_the_runtime_loads_nothing_heavy() -> None:
    """Names for failures and records cost no SDK."""
    assert not loaded("from constructs_lib.runtime import *") & (HEAVY | {"aws_lambda_powertools", "botocore"})


@pytest.mark.parametrize(
    ("function", "event"),
    [("light", QUEUED), ("stream", kinesis_event([envelope().to_json()]))],
    ids=["queue", "stream"],
)
def test_the_first_event_of_a_light_consumer_loads_nothing_heavy(function: str, event: object, store: str) -> None:
    """What calls the stores is botocore, what logs and counts is our own: neither boto3 nor Powertools nor their like."""
    handler = f"tests.benchmarks.functions.{function}.handler"
    names = loaded(RUN, handler, json.dumps(event), SECONDS, **ENVIRONMENT, AWS_ENDPOINT_URL=store)
    assert "botocore" in names
    assert not names & (HEAVY | {"aws_lambda_powertools"})


@pytest.mark.parametrize("folder", FUNCTIONS, ids=lambda folder: folder.name)
def test_no_function_brings_or_loads_anything_heavy(folder: Path) -> None:
    """No asset holds boto3, pydantic or X-Ray's SDK, and no import statement of its code names them."""
    bundle = collect(folder)
    packages = {name.replace("-", "_") for lock in bundle.locks for name in lock.versions}
    assert not packages & HEAVY
    named = modules_imported(bundle.handler.removesuffix(".handle"), bundle.files)
    assert not {name.partition(".")[0] for name in named} & HEAVY


def test_powertools_is_bundled_only_where_it_is_used() -> None:
    """It is the largest thing in a bundle."""
    with_it = {
        folder.name
        for folder in FUNCTIONS
        if any("aws-lambda-powertools" in lock.versions for lock in collect(folder).locks)
    }
    loading = {
        folder.name
        for folder in FUNCTIONS
        if "aws_lambda_powertools" in loaded(f"import {collect(folder).handler.removesuffix('.handle')}")
    }
    assert with_it == loading
