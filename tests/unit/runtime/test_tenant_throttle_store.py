"""The buckets in DynamoDB: they decide as the model of them does, one write per lease, and are asked less when away."""

import json
from typing import Any

import boto3
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from constructs_lib.runtime.settings import SettingError
from constructs_lib.runtime.tenant_throttle import Accept, Refuse, Sideline, TenantThrottle
from constructs_lib.runtime.tenant_throttle_leases import Lease, RateLimit, StoreAwayError
from constructs_lib.runtime.tenant_throttle_store import DynamoLeases
from constructs_lib.runtime.tenant_throttle_wiring import ThrottleSettings
from tests.fairness.throttling import Buckets
from tests.standins.dynamodb import Action, FakeDynamoDB, Moment
from tests.unit.runtime.fakes import RecordingWatch

LIMIT = RateLimit(name="hard", per_second=3, burst=15, lease=5)


def leases(database: FakeDynamoDB, watch: RecordingWatch | None = None, **faults: Any) -> DynamoLeases:
    return DynamoLeases(database.client(**faults), "throttle", watch=watch or RecordingWatch())


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([0.0, 0.1, 2.0, 30.0]), st.sampled_from("ab"), st.booleans()), max_size=40))
def test_the_table_decides_as_the_model_of_it(steps: list[tuple[float, str, bool]]) -> None:
    """Whatever the asking environment believes: that it never asked, or what it was told last."""
    database, model, now = FakeDynamoDB(), Buckets(), 1_763_740_000.25
    table = leases(database)
    told: dict[str, float] = {}
    for pause, tenant, remembers in steps:
        now += pause
        seen = told.get(tenant) if remembers else None
        expected = model.lease(tenant, LIMIT, seen=seen, now=now)
        got = table.lease(tenant, LIMIT, seen=seen, now=now)
        assert got.granted == expected.granted
        told[tenant] = got.taken_until
        stored = {each["id"]["S"]: float(each["taken_until"]["N"]) for each in database.items("throttle")}
        assert stored[f"hard#{tenant}"] == pytest.approx(model.taken_until["hard", tenant], abs=1e-3)


def test_a_lease_is_one_write_and_an_item_that_says_nothing_any_more_goes() -> None:
    """Time to live removes what has been full for an hour."""
    database = FakeDynamoDB()
    table, seen = leases(database), None
    for _ in range(3):
        seen = table.lease("a", LIMIT, seen=seen, now=1_000.0).taken_until
    (item,) = database.items("throttle")
    assert float(item["taken_until"]["N"]) == pytest.approx(1_000 + 3 * 5 / 3)
    assert int(item["expires"]["N"]) == 1_000 + 5 + 3_600
    assert database.usage.calls == {"update_item": 3}


def test_a_lease_that_another_takes_in_between_is_not_given_twice() -> None:
    """However often another environment is quicker, the bucket gives its three leases and no more."""
    database = FakeDynamoDB()
    given_to_others: list[Lease] = []

    def quicker(moment: Moment) -> None:
        if not moment.after:
            given_to_others.append(leases(database).lease("a", LIMIT, seen=None, now=1_000.0))

    mine = [leases(database, crash=quicker).lease("a", LIMIT, seen=None, now=1_000.0) for _ in range(3)]
    assert sum(each.granted for each in [*mine, *given_to_others]) == 3
    assert not mine[-1].granted


@pytest.mark.parametrize("fault", ["refused", "late", "throttled"])
def test_a_table_that_does_not_answer_is_left_alone_for_five_seconds(fault: str) -> None:
    """Nobody waits for it in that time; that it is away is logged and counted once."""
    database, watch = FakeDynamoDB(), RecordingWatch()

    def throttled(_action: Action) -> str | None:
        return "ProvisionedThroughputExceeded"

    faults: dict[str, Any] = {"refuse": throttled} if fault == "throttled" else {"unreachable": fault}
    table = DynamoLeases(client := database.client(**faults), "throttle", watch=watch)
    for moment in (1_000.0, 1_001.0, 1_004.9):
        with pytest.raises(StoreAwayError):
            table.lease("a", LIMIT, seen=None, now=moment)
    assert watch.published == {"StoreErrors": 1}
    assert [line.level for line in watch.lines] == ["warning"]
    client.faults = type(client.faults)()
    assert table.lease("a", LIMIT, seen=None, now=1_005.0).granted


ENVIRONMENT = {
    "POWERTOOLS_SERVICE_NAME": "ingest",
    "POWERTOOLS_METRICS_NAMESPACE": "Resilience",
    "RESILIENCE_TENANT_THROTTLE": json.dumps(
        {"table": "throttle", "rate_per_second": 50, "burst": 5000, "sideline_above": 10, "environments": 100}
    ),
}


def test_all_environments_together_hold_half_a_burst_at_most() -> None:
    """So half of it is there for whoever needs it."""
    settings_ = ThrottleSettings.from_environment(ENVIRONMENT)
    assert settings_.hard == RateLimit(name="hard", per_second=50, burst=5000, lease=25)
    assert settings_.fair == RateLimit(name="fair", per_second=10, burst=1000, lease=5)


@pytest.mark.parametrize("missing", ENVIRONMENT)
def test_a_missing_setting_is_named(missing: str) -> None:
    """With who should have set it."""
    with pytest.raises(SettingError, match=f"{missing} is not set; the construct"):
        ThrottleSettings.from_environment({name: text for name, text in ENVIRONMENT.items() if name != missing})


@pytest.mark.parametrize(
    "text",
    ["{", "[]", '{"table": "t"}', '{"table": "t", "rate_per_second": 0, "burst": 1, "environments": 1}'],
)
def test_a_setting_without_sense_is_refused(text: str) -> None:
    """And shown."""
    with pytest.raises(SettingError, match="must be a JSON object with table, rate_per_second, burst, environments"):
        ThrottleSettings.from_environment(ENVIRONMENT | {"RESILIENCE_TENANT_THROTTLE": text})


def test_a_throttle_works_from_its_environment(
    aws: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Table, rates and metrics come out of the settings that the construct makes."""

    boto3.client("dynamodb").create_table(
        TableName="throttle",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
    )
    small = {"table": "throttle", "rate_per_second": 0.01, "burst": 4, "sideline_above": 0.005, "environments": 9}
    for name, text in (ENVIRONMENT | {"RESILIENCE_TENANT_THROTTLE": json.dumps(small)}).items():
        monkeypatch.setenv(name, text)
    throttle = TenantThrottle.from_environment()
    decisions = [throttle.decide("acme") for _ in range(6)]
    assert decisions == [Accept()] * 3 + [Sideline()] * 2 + [Refuse(100)]
    metrics = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [sorted({"TenantSidelined", "TenantThrottled"} & each.keys()) for each in metrics] == [
        ["TenantSidelined"],
        ["TenantSidelined"],
        ["TenantThrottled"],
    ]
    assert all(each["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["service"]] for each in metrics)
    assert "acme" not in json.dumps(metrics)
