"""Clients: botocore's own, made late and without detours."""

import gc
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any, get_args

import pytest
from botocore.session import Session

from constructs_lib.runtime import clients
from constructs_lib.runtime.clients import PROMPT, QUICK, Service, client


@pytest.fixture(autouse=True)
def _region(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")


@pytest.mark.parametrize("service", get_args(Service))
def test_a_client_is_the_one_botocore_makes(service: Service) -> None:
    """Operations, endpoint, signature and time limits are those of a client of a session that nobody touched."""
    ours: Any = client(service)
    stock: Any = Session().create_client(service, config=QUICK)
    assert ours.meta.endpoint_url == stock.meta.endpoint_url
    assert ours.meta.service_model.operation_names == stock.meta.service_model.operation_names
    assert ours.meta.service_model.api_version == stock.meta.service_model.api_version
    assert ours.meta.config.signature_version == stock.meta.config.signature_version
    assert ours.meta.config.read_timeout == stock.meta.config.read_timeout == 2
    assert ours.meta.config.retries == stock.meta.config.retries


def test_a_client_that_nobody_uses_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Making one makes no session and reads no file; where no region is set, its first use says so, not its making."""
    monkeypatch.setattr(clients, "_session", lambda: pytest.fail("made too early"))
    client("s3", PROMPT)


def test_a_client_is_made_once_though_many_threads_want_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Handlers run side by side; whoever comes first makes the client for all."""
    made: list[str] = []

    class Counting(Session):
        def create_client(self, *args: Any, **options: Any) -> Any:
            made.append(args[0])
            return super().create_client(*args, **options)

    session = Counting()
    monkeypatch.setattr(clients, "_session", lambda: session)
    shared = client("dynamodb")
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(lambda _: id(shared.meta), range(32)))) == 1
    assert made == ["dynamodb"]


@pytest.mark.parametrize("on", [True, False])
def test_making_a_client_leaves_the_collector_as_it_was(on: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """It pauses while models are read, also where that fails."""
    monkeypatch.setattr(clients, "_session", lambda: pytest.fail("no session"))
    made = client("dynamodb")
    (gc.enable if on else gc.disable)()
    try:
        with pytest.raises(pytest.fail.Exception):
            made.get_item(TableName="t", Key={})
        assert gc.isenabled() == on
    finally:
        gc.enable()


def test_clients_share_a_session() -> None:
    """What all services have in common is read once."""
    program = (
        "import json, sys, botocore.loaders as loaders\n"
        "read, real = [], loaders.JSONFileLoader.load_file\n"
        "def noted(self, path):\n"
        "    data = real(self, path)\n"
        "    if data is not None: read.append(path.replace('\\\\', '/').rpartition('/')[2])\n"
        "    return data\n"
        "loaders.JSONFileLoader.load_file = noted\n"
        "from constructs_lib.runtime.clients import client\n"
        "for service in ('dynamodb', 'sqs', 'kinesis'): client(service).meta\n"
        "print(json.dumps([read.count('endpoints'), read.count('service-2'), 'boto3' in sys.modules]))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [1, 3, False]
