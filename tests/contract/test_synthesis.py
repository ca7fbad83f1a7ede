"""`python app.py`: deterministic, whoever runs it and wherever, and plain about a wrong configuration."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk.assertions import Template

import app as alerting_app
from configuration import ConfigurationError
from constructs_lib.testing.assembly import Assembly, SynthesisError, synthesize

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("app.py", "configuration.py", "cdk.json", "constructs_lib", "lambdas")


def alerting(**changes: object) -> dict[str, object]:
    """Context with *changes* to what cdk.json says under `alerting`."""
    given: dict[str, Any] = json.loads((ROOT / "cdk.json").read_text())["context"]["alerting"]
    return {"alerting": given | changes, "aws:cdk:bundling-stacks": []}


@pytest.mark.requirement("LIB-02")
def test_templates_do_not_depend_on_place_or_person(cdk_app: Assembly, tmp_path: Path) -> None:
    """A copy of the project elsewhere, run by somebody with another home and locale, writes the same bytes."""
    elsewhere = tmp_path / "somewhere else" / "copy"
    for part in PARTS:
        source = ROOT / part
        copy = shutil.copytree if source.is_dir() else shutil.copy2
        elsewhere.mkdir(parents=True, exist_ok=True)
        copy(source, elsewhere / part)
    home = tmp_path / "home"
    home.mkdir()
    output = tmp_path / "cdk.out"
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "USER": "somebody", "CDK_OUTDIR": str(output)}
    # Caches of packages and of aws_cdk's own code: filling another one would only cost time.
    environment["JSII_RUNTIME_PACKAGE_CACHE_ROOT"] = str(Path.home() / ".cache" / "aws" / "jsii" / "package-cache")
    environment["XDG_CACHE_HOME"] = os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache"))
    done = subprocess.run(
        [sys.executable, str(elsewhere / "app.py")], cwd=tmp_path, env=environment, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    again = {path.name: path.read_bytes() for path in output.glob("*.template.json")}
    first = {path.name: path.read_bytes() for path in cdk_app.directory.glob("*.template.json")}
    assert again == first


@pytest.mark.requirement("LIB-03", "MRG-26")
def test_regions_are_configuration_only(tmp_path: Path) -> None:
    """A third region in cdk.json adds one stack and one replica per table, and touches nothing else."""
    regions = ["us-east-1", "eu-west-1"]
    two = synthesize("python app.py", directory=ROOT, output=tmp_path / "two", context=alerting(regions=regions))
    three = synthesize(
        "python app.py", directory=ROOT, output=tmp_path / "three", context=alerting(regions=[*regions, "eu-north-1"])
    )
    assert three.templates.keys() - two.templates.keys() == {"Alerting-eu-north-1"}
    for region in regions:
        assert three.templates[f"Alerting-{region}"] == two.templates[f"Alerting-{region}"]
    before, after = (each.templates["Alerting-Global"]["Resources"] for each in (two, three))
    for name, resource in before.items():
        if resource["Type"] != "AWS::DynamoDB::GlobalTable":
            assert after[name] == resource
        else:
            added = [each for each in after[name]["Properties"]["Replicas"] if each["Region"] == "eu-north-1"]
            assert len(added) == 1
            after[name]["Properties"]["Replicas"].remove(added[0])
            assert after[name] == resource


@pytest.mark.requirement("LIB-04")
@pytest.mark.parametrize(
    ("context", "sentence"),
    [
        (alerting(regions=["mars-north-1"]), "alerting.regions[0] must be one of af-south-1, "),
        (alerting(regions=["us-east-1", "us-east-1"]), "alerting.regions[1] names 'us-east-1' a second time"),
        (alerting(regions=[]), "alerting.regions is empty"),
        (alerting(dependencies=["pager"]), "alerting.dependencies[0] must be one of slack, teams; got 'pager'"),
        (alerting(domain={"name": "alerts.example.com"}), "alerting.domain must be null or hold exactly hosted_zone"),
        (
            alerting(domain={"name": "a.example.org", "hosted_zone_id": "Z1", "hosted_zone_name": "example.com"}),
            "alerting.domain: ",
        ),
        (alerting() | {"alerting.domain": "alerts.example.com"}, "alerting.domain must be JSON on the command line"),
        (alerting(escalation_wait_minutes=0), "escalation_wait_minutes must be a whole number from 1, got 0"),
        (alerting(reserved_concurrency={"ingest": "many", "health": 5}), "ingest must be a whole number from 1"),
        (alerting(tenant_limits={"rate": 5}), "alerting.tenant_limits must be one of burst, rate_per_second, sideline"),
        (alerting(tenant_limits={"burst": 0}), "alerting.tenant_limits.burst must be a whole number from 1, got 0"),
        (alerting(tenant_limits={"sideline_above": 50}), "must have sideline_above below rate_per_second and that not"),
        (alerting(tenant_limits={"rate_per_second": 6000}), "got sideline_above 10, rate_per_second 6000, burst 5000"),
        (alerting() | {"alerting.tenant_limits": "few"}, "alerting.tenant_limits must be JSON on the command line"),
        (alerting() | {"target": "moon"}, "target must be one of aws, local; got 'moon'"),
        (
            alerting() | {"target": "local", "standins": "http://standins.example.com"},
            "standins must be an address on 127.0.0.1",
        ),
    ],
)
def test_a_wrong_configuration_names_key_and_value(context: dict[str, object], sentence: str) -> None:
    """The error says what was given and what is allowed."""
    with pytest.raises(ConfigurationError, match=re.escape(sentence)):
        alerting_app.build(cdk.App(context=context))


def test_a_new_account_need_not_reserve_concurrency() -> None:
    """AWS refuses any reservation that would leave an account fewer than a hundred invocations."""
    for context in (alerting(reserved_concurrency=None), alerting(reserved_concurrency={"ingest": None})):
        app = cdk.App(context=context)
        alerting_app.build(app)
        template = Template.from_stack(app.node.find_child("Alerting-us-east-1"))  # type: ignore[arg-type]  # a stack
        functions = template.find_resources("AWS::Lambda::Function").values()
        assert [each for each in functions if "ReservedConcurrentExecutions" in each["Properties"]] == []


def test_a_domain_can_be_given_for_one_run() -> None:
    """The command line gives text only."""
    domain = {"name": "alerts.example.com", "hosted_zone_id": "Z0123456789ABC", "hosted_zone_name": "example.com"}
    app = cdk.App(context=alerting() | {"alerting.domain": json.dumps(domain)})
    alerting_app.build(app)
    template = Template.from_stack(app.node.find_child("Alerting-us-east-1"))  # type: ignore[arg-type]  # a stack
    template.has_resource_properties("AWS::ApiGatewayV2::DomainName", {"DomainName": "alerts.example.com"})


def test_a_wrong_configuration_is_no_stack_trace(tmp_path: Path) -> None:
    """Whoever runs the app reads one sentence."""
    with pytest.raises(SynthesisError) as refusal:
        synthesize("python app.py", directory=ROOT, output=tmp_path, context=alerting(regions=[]))
    assert "cdk.json: alerting.regions is empty" in str(refusal.value)
    assert "Traceback" not in str(refusal.value)


def test_the_real_providers_are_the_default(cdk_app: Assembly) -> None:
    """Without a target no template names an address on this machine."""
    assert not [name for name, template in cdk_app.templates.items() if "127.0.0.1" in json.dumps(template)]
