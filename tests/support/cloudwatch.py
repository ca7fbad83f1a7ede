"""CloudWatch as an alarm sees it: data points by metric, and the alarm's judgement of them.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/AlarmThatSendsEmail.html
"""

import ast
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

STATISTICS: Mapping[str, Callable[[Sequence[float]], float]] = {
    "Sum": sum,
    "Maximum": max,
    "Minimum": min,
    "Average": lambda values: sum(values) / len(values),
    "SampleCount": len,
}
BREACHES: Mapping[str, Callable[[float, float], bool]] = {
    "GreaterThanOrEqualToThreshold": lambda value, threshold: value >= threshold,
    "LessThanOrEqualToThreshold": lambda value, threshold: value <= threshold,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """What CloudWatch files a number under; a number under another name, or with another dimension, is not found."""

    namespace: str
    name: str
    dimensions: Mapping[str, Any]
    unit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One published number, so many minutes ago."""

    metric: Metric
    value: float
    minutes_ago: float


def state(alarm: Mapping[str, Any], points: Iterable[Point], *, before: str = "INSUFFICIENT_DATA") -> str:
    """The state that an alarm, as its template declares it, comes to from what was published."""
    found = [point for point in points if _watches(alarm, point.metric)]
    breaching = [breaches(alarm, values) if values else None for values in _by_period(alarm, found)]
    missing = alarm["TreatMissingData"]
    if None in breaching and missing == "ignore":
        breaching = [known for known in breaching if known is not None]
        if not breaching:
            return before
    judged = [known if known is not None else missing == "breaching" for known in breaching]
    return "ALARM" if sum(judged) >= alarm.get("DatapointsToAlarm", alarm["EvaluationPeriods"]) else "OK"


def breaches(alarm: Mapping[str, Any], values: Sequence[float]) -> bool:
    """Whether the numbers of one period cross the threshold."""
    return bool(BREACHES[alarm["ComparisonOperator"]](STATISTICS[alarm["Statistic"]](values), alarm["Threshold"]))


def _by_period(alarm: Mapping[str, Any], points: Iterable[Point]) -> list[list[float]]:
    """Numbers of each period the alarm looks at, the newest period first."""
    periods: list[list[float]] = [[] for _ in range(alarm["EvaluationPeriods"])]
    for point in points:
        period = int(point.minutes_ago * 60 // alarm["Period"])
        if period < len(periods):
            periods[period].append(point.value)
    return periods


def _watches(alarm: Mapping[str, Any], metric: Metric) -> bool:
    return (alarm["Namespace"], alarm["MetricName"]) == (metric.namespace, metric.name) and {
        each["Name"]: each["Value"] for each in alarm["Dimensions"]
    } == metric.dimensions


def embedded(line: str) -> Iterator[tuple[Metric, list[float]]]:
    """Metrics in one line of CloudWatch's embedded format.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
    """
    content = json.loads(line)
    for directive in content["_aws"]["CloudWatchMetrics"]:
        for names in directive["Dimensions"]:
            for metric in directive["Metrics"]:
                value = content[metric["Name"]]
                yield (
                    Metric(
                        namespace=directive["Namespace"],
                        name=metric["Name"],
                        dimensions={name: content[name] for name in names},
                        unit=metric["Unit"],
                    ),
                    value if isinstance(value, list) else [value],
                )


def published_by(package: Path) -> dict[str, str]:
    """Every metric that the code of *package* publishes through a `Watch`, with its unit."""
    found: dict[str, str] = {}
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(
                    func=ast.Attribute(attr="gauge"), args=[ast.Constant(str(name)), _, ast.Constant(str(unit))]
                ):
                    found[name] = unit
                case ast.Call(func=ast.Attribute(attr="count"), args=[ast.Constant(str(name)), *_]):
                    found[name] = "Count"
    return found
