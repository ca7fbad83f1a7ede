"""What the rule packs and CDK's own validation say about an app."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
    import cdk_nag  # noqa: PLC0415 - loads jsii, which a test run without constructs need not pay for

    def packs(app: "cdk.App") -> "list[cdk.IPolicyValidationPlugin]":
        return [getattr(cdk_nag, pack)(app) for pack in PACKS]

    return sorted(
        f"{violation['ruleName']} {construct['constructPath']}"
        for violation in _violations(build, packs, output=output, context=context)
        for construct in violation["violatingConstructs"]
    )


def validation_findings(
    build: "Callable[[cdk.App], None]",
    plugins: "Callable[[cdk.App], Sequence[cdk.IPolicyValidationPlugin]]",
    *,
    output: Path,
    context: Mapping[str, object] | None = None,
) -> list[str]:
    """What validation plugins of one's choice report, such as `DependencyIsolation`; CDK's own validation is left out.

    Args:
        build: Composes the app's stacks.
        plugins: Makes the plugins.
        output: Folder for the cloud assembly.
        context: Context of the app, such as that of `cdk.json`. Default: none.

    Returns:
        One line per finding that nobody acknowledged: rule and description, sorted.
    """
    names: list[str] = []

    def named(app: "cdk.App") -> "Sequence[cdk.IPolicyValidationPlugin]":
        made = plugins(app)
        names.extend(plugin.name for plugin in made)
        return made

    violations = _violations(build, named, output=output, context=context)
    return sorted(
        f"{violation['ruleName']} {violation['description']}"
        for violation in violations
        if violation["pluginName"] in names
    )


def _violations(
    build: "Callable[[cdk.App], None]",
    plugins: "Callable[[cdk.App], Sequence[cdk.IPolicyValidationPlugin]]",
    *,
    output: Path,
    context: Mapping[str, object] | None,
) -> list[dict[str, Any]]:
    """Violations of the report, each with the name of its plugin."""
    import aws_cdk as cdk  # noqa: PLC0415 - see above

    app = cdk.App(
        outdir=str(output),
        # The report is wanted whole; without this the first error ends the synthesis.
        context={**(context or {}), "@aws-cdk/core:failSynthOnValidationErrors": False},
    )
    build(app)
    cdk.Validations.of(app).add_plugins(*plugins(app))
    report = json.loads((Path(app.synth().directory) / "validation-report.json").read_text())
    return [
        {**violation, "pluginName": plugin["pluginName"]}
        for plugin in report["pluginReports"]
        for violation in plugin["violations"]
    ]
