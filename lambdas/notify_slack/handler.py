"""The slack stream to Slack: each command makes an alert's message show what is known."""

from aws_lambda_powertools import Logger

from constructs_lib.runtime.clients import client
from lambdas.notify_slack.adapters import Slack
from lambdas.notify_slack.settings import Settings
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
        provider="slack", region=settings.region, timeout_seconds=settings.timeout_seconds, logger=logger
    )
    tokens = CachedSecret(client("secretsmanager", CONFIG), settings.tokens_secret)
    return Notifier(
        provider=Slack(http, tokens, url=settings.api_url, region=settings.region),
        alerts=AlertRepository(client("dynamodb", CONFIG), settings.alerts_table, settings.region),
        tasks=StepFunctionsTasks(client("stepfunctions", CONFIG), coded_log(logger)),
        region=settings.region,
    )


handle = make_handler(from_environment)
