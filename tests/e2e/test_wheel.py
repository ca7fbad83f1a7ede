"""The built wheel, installed where nothing else is: every construct synthesizes with the code it needs."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
UV = os.environ.get("UV", str(ROOT / ".dev" / "uv" / "bin" / "uv"))

APP = """\
from constructs_lib import *
import aws_cdk as cdk

stack = cdk.Stack(app := cdk.App(), "Elsewhere", env=cdk.Environment(region="eu-north-1"))
work, undo, mail, take = (PythonFunction(stack, name, source="functions/work") for name in ("Work", "Undo", "Mail", "Take"))
SagaStateMachine(stack, "Order", steps=[SagaStep(name="Pay", action=work, compensation=undo)])
email = IsolatedDependencyStream(stack, "email", consumer=mail, calls=CallPolicy(), capacity=StreamCapacity.provisioned())
DependencyDashboard(stack, "Page", dependencies=[email])
cdk.Validations.of(app).add_plugins(DependencyIsolation())
IdempotentConsumer(stack, "Orders", consumer=take)
GlobalTable(stack, "Table", table_name="orders", partition_key="id", replica_regions=["eu-west-1"])
MultiRegionApi(stack, "Api").add_route("POST /orders", work)
app.synth()
"""

HANDLER = """\
from constructs_lib.runtime import stream_consumer

handle = stream_consumer(lambda record: None)
"""


@pytest.fixture(scope="module")
def bare_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter that has the wheel, its dependencies and nothing of this project."""
    place = tmp_path_factory.mktemp("wheel")
    build = [UV, "build", "--quiet", "--wheel", "--no-build-isolation", "--python", sys.executable]
    subprocess.run([*build, "--out-dir", str(place / "dist"), str(ROOT)], check=True)
    (wheel,) = (place / "dist").glob("*.whl")
    subprocess.run([UV, "venv", "--quiet", "--python", sys.executable, str(place / "env")], check=True)
    python = place / "env" / "bin" / "python"
    subprocess.run([UV, "pip", "install", "--quiet", "--python", str(python), f"{wheel}[node]"], check=True)
    return python


@pytest.mark.requirement("LIB-01")
def test_an_app_elsewhere_synthesizes_every_construct_from_the_wheel(bare_python: Path, tmp_path: Path) -> None:
    """Ten lines in an empty folder are enough; the functions' assets carry the runtime out of the wheel."""
    (tmp_path / "app.py").write_text(APP)
    (tmp_path / "functions" / "work").mkdir(parents=True)
    (tmp_path / "functions" / "work" / "handler.py").write_text(HANDLER)
    done = subprocess.run(
        [str(bare_python), "app.py"],
        cwd=tmp_path,
        # UV: bundling installs the runtime's packages with it, as `uv run` would tell; pip serves as well.
        env={"HOME": os.environ["HOME"], "PATH": "/usr/bin:/bin", "CDK_OUTDIR": str(tmp_path / "cdk.out"), "UV": UV},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    template = json.loads((tmp_path / "cdk.out" / "Elsewhere.template.json").read_text())
    types = {resource["Type"] for resource in template["Resources"].values()}
    assert {
        "AWS::StepFunctions::StateMachine",
        "AWS::Kinesis::Stream",
        "AWS::SQS::Queue",
        "AWS::DynamoDB::GlobalTable",
        "AWS::ApiGatewayV2::Api",
    } <= types
    assets = [folder for folder in (tmp_path / "cdk.out").glob("asset.*") if folder.is_dir()]
    with_own_code = [folder for folder in assets if (folder / "functions" / "work" / "handler.py").exists()]
    with_health = [
        folder for folder in assets if (folder / "constructs_lib/runtime/functions/health/handler.py").exists()
    ]
    assert with_own_code
    assert with_health
    for folder in assets:
        assert (folder / "constructs_lib" / "runtime" / "stream_consumer.py").exists()
        assert not (folder / "aws_lambda_powertools").exists()  # nothing there imports it
        assert not (folder / "constructs_lib" / "isolated_dependency_stream.py").exists()


def test_the_command_is_there(bare_python: Path) -> None:
    """`resilience` comes with the wheel and explains itself."""
    done = subprocess.run(
        [str(bare_python.with_name("resilience")), "--help"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "local" in done.stdout
