"""Rule packs and validators: nothing found that is not mended, or acknowledged with a reason."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import app as alerting
from constructs_lib.testing.assembly import Assembly
from constructs_lib.testing.findings import findings

ROOT = Path(__file__).resolve().parents[2]
CONTEXT = json.loads((ROOT / "cdk.json").read_text())["context"]
DOMAIN = {"name": "alerts.example.com", "hosted_zone_id": "Z0123456789EXAMPLE", "hosted_zone_name": "example.com"}


@pytest.mark.requirement("SEC-01", "SEC-02")
@pytest.mark.parametrize("domain", [None, DOMAIN], ids=["without domain", "with domain"])
def test_the_rule_packs_find_nothing(domain: dict[str, str] | None, tmp_path: Path) -> None:
    """cdk-nag's AwsSolutions and Serverless packs have no finding left."""
    context = {
        **CONTEXT,
        "alerting": {**CONTEXT["alerting"], "domain": domain},
        "aws:cdk:bundling-stacks": [],
    }
    assert findings(alerting.build, output=tmp_path, context=context) == []


def test_cfn_lint_finds_nothing(cdk_app: Assembly) -> None:
    """cfn-lint accepts every template; W3005 is left out, because CDK always writes the dependencies it means."""
    templates = sorted(str(path) for path in cdk_app.directory.glob("*.template.json"))
    done = subprocess.run(
        [str(Path(sys.executable).parent / "cfn-lint"), "-i", "W3005", "--", *templates],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
