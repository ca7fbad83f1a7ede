"""The page on isolated dependencies: its table of alarms is the code's, and its examples run."""

import re
from pathlib import Path

import aws_cdk as cdk
import pytest
import yaml

from constructs_lib.isolated_dependency_stream import IsolatedDependencyStream
from tests.support.functions import consumer, source_folder
from tests.support.synthesis import new_stack, resources

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "isolated-dependency-stream.md").read_text()
SILENCE = {
    "nothing happened": "notBreaching",
    "nothing waits, after half an hour": "notBreaching",
    "unchanged": "ignore",
    "nobody works": "breaching",
}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> cdk.Stack:
    stack = new_stack()
    notify = consumer(stack, "Notify", source_folder(tmp_path_factory.mktemp("functions")))
    IsolatedDependencyStream(stack, "slack", consumer=notify)
    return stack


def test_the_table_names_every_alarm_and_what_its_silence_means(stack: cdk.Stack) -> None:
    """None is missing, none is gone, and the treatment of missing data is the one that is told."""
    told = dict(re.findall(r"^\| `(\w+Alarm)` \| .+ \| (.+) \|$", PAGE, re.MULTILINE))
    made = {
        next(name for name in [*told, logical_id] if name in logical_id): alarm["Properties"]["TreatMissingData"]
        for logical_id, alarm in resources(stack, "AWS::CloudWatch::Alarm").items()
    }
    assert {name: SILENCE[silence] for name, silence in told.items()} == made


def test_the_number_of_alarms_is_the_one_that_is_paid(stack: cdk.Stack) -> None:
    """0.10 USD each."""
    (number, cost) = re.search(r"\| (\d+) alarms \| ([\d.]+) USD", PAGE).groups()  # type: ignore[union-attr]  # there
    assert int(number) == len(resources(stack, "AWS::CloudWatch::Alarm")) == float(cost) * 10


def test_the_example_of_kept_identities_runs(stack: cdk.Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it stands on the page."""
    monkeypatch.chdir(tmp_path)
    (example,) = (block for block in re.findall(r"```python\n(.+?)```", PAGE, re.DOTALL) if "identities" in block)
    template = cdk.assertions.Template.from_stack(stack).to_json()
    exec(example, {"Path": Path, "yaml": yaml, "template": template})
    assert "slackStream0709F13E" in (tmp_path / "identities.yaml").read_text()
