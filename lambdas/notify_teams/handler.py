"""The teams stream to Microsoft Teams: each command makes an alert's message show what is known."""

from aws_lambda_powertools import Logger

from constructs_lib.runtime.clients import client
from lambdas.notify_teams.access_tokens import AccessTokens
from lambdas.notify_teams.adapters import Teams
from lambdas.notify_teams.settings import Settings
from lambdas.shared.alert_repository import AlertRepository
from lambdas.shared.aws_clients import CONFIG
from lambdas.shared.cached_secret import CachedSecret
from lambdas.shared.codes import coded_log
from lambdas.shared.notifier import Notifier
from lambdas.shared.notifier_handler import make_handler
from lambdas.shared.provider_http import ProviderHttp
from lambdas.shared.task_tokens import StepFunctionsTasks


def from_environment() -> Notifier:
    """Make the notifier from the function's environment."""
    settings = Settings.from_environment()
    logger = Logger()
    http = ProviderHttp(
        provider="teams", region=settings.region, timeout_seconds=settings.timeout_seconds, logger=logger
    )
    credentials = CachedSecret(client("secretsmanager", CONFIG), settings.credentials_secret)
    tokens = AccessTokens(http, credentials, url=settings.login_url)
    return Notifier(
        provider=Teams(http, tokens, url=settings.service_url, region=settings.region),
        alerts=AlertRepository(client("dynamodb", CONFIG), settings.alerts_table, settings.region),
        tasks=StepFunctionsTasks(client("stepfunctions", CONFIG), coded_log(logger)),
        region=settings.region,
    )


handle = make_handler(from_environment)
