"""What cdk-nag says about an app: the checks that every construct must pass."""

import json
from pathlib import Path

import aws_cdk as cdk
import cdk_nag

# Without it, synth itself raises at the first finding and the report is not to be had.
COLLECT = {"@aws-cdk/core:failSynthOnValidationErrors": False, "aws:cdk:bundling-stacks": []}


def app_for_findings(outdir: Path) -> cdk.App:
    """An app whose findings can be collected with `findings`; functions in it are not bundled."""
    return cdk.App(outdir=str(outdir), context=COLLECT)


def findings(app: cdk.App) -> list[str]:
    """Everything AwsSolutions and Serverless find in *app* that nobody acknowledged, warnings included."""
    cdk.Validations.of(app).add_plugins(cdk_nag.AwsSolutionsChecks(app), cdk_nag.ServerlessChecks(app))
    report = json.loads(Path(app.synth().directory, "validation-report.json").read_text(encoding="utf-8"))
    return [
        f"{violation['ruleName']} at {construct['constructPath']}: {violation['description']}"
        for plugin in report["pluginReports"]
        for violation in plugin["violations"]
        for construct in violation["violatingConstructs"]
    ]
