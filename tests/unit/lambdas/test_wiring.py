"""How the functions of this half come to life: nothing on import, everything from the environment on the first event."""

import importlib
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from moto import mock_aws

from lambdas.shared.environment import MissingSettingError

ENVIRONMENTS: dict[str, dict[str, str]] = {
    "notify_slack": {"ALERTS_TABLE": "a", "SLACK_TOKENS_SECRET": "s"},
    "notify_teams": {"ALERTS_TABLE": "a", "TEAMS_CREDENTIALS_SECRET": "s"},
    "interactions": {"SLACK_SIGNING_SECRET": "s", "ACTIONS_QUEUE_URL": "https://queue.example"},
    "alert_actions": {"ALERTS_TABLE": "a", "TENANTS_TABLE": "t", "STREAMS": "{}"},
    "escalation": {
        "ALERTS_TABLE": "a",
        "TENANTS_TABLE": "t",
        "STREAMS": "{}",
        "POWERTOOLS_SERVICE_NAME": "escalation",
        "POWERTOOLS_METRICS_NAMESPACE": "Resilience",
    },
}
BOTH = {"AWS_REGION": "eu-west-1"}


def loader(function: str, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> Callable[[], Any]:
    for name in (*BOTH, *{name for each in ENVIRONMENTS.values() for name in each}):
        monkeypatch.delenv(name, raising=False)
    # As on AWS, where the SDK takes the region from the same place.
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    load: Callable[[], Any] = importlib.import_module(f"lambdas.{function}.handler").from_environment
    return load


@pytest.mark.parametrize("function", ENVIRONMENTS)
def test_a_function_is_made_from_its_settings(function: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the app sets is all it needs."""
    with mock_aws():
        assert loader(function, monkeypatch, BOTH | ENVIRONMENTS[function])() is not None


@pytest.mark.parametrize(
    ("function", "missing"), [(function, name) for function, given in ENVIRONMENTS.items() for name in given]
)
def test_a_missing_setting_is_named(function: str, missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever reads the log of a function that does not start knows why."""
    given = {name: value for name, value in (BOTH | ENVIRONMENTS[function]).items() if name != missing}
    with pytest.raises(MissingSettingError, match=missing):
        loader(function, monkeypatch, given)()


def test_importing_a_handler_does_nothing() -> None:
    """No setting is read and no client made before the first event: it works in an empty environment."""
    names = ", ".join(f"lambdas.{function}.handler" for function in ENVIRONMENTS)
    code = f"import botocore.session; botocore.session.Session.create_client = None; import {names}"
    subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": ":".join(filter(None, sys.path))}, check=True)


def test_real_addresses_are_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the local target says otherwise."""
    slack = importlib.import_module("lambdas.notify_slack.settings").Settings
    teams = importlib.import_module("lambdas.notify_teams.settings").Settings
    assert slack.from_environment(BOTH | ENVIRONMENTS["notify_slack"]).api_url == "https://slack.com/api"
    settings = teams.from_environment(BOTH | ENVIRONMENTS["notify_teams"])
    assert settings.login_url == "https://login.microsoftonline.com"
    assert settings.service_url == "https://smba.trafficmanager.net/teams"
