"""What the rule packs and CDK's own validation say about an app."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import aws_cdk as cdk

PACKS = ("AwsSolutionsChecks", "ServerlessChecks")


def findings(
    build: "Callable[[cdk.App], None]", *, output: Path, context: Mapping[str, object] | None = None
) -> list[str]:
    """What cdk-nag's AwsSolutions and Serverless packs and CDK's template validation report, warnings included.

    Args:
        build: Composes the app's stacks.
        output: Folder for the cloud assembly.
        context: Context of the app, such as that of `cdk.json`. Default: none.

    Returns:
        One line per finding that nobody acknowledged: rule and construct path, sorted.
    """
    import aws_cdk as cdk  # noqa: PLC0415 - loads jsii, which a test run without constructs need not pay for
    import cdk_nag  # noqa: PLC0415

    app = cdk.App(
        outdir=str(output),
        # The report is wanted whole; without this the first error ends the synthesis.
        context={**(context or {}), "@aws-cdk/core:failSynthOnValidationErrors": False},
    )
    build(app)
    cdk.Validations.of(app).add_plugins(*(getattr(cdk_nag, pack)(app) for pack in PACKS))
    report = json.loads((Path(app.synth().directory) / "validation-report.json").read_text())
    return sorted(
        f"{violation['ruleName']} {construct['constructPath']}"
        for plugin in report["pluginReports"]
        for violation in plugin["violations"]
        for construct in violation["violatingConstructs"]
    )
