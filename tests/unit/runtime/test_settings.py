import pytest

from constructs_lib.runtime.settings import IdempotencySettings, QueueSettings, SettingError, StreamSettings

STREAM = {
    "RESILIENCE_DEPENDENCY": "slack",
    "RESILIENCE_QUARANTINE_BUCKET": "bucket",
    "POWERTOOLS_METRICS_NAMESPACE": "Resilience",
}
QUEUE = {
    "POWERTOOLS_SERVICE_NAME": "process_event",
    "RESILIENCE_DEAD_LETTER_QUEUE_URL": "https://queue",
    "POWERTOOLS_METRICS_NAMESPACE": "Resilience",
}


@pytest.mark.parametrize("missing", STREAM)
def test_stream_setting_that_is_missing_is_named(missing: str) -> None:
    """A stream consumer without one of its settings says which."""
    assert StreamSettings.from_environment(STREAM).dependency == "slack"
    with pytest.raises(SettingError, match=missing):
        StreamSettings.from_environment({name: value for name, value in STREAM.items() if name != missing})


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
