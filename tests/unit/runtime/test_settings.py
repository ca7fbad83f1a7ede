import pytest

from constructs_lib.runtime.settings import (
    BreakerSettings,
    IdempotencySettings,
    QueueSettings,
    SettingError,
    StreamSettings,
)

STREAM = {
    "RESILIENCE_DEPENDENCY": "slack",
    "RESILIENCE_QUARANTINE_BUCKET": "bucket",
    "RESILIENCE_STATE_TABLE": "state",
    "RESILIENCE_HOLD_SECONDS": "518400",
    "POWERTOOLS_METRICS_NAMESPACE": "Resilience",
}
QUEUE = {
    "POWERTOOLS_SERVICE_NAME": "process_event",
    "RESILIENCE_QUEUE_URL": "https://queue",
    "RESILIENCE_MAX_RECEIVE_COUNT": "5",
    "RESILIENCE_QUEUE_RETENTION_SECONDS": "345600",
    "RESILIENCE_DEAD_LETTER_QUEUE_URL": "https://dead",
    "POWERTOOLS_METRICS_NAMESPACE": "Resilience",
}


@pytest.mark.parametrize("missing", STREAM)
def test_stream_setting_that_is_missing_is_named(missing: str) -> None:
    """A stream consumer without one of its settings says which."""
    assert StreamSettings.from_environment(STREAM).dependency == "slack"
    with pytest.raises(SettingError, match=missing):
        StreamSettings.from_environment({name: value for name, value in STREAM.items() if name != missing})


def test_stream_settings_that_may_be_absent_have_their_defaults() -> None:
    """Breaker, bound on concurrency and retention are choices; absent keys of the breaker are too."""
    settings = StreamSettings.from_environment(STREAM)
    assert (settings.breaker, settings.concurrency, settings.retention_seconds) == (BreakerSettings(), None, None)
    chosen = {
        "RESILIENCE_BREAKER": '{"minimum_calls": 9, "slow_seconds": 2.5}',
        "RESILIENCE_CONCURRENCY": "7",
        "RESILIENCE_RETENTION_SECONDS": "604800",
    }
    settings = StreamSettings.from_environment(STREAM | chosen)
    assert settings.breaker == BreakerSettings(minimum_calls=9, slow_seconds=2.5)
    assert (settings.concurrency, settings.retention_seconds) == (7, 604_800)


@pytest.mark.parametrize(
    "breaker",
    [
        "yes",
        "[]",
        '{"failure_rat": 1}',
        '{"failure_rate": 0}',
        '{"failure_rate": 1.1}',
        '{"minimum_calls": 0}',
        '{"window_seconds": "long"}',
        '{"slow_seconds": -1}',
        '{"probe_seconds": 0}',
    ],
)
def test_breaker_that_makes_no_sense_is_refused(breaker: str) -> None:
    """A setting that could never open the circuit, or never close it, is named and shown."""
    with pytest.raises(SettingError, match="RESILIENCE_BREAKER"):
        StreamSettings.from_environment(STREAM | {"RESILIENCE_BREAKER": breaker})


@pytest.mark.parametrize("missing", QUEUE)
def test_queue_setting_that_is_missing_is_named(missing: str) -> None:
    """A queue consumer without one of its settings says which."""
    assert QueueSettings.from_environment(QUEUE).idempotency is None
    with pytest.raises(SettingError, match=missing):
        QueueSettings.from_environment(QUEUE | {missing: ""})


def test_idempotency_is_on_where_a_table_is_set() -> None:
    """The table's name switches the guard on, and comes with the time to remember."""
    environment = QUEUE | {"RESILIENCE_IDEMPOTENCY_TABLE": "done", "RESILIENCE_REMEMBER_SECONDS": "86400"}
    assert QueueSettings.from_environment(environment).idempotency == IdempotencySettings(
        table="done", remember_seconds=86_400
    )


@pytest.mark.parametrize("seconds", ["", "0", "-1", "1.5", "a day"])
def test_time_to_remember_must_be_seconds_above_zero(seconds: str) -> None:
    """A guard that would forget at once is refused, not run."""
    environment = QUEUE | {"RESILIENCE_IDEMPOTENCY_TABLE": "done", "RESILIENCE_REMEMBER_SECONDS": seconds}
    with pytest.raises(SettingError, match="RESILIENCE_REMEMBER_SECONDS"):
        QueueSettings.from_environment(environment)


def test_settings_of_the_queue_are_numbers_where_they_count() -> None:
    """What a hold is reckoned by is read as it was set."""
    settings = QueueSettings.from_environment(QUEUE | {"RESILIENCE_SIDELINE_QUEUE_URL": "https://aside"})
    assert (settings.max_receive_count, settings.retention_seconds) == (5, 345_600)
    assert (settings.queue_url, settings.sideline_queue_url) == ("https://queue", "https://aside")
    with pytest.raises(SettingError, match=r"RESILIENCE_MAX_RECEIVE_COUNT .* deliveries above 0, got '0'"):
        QueueSettings.from_environment(QUEUE | {"RESILIENCE_MAX_RECEIVE_COUNT": "0"})


def test_scope_and_consistency_of_the_store_are_choices() -> None:
    """Both have defaults, and a consistency that does not exist is named."""
    environment = {"RESILIENCE_IDEMPOTENCY_TABLE": "done", "RESILIENCE_REMEMBER_SECONDS": "60"}
    assert IdempotencySettings.from_environment({}) is None
    settings = IdempotencySettings.from_environment(environment)
    assert settings is not None
    assert (settings.scope, settings.strong) == ("message", False)
    chosen = environment | {"RESILIENCE_IDEMPOTENCY_SCOPE": "billing", "RESILIENCE_STORE_CONSISTENCY": "strong"}
    settings = IdempotencySettings.from_environment(chosen)
    assert settings is not None
    assert (settings.scope, settings.strong) == ("billing", True)
    with pytest.raises(SettingError, match="'regional' or 'strong', got 'eventual'"):
        IdempotencySettings.from_environment(environment | {"RESILIENCE_STORE_CONSISTENCY": "eventual"})
