"""DependencyDashboard: external dependencies at a glance, one row each."""

from collections.abc import Sequence
from typing import Protocol

from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct


class HasDashboardRow(Protocol):
    """Anything that fits into one row: every `IsolatedDependencyStream`."""

    def dashboard_row(self) -> tuple[cloudwatch.IWidget, ...]:
        """Widgets that stand beside each other."""


class DependencyDashboard(Construct):
    """Show external dependencies on one page, a row for each: alarms, who waits, how calls go, records, who is parked.

    A dashboard with all dependencies changes whenever one is added. Where adding one must leave everything else as it
    is, give each a dashboard of its own. CloudWatch asks 3 USD a month for each dashboard beyond the third of an
    account.

    Defines one CloudWatch dashboard.

    Args:
        scope: Construct that owns this one.
        id: Name, unique within *scope*.
        dependencies: What to show, in this order; at least one.

    Attributes:
        dashboard: The dashboard; CloudFormation names it.

    Raises:
        ValueError: If *dependencies* is empty.
    """

    def __init__(self, scope: Construct, id: str, *, dependencies: Sequence[HasDashboardRow]) -> None:
        super().__init__(scope, id)
        if not dependencies:
            raise ValueError("dependencies must hold at least one IsolatedDependencyStream, got none; add one")
        self.dashboard = cloudwatch.Dashboard(
            self, "Dashboard", widgets=[list(dependency.dashboard_row()) for dependency in dependencies]
        )
