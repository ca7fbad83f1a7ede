"""`resilience dead-letters` as an operator types it, against AWS in memory."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from constructs_lib import cli
from constructs_lib.operations.dead_letters.desk import Desk

REGION = "eu-west-1"


class Account:
    """An account with one queue consumer."""

    def __init__(self, *, fifo: bool = False) -> None:
        suffix = ".fifo" if fifo else ""
        attributes: Any = {"FifoQueue": "true"} if fifo else {}
        self.fifo = fifo
        self.sqs = boto3.client("sqs")
        self.dynamodb = boto3.client("dynamodb")
        self.queue = self.sqs.create_queue(QueueName=f"events{suffix}", Attributes=attributes)["QueueUrl"]
        self.dead = self.sqs.create_queue(QueueName=f"dead{suffix}", Attributes=attributes)["QueueUrl"]
        self.dynamodb.create_table(
            TableName="done",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        )
        role = boto3.client("iam").create_role(RoleName="r", AssumeRolePolicyDocument="{}", Path="/")["Role"]["Arn"]
        boto3.client("lambda").create_function(
            FunctionName="Alerting-ProcessEvent",
            Role=role,
            Code={"ZipFile": b"nothing"},
            Handler="handler.handle",
            Runtime="python3.13",
            Environment={
                "Variables": {
                    "POWERTOOLS_SERVICE_NAME": "process_event",
                    "RESILIENCE_QUEUE_URL": self.queue,
                    "RESILIENCE_DEAD_LETTER_QUEUE_URL": self.dead,
                    "RESILIENCE_IDEMPOTENCY_TABLE": "done",
                }
            },
        )

    def bury(self, number: int, *, reason: str | None = None, tenant: str = "acme", message_id: str = "") -> str:
        """Put a letter there: by the consumer where there is a *reason*, else as if SQS had moved it."""
        notes = {"reason": reason, "source": "arn", "message_id": message_id, "deliveries": "3"} if reason else {}
        attributes: Any = {
            name: {"DataType": "String", "StringValue": value} for name, value in notes.items() if value
        } | {"theirs": {"DataType": "String", "StringValue": "kept"}}
        group: Any = {"MessageGroupId": tenant}
        if self.fifo:
            group |= {"MessageDeduplicationId": f"d{number}"}
        sent = self.sqs.send_message(
            QueueUrl=self.dead,
            MessageBody=json.dumps({"id": f"e-{number}", "tenant": tenant, "n": number}),
            MessageAttributes=attributes,
            **group,
        )
        return message_id or sent["MessageId"]

    def note(self, message_id: str, reason: str) -> None:
        """What the consumer writes down when it fails with a message."""
        item: Any = {"id": {"S": f"failure#{message_id}"}, "reason": {"S": reason}}
        self.dynamodb.put_item(TableName="done", Item=item)

    def in_queue(self) -> list[Any]:
        """Take everything from the queue."""
        found = []
        while messages := self.sqs.receive_message(
            QueueUrl=self.queue,
            MaxNumberOfMessages=10,
            MessageAttributeNames=["All"],
            MessageSystemAttributeNames=["All"],
        ).get("Messages"):
            found += messages
            # Of a FIFO queue's group, the next ones come when these are gone.
            for message in messages:
                self.sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
        return found

    def waiting(self) -> int:
        """How many dead letters anybody could take now."""
        attributes = self.sqs.get_queue_attributes(QueueUrl=self.dead, AttributeNames=["ApproximateNumberOfMessages"])
        return int(attributes["Attributes"]["ApproximateNumberOfMessages"])


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    for name, value in {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_CONFIG_FILE": str(tmp_path / "none"),
    }.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    before = signal.getsignal(signal.SIGTERM)
    with mock_aws():
        yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty queue would be asked for a second each time."""
    made = Desk.__init__

    def without_waiting(self: Desk, consumer: Any, *, sqs: Any, **others: Any) -> None:
        sqs.meta.events.register("provide-client-params.sqs.ReceiveMessage", lambda params, **_: _at_once(params))
        made(self, consumer, sqs=sqs, **others)

    monkeypatch.setattr(Desk, "__init__", without_waiting)


@pytest.fixture
def account(aws: None) -> Account:
    return Account()


def _at_once(params: Any) -> Any:
    return {**params, "WaitTimeSeconds": 0}


def run(*arguments: str) -> int:
    return cli.main(["dead-letters", *arguments])


def listed(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, Any]]:
    capsys.readouterr()
    assert run("list", "--json", *arguments) == 0
    found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    return found


@pytest.mark.requirement("MSG-08")
def test_the_reason_is_the_consumers_or_what_it_noted_or_that_it_crashed(
    account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    told = account.bury(1, reason="no tenant acme", message_id="m-1")
    noted = account.bury(2)
    account.note(noted, "KeyError at domain.py:12")
    crashed = account.bury(3)
    reasons = {each["id"]: each["reason"] for each in listed(capsys)}
    assert reasons == {told: "no tenant acme", noted: "KeyError at domain.py:12", crashed: "unknown: crashed"}


def test_looking_takes_nothing_away(account: Account, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(23):
        account.bury(number)
    assert len(listed(capsys)) == 23
    assert account.waiting() == 23


def test_filters_choose(account: Account, capsys: pytest.CaptureFixture[str]) -> None:
    account.bury(1, reason="no tenant", tenant="acme")
    account.bury(2, reason="no tenant", tenant="globex")
    account.bury(3, reason="no target", tenant="acme")
    assert len(listed(capsys, "--tenant", "acme")) == 2
    assert len(listed(capsys, "--tenant", "acme", "--matching", "target")) == 1
    assert len(listed(capsys, "--since", "1h")) == 3
    assert len(listed(capsys, "--until", "1h")) == 0


def test_one_letter_is_shown_whole_by_the_end_of_its_id(account: Account, capsys: pytest.CaptureFixture[str]) -> None:
    name = account.bury(1)
    assert run("show", name[-6:]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["id"], json.loads(shown["body"])["n"], shown["attributes"]) == (name, 1, {"theirs": "kept"})


@pytest.mark.requirement("MSG-08")
@pytest.mark.parametrize("reason", [None, "no tenant"], ids=["moved by SQS", "put there by the consumer"])
def test_redrive_sends_the_message_as_it_was_and_the_letter_is_gone(
    account: Account, capsys: pytest.CaptureFixture[str], reason: str | None
) -> None:
    account.bury(1, reason=reason)
    assert run("redrive", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"sent": 1, "left": {}}
    [message] = account.in_queue()
    assert json.loads(message["Body"])["n"] == 1
    assert message["Attributes"]["MessageGroupId"] == "acme"
    assert set(message["MessageAttributes"]) == {"theirs"}
    assert account.waiting() == 0


def test_a_dry_run_sends_nothing(account: Account, capsys: pytest.CaptureFixture[str]) -> None:
    account.bury(1)
    assert run("redrive", "--dry-run") == 0
    assert "1 would be sent" in capsys.readouterr().out
    assert account.in_queue() == []
    assert account.waiting() == 1


def test_what_is_not_wanted_stays(account: Account) -> None:
    account.bury(1, tenant="acme")
    account.bury(2, tenant="globex")
    assert run("redrive", "--tenant", "acme") == 0
    assert account.waiting() == 1


def test_a_message_the_queue_refuses_stays_a_letter_and_is_named(
    account: Account, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    name = account.bury(1)
    monkeypatch.setattr(Desk, "_send", lambda _self, letters: {letters[0].receipt: "throttled"})
    assert run("redrive", "--rate", "100") == 1
    assert f"cannot be sent: {name}: throttled" in capsys.readouterr().out
    assert account.waiting() == 1


def test_killed_between_sending_and_deleting_nothing_is_lost(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    account.bury(1)

    def killed(*_: object) -> set[str]:
        raise KeyboardInterrupt

    monkeypatch.setattr(Desk, "_delete", killed)
    assert run("redrive") == 130
    assert len(account.in_queue()) == 1
    assert account.waiting() == 1


def test_in_a_fifo_queue_order_is_kept_and_nothing_passes_for_a_copy(aws: None) -> None:
    """SQS drops what has the deduplication id of a message of the last five minutes, and says that it was sent."""
    account = Account(fifo=True)
    for number in range(12):
        account.bury(number)
    boto3.client("sqs").send_message(
        QueueUrl=account.queue, MessageBody="{}", MessageGroupId="other", MessageDeduplicationId="d3"
    )
    assert run("redrive", "--rate", "1000") == 0
    numbers = [json.loads(message["Body"]).get("n") for message in account.in_queue()]
    assert [number for number in numbers if number is not None] == list(range(12))
    assert account.waiting() == 0


def test_discard_prints_what_it_deletes(account: Account, capsys: pytest.CaptureFixture[str]) -> None:
    account.bury(1)
    account.bury(2)
    assert run("discard", "--all") == 0
    assert [json.loads(json.loads(line)["body"])["n"] for line in capsys.readouterr().out.splitlines()] == [1, 2]
    assert account.waiting() == 0
    assert account.in_queue() == []


def test_discard_wants_to_be_told_what(account: Account, capsys: pytest.CaptureFixture[str]) -> None:
    account.bury(1)
    assert run("discard") == 1
    assert "--all" in capsys.readouterr().err
    assert account.waiting() == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("list", "--consumer", "nobody"), "the consumers there: process_event"),
        (("show", "nothing"), "There is no letter nothing"),
        (("redrive", "--rate", "0"), "--rate is 0; it must be"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(
    account: Account, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], says: str
) -> None:
    assert run(*arguments) == 1
    assert says in capsys.readouterr().err


def test_filters_that_take_no_letter_of_that_id_say_so(account: Account) -> None:
    name = account.bury(1, tenant="acme")
    assert run("redrive", name, "--tenant", "globex") == 1
    assert account.waiting() == 1
