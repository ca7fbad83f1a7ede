"""Refuses lifecycle rules by which a quarantine would forget a record that somebody still needs."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import jsii
from aws_cdk import (
    Duration,
    IPolicyValidationContext,
    IPolicyValidationPlugin,
    PolicyValidationPluginReport,
    PolicyViolatingResource,
    PolicyViolation,
    Stack,
    Token,
)
from aws_cdk import aws_s3 as s3

from constructs_lib._checks import in_words

# Where the runtime puts what is parked and too large for an item of the state table.
PARKED = "parked/"

# How long people have, at least, to explain what is in the quarantine and send it again.
_TO_REDRIVE = Duration.days(30)
_LONGEST_HOLD = Duration.days(7)


@jsii.implements(IPolicyValidationPlugin)
class QuarantineLifetime:
    """Looks, once the template is written, at what was added to one dependency's quarantine by the escape hatch."""

    def __init__(self, bucket: s3.IBucket, *, hold_at_most: Duration) -> None:
        self._bucket = cast("s3.CfnBucket", bucket.node.default_child)
        self._hold = _LONGEST_HOLD if hold_at_most.is_unresolved() else hold_at_most

    @property
    def name(self) -> str:
        """Name of the plugin in reports."""
        return "QuarantineLifetime"

    @property
    def rule_ids(self) -> list[str]:
        """Its one rule."""
        return ["QuarantineExpiresTooSoon"]

    @property
    def version(self) -> None:
        """None: it comes with the library."""
        return

    def validate(self, context: IPolicyValidationContext) -> PolicyValidationPluginReport:
        """Report rules that collide with the time to hold, or the time to send again."""
        stack = Stack.of(self._bucket)
        logical_id = str(stack.resolve(self._bucket.logical_id))
        (path,) = (
            each.template_path
            for each in context.stack_templates
            if Path(each.template_path).name == stack.template_file
        )
        bucket = json.loads(Path(path).read_text())["Resources"][logical_id]
        rules = bucket["Properties"].get("LifecycleConfiguration", {}).get("Rules", [])
        violations = [
            PolicyViolation(
                rule_name="QuarantineExpiresTooSoon",
                description=sentence,
                severity="fatal",
                violating_resources=[
                    PolicyViolatingResource(
                        resource_logical_id=logical_id, template_path=path, locations=["LifecycleConfiguration"]
                    )
                ],
            )
            for rule in rules
            for sentence in self._collisions(rule)
        ]
        return PolicyValidationPluginReport(success=not violations, violations=violations)

    def _collisions(self, rule: Mapping[str, Any]) -> Iterator[str]:
        days = rule.get("ExpirationInDays")
        if rule.get("Status") != "Enabled" or not isinstance(days, int | float) or Token.is_unresolved(days):
            return
        expires = Duration.days(days)
        prefix = rule.get("Prefix", "")
        if not prefix.startswith(PARKED) and expires.to_days() < _TO_REDRIVE.to_days():
            yield (
                f"a lifecycle rule expires quarantined records after {in_words(expires)}, but people have "
                f"{in_words(_TO_REDRIVE)} to send them again: give it at least {in_words(_TO_REDRIVE)}"
            )
        parked = prefix.startswith(PARKED) or PARKED.startswith(prefix)
        if parked and expires.to_milliseconds() <= self._hold.to_milliseconds():
            yield (
                f"a lifecycle rule expires parked records after {in_words(expires)}, but hold_at_most is "
                f"{in_words(self._hold)}: give it more, or lower hold_at_most"
            )
