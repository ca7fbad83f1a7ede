import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from constructs_lib import cli
from constructs_lib.cli import local
from constructs_lib.local import cloud, running
from constructs_lib.local.errors import LocalCloudError
from constructs_lib.local.faults.active import Faults
from constructs_lib.local.faults.api import FaultsApi
from constructs_lib.local.faults.model import (
    Fault,
    FunctionFault,
    OperationFault,
    Partition,
    PoisonRecord,
    RegionLost,
    ThirdParty,
)


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("signal.signal", lambda *_: None)


def refuse(**_: Any) -> Any:
    raise LocalCloudError("Port 4566 is in use.")


def test_an_error_is_a_sentence_and_a_status(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A user never reads a stack trace for something that can go wrong."""
    monkeypatch.setattr(cloud, "LocalCloud", refuse)

    assert cli.main(["local", "up"]) == 1
    assert capsys.readouterr().err == "Port 4566 is in use.\n"


def test_options_reach_the_local_cloud(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is given on the command line is what the app is run with."""
    given: dict[str, Any] = {}

    def interrupt(**options: Any) -> Any:
        given.update(options)
        raise KeyboardInterrupt

    monkeypatch.setattr(cloud, "LocalCloud", interrupt)
    arguments = [
        "--app",
        "python app.py",
        "-c",
        "target=local",
        "--context",
        "url=http://a?b=c",
        "--region",
        "eu-west-1",
    ]

    assert cli.main(["local", "up", *arguments, "--port", "4777"]) == 130

    assert given["app"] == "python app.py"
    assert given["context"] == {"target": "local", "url": "http://a?b=c"}
    assert given["region"] == "eu-west-1"
    assert given["port"] == 4777


def test_a_context_value_without_a_key_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """The message shows what was given and the form it should have."""
    with pytest.raises(SystemExit):
        cli.main(["local", "up", "-c", "target"])

    assert "'target' is not KEY=VALUE" in capsys.readouterr().err


def test_the_report_is_that_of_the_cloud_on_the_port(capsys: pytest.CaptureFixture[str]) -> None:
    """Each local cloud has its own report; where none ran, one sentence says so."""
    folder = running.default_work_directory(4777)
    folder.mkdir(parents=True)
    running.save_report(folder, ["Left out:", "  a thing"])

    assert cli.main(["local", "report", "--port", "4777"]) == 0
    assert capsys.readouterr().out == "Left out:\n  a thing\n"
    assert cli.main(["local", "report"]) == 1
    assert "No app has run" in capsys.readouterr().err


def test_logs_without_a_cloud_say_how_to_start_one(capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody has to guess why there are no logs."""
    assert cli.main(["local", "logs", "ingest"]) == 1
    assert "resilience local up" in capsys.readouterr().err


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Installed without what the local cloud needs, the command says what to install."""

    def missing(_options: Any) -> None:
        raise ModuleNotFoundError(name="boto3")

    monkeypatch.setattr(local, "_up", missing)

    assert cli.main(["local", "up"]) == 1
    assert "constructs-lib[local]" in capsys.readouterr().err


def test_every_command_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    """--help names every option with its default."""
    with pytest.raises(SystemExit):
        cli.main(["local", "up", "--help"])

    text = capsys.readouterr().out
    assert all(option in text for option in ("--app", "--context", "--region", "--port", "default: 4566"))


def test_the_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    """What is installed can be told."""
    with pytest.raises(SystemExit):
        cli.main(["--version"])

    assert capsys.readouterr().out.startswith("resilience 0.")


@pytest.fixture
def faults() -> Iterator[Faults]:
    """The faults of a local cloud that runs on port 4566."""
    one = Faults(("us-east-1", "eu-west-1"), lambda _: None)
    api = FaultsApi(one, lambda: STATUS | {"faults": one.listed()})
    folder = running.default_work_directory(4566)
    folder.mkdir(parents=True)
    running.announce(
        folder, running.Running(endpoint_url=f"http://127.0.0.1:{api.port}", account="000000000000", regions=())
    )
    api.start()
    yield one
    api.stop()


STATUS: dict[str, Any] = {
    "endpoint_url": "http://127.0.0.1:4566",
    "account": "000000000000",
    "regions": [{"name": "eu-west-1", "lost": False, "home": True}],
    "stacks": [],
    "mappings": [],
    "queues": [],
    "tables": [],
    "route53": None,
    "third_parties": [],
}


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (["region", "eu-west-1"], RegionLost(region="eu-west-1")),
        (["partition", "eu-west-1", "us-east-1"], Partition(regions=frozenset({"us-east-1", "eu-west-1"}))),
        (
            ["operation", "dynamodb", "PutItem", "slow", "--by", "2", "--region", "eu-west-1"],
            OperationFault(region="eu-west-1", service="dynamodb", operation="PutItem", mode="slow", by=2.0),
        ),
        (["operation", "sqs", "*", "failed"], OperationFault(service="sqs", mode="failed")),
        (["function", "Notify", "crash", "--after", "0.5"], FunctionFault(function="Notify", mode="crash", after=0.5)),
        (
            ["third-party", "*.slack.com", "throttled", "--retry-after", "7"],
            ThirdParty(where="*.slack.com", mode="throttled", retry_after=7.0),
        ),
        (["record", "orders", "--region", "us-east-1"], PoisonRecord(where="orders", region="us-east-1")),
    ],
)
def test_a_fault_is_begun_and_ended_by_the_id_it_prints(
    faults: Faults, capsys: pytest.CaptureFixture[str], arguments: list[str], fault: Fault
) -> None:
    """What the command says is what is broken."""
    assert cli.main(["fault", "start", *arguments]) == 0
    fault_id = capsys.readouterr().out.strip()
    assert faults.now() == {fault_id: fault}

    assert cli.main(["fault", "list"]) == 0
    assert f'"id": "{fault_id}"' in capsys.readouterr().out
    assert cli.main(["fault", "stop", fault_id]) == 0
    assert faults.now() == {}


def test_a_plan_is_carried_out_on_the_running_cloud(
    faults: Faults, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """What begins and ends is said; a drill's plan will do."""
    plan = tmp_path / "outage.toml"
    plan.write_text('[[fault]]\nkind = "region"\nregion = "eu-west-1"\nat = "0s"\nfor = "1ms"\n[load]\n')

    assert cli.main(["fault", "run", str(plan)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert [line.partition("s  ")[2] for line in said] == ["region eu-west-1 lost begins", "region eu-west-1 lost ends"]
    assert faults.now() == {}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('[[fault]]\nkind = "region"\nregion = "mars-1"\nat = "0s"\nfor = "1ms"\n', "Nothing runs in mars-1"),
        ('[[fault]]\nkind = "meteor"\n', "outage [[fault]] 1: 'kind' is 'meteor'"),
        (None, "outage.toml cannot be read"),
    ],
)
def test_a_plan_that_cannot_be_carried_out_is_a_sentence(
    faults: Faults, capsys: pytest.CaptureFixture[str], tmp_path: Path, text: str | None, sentence: str
) -> None:
    """Whether it is the plan, or what it names."""
    plan = tmp_path / "outage.toml"
    if text:
        plan.write_text(text)

    assert cli.main(["fault", "run", str(plan)]) == 1
    assert sentence in capsys.readouterr().err


def test_all_faults_end_with_one_command(faults: Faults) -> None:
    """Nobody has to look for ids."""
    faults.inject(RegionLost(region="eu-west-1"))
    faults.inject(RegionLost(region="us-east-1"))

    assert cli.main(["fault", "stop", "--all"]) == 0
    assert faults.now() == {}


def test_a_fault_of_what_is_not_there_is_a_sentence(faults: Faults, capsys: pytest.CaptureFixture[str]) -> None:
    """The refusal of the local cloud is what the user reads."""
    assert cli.main(["fault", "start", "region", "mars-1"]) == 1
    assert capsys.readouterr().err == "Nothing runs in mars-1; there are us-east-1, eu-west-1.\n"


def test_status_is_text_or_json(faults: Faults, capsys: pytest.CaptureFixture[str]) -> None:
    """For a person, and for a program."""
    assert cli.main(["local", "status"]) == 0
    shown = capsys.readouterr().out
    assert "  eu-west-1  up  (home)\n" in shown
    assert "circuits in eu-west-1 cannot be read: " in shown
    assert cli.main(["local", "status", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    circuits = told.pop("circuits")
    assert told == STATUS | {"faults": []}
    # Nothing but the control API answers here: the rest is told all the same.
    assert [each["region"] for each in circuits] == ["eu-west-1"]


def test_a_cloud_that_was_killed_does_not_answer(capsys: pytest.CaptureFixture[str]) -> None:
    """Word of it may be left; then one sentence says that nobody is there."""
    folder = running.default_work_directory(4566)
    folder.mkdir(parents=True)
    running.announce(folder, running.Running(endpoint_url="http://127.0.0.1:1", account="0", regions=()))

    assert cli.main(["fault", "list"]) == 1
    assert "http://127.0.0.1:1/_resilience does not answer" in capsys.readouterr().err
