"""The alerting system as its users meet it: senders, people in Slack and Teams, and what stands between."""

import json
import uuid

import pytest
import urllib3

from tests.e2e.conversation import delivered, eventually, message, post, request
from tests.e2e.run.system import System
from tests.standins.buttons import sign
from tests.standins.sns import topic_arn

pytestmark = pytest.mark.local_cloud


def unique(text: str) -> str:
    """A text that no other test posts."""
    return f"{text} {uuid.uuid4().hex[:8]}"


@pytest.mark.requirement("ESC-02", "ING-08")
def test_acknowledging_with_the_button_marks_the_message_and_stops_the_escalation(system: System) -> None:
    """Pressed once or twice: the message names who took it, and nobody is paged."""
    acme = system.tenants[0]
    text = unique("Disk is full")
    assert post(system, acme, text).status == 202
    shown = delivered(system, acme, text)
    assert system.standins.press(shown.message_id, "acknowledge", user="ada") == 200
    assert system.standins.press(shown.message_id, "acknowledge", user="ada") == 200
    eventually(lambda: delivered(system, acme, text).shows.state == "acknowledged", "the message is marked")
    assert "ada" in json.dumps(delivered(system, acme, text).content).lower()
    stepfunctions = system.cloud.client("stepfunctions", shown.shows.region)
    eventually(lambda: execution_status(stepfunctions, shown.shows.alert_id) == "SUCCEEDED", "the escalation ends")
    assert delivered(system, acme, text).pages == ()


@pytest.mark.requirement("ESC-01", "PRC-06")
@pytest.mark.parametrize("number", [0, 1], ids=["slack", "teams"])
def test_an_alert_that_nobody_takes_calls_more_people(number: int, system: System) -> None:
    """After its time the next level pages, once, in the thread of the one message."""
    tenant = system.tenants[number]
    text = unique("Nobody reads this")
    assert post(system, tenant, text).status == 202
    shown = delivered(system, tenant, text)
    eventually(lambda: len(delivered(system, tenant, text).pages) == 1, "level 2 pages")
    stepfunctions = system.cloud.client("stepfunctions", shown.shows.region)
    eventually(lambda: execution_status(stepfunctions, shown.shows.alert_id) == "SUCCEEDED", "the escalation ends")
    assert [page.level for page in delivered(system, tenant, text).pages] == [2]
    assert delivered(system, tenant, text).versions == (1,)


@pytest.mark.requirement("ESC-05", "ISO-02")
def test_an_outage_of_slack_is_not_noticed_in_teams_and_burns_no_level(system: System) -> None:
    """While Slack is down Teams is told as ever; then Slack gets its message, once, and only then does time run."""
    acme, globex = system.tenants
    text = unique("Everything is on fire")
    system.standins.fault("slack", "down")
    try:
        assert post(system, acme, text).status == 202
        assert post(system, globex, text).status == 202
        delivered(system, globex, text)
        # Teams has paged for its second level by now; had Slack's timer run, it would be through with its own.
        eventually(lambda: len(delivered(system, globex, text).pages) == 1, "Teams pages")
        assert message(system, acme, text) is None
    finally:
        system.standins.fault("slack", "up")
    shown = delivered(system, acme, text)
    assert shown.pages == ()
    eventually(lambda: len(delivered(system, acme, text).pages) == 1, "Slack pages after its own time")
    (page,) = delivered(system, acme, text).pages
    assert page.arrived_at > shown.arrived_at


def test_a_record_that_cannot_be_read_is_kept_and_the_next_one_delivered(system: System) -> None:
    """Poison costs itself: its payload is in quarantine with the reason, and alerts go on."""
    acme, region = system.tenants[0], system.regions[0]
    resources = system.cloud.stack(f"Alerting-{region}").resources.items()
    stream = next(name for key, (kind, name) in resources if kind == "AWS::Kinesis::Stream" and key.startswith("Slack"))
    bucket = next(name for key, (kind, name) in resources if kind == "AWS::S3::Bucket" and key.startswith("Slack"))
    poison = unique("poison")
    system.cloud.client("kinesis", region).put_record(StreamName=stream, PartitionKey="x", Data=poison.encode())
    text = unique("After the poison")
    assert post(system, acme, text).status == 202
    delivered(system, acme, text)
    s3 = system.cloud.client("s3", region)

    def kept() -> list[str]:
        keys = [item["Key"] for item in s3.list_objects_v2(Bucket=bucket).get("Contents", ())]
        return [s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode() for key in keys]

    eventually(lambda: any(poison in content for content in kept()), "the payload is in quarantine")
    (content,) = [json.loads(each) for each in kept() if poison in each]
    assert "not an envelope" in content["reason"]


@pytest.mark.requirement("ING-03")
def test_a_subscription_is_confirmed_and_a_forged_message_refused(system: System) -> None:
    """Only what SNS has signed is believed; the signature is checked here as on AWS."""
    sns, acme = system.standins.sns, system.tenants[0]
    url = system.url(system.regions[0], f"/v1/endpoints/{acme.endpoint}/events")
    topic = topic_arn("us-east-1", unique("orders").replace(" ", "-"))
    assert sns.post(url, sns.subscription_confirmation(topic=topic, version="1")).status == 200
    assert topic in [confirmed for confirmed, _ in sns.confirmations]
    forged = sns.notification(unique("Forged"), topic=topic) | {"Message": unique("Something else")}
    assert sns.post(url, forged).status == 403


@pytest.mark.parametrize(
    ("endpoint", "body", "status", "words"),
    [
        ("nobody-has-this-one", b"hello", 404, "endpoint"),
        (None, b"x" * (512 * 1024 + 1), 413, "at most 524288 are accepted"),
    ],
    ids=["unknown endpoint", "oversize body"],
)
def test_what_cannot_be_accepted_is_told_why(
    endpoint: str | None, body: bytes, status: int, words: str, system: System
) -> None:
    """A problem body names what is wrong; nothing of it is stored."""
    answer = request(system, f"/v1/endpoints/{endpoint or system.tenants[0].endpoint}/events", body)
    assert answer.status == status
    assert words in json.dumps(answer.body)


@pytest.mark.requirement("SEC-03")
def test_a_button_press_that_slack_did_not_sign_is_refused(system: System) -> None:
    """With another secret, or signed too long ago."""
    body = b"payload=%7B%7D"
    url = system.url(system.regions[0], "/slack/interactions")
    for headers in (sign(body, at=1.0), sign(body, at=2_000_000_000.0), {}):
        assert urllib3.request("POST", url, body=body, headers=headers, retries=False, timeout=30).status == 401


@pytest.mark.requirement("OBS-01")
def test_one_correlation_id_finds_the_whole_path(system: System) -> None:
    """The id that the sender gave is in the logs of every function that had a part in its alert."""
    acme, region = system.tenants[0], system.regions[1]
    correlation_id = f"test-{uuid.uuid4().hex}"
    text = unique("Follow me")
    assert post(system, acme, text, region=region, x_correlation_id=correlation_id).status == 202
    delivered(system, acme, text)
    logs = system.cloud.client("logs", region)
    groups = [group["logGroupName"] for group in logs.describe_log_groups()["logGroups"]]

    def found(part: str) -> bool:
        return any(
            logs.filter_log_events(logGroupName=group, filterPattern=f'"{correlation_id}"')["events"]
            for group in groups
            if part in group
        )

    for part in ("Ingest", "ProcessEvent", "NotifySlack", "Escalation"):
        eventually(lambda part=part: found(part), f"{part} logs the correlation id")  # type: ignore[misc]  # bound now


def test_health_is_computed_from_the_regions_own_stores(system: System) -> None:
    """Both regions answer that they are healthy, in the words that Route 53 looks for."""
    for region in system.regions:
        answer = urllib3.request("GET", system.url(region, "/health"), retries=False, timeout=30)
        assert answer.status == 200
        assert b'"status":"healthy"' in answer.data


def execution_status(stepfunctions: object, alert_id: str) -> str:
    """Status of the escalation of an alert."""
    client: object = stepfunctions
    machines = client.list_state_machines()["stateMachines"]  # type: ignore[attr-defined]  # a boto3 client
    arn = machines[0]["stateMachineArn"].replace(":stateMachine:", ":execution:") + f":{alert_id}"
    return str(client.describe_execution(executionArn=arn)["status"])  # type: ignore[attr-defined]
