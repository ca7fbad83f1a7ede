"""What SQS did not confirm, entry by entry."""

from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError

from constructs_lib.runtime.queue_calls import change_visibility, send_all


class Sqs:
    """SQS with an answer or an error per call; without, it confirms all."""

    def __init__(self, *answers: dict[str, Any] | Exception) -> None:
        self.answers = list(answers)
        self.calls: list[list[dict[str, Any]]] = []

    def send_message_batch(self, **call: Any) -> dict[str, Any]:
        self.calls.append(call["Entries"])
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, Exception):
            raise answer
        return answer or {"Successful": [{"Id": entry["Id"]} for entry in call["Entries"]]}

    change_message_visibility_batch = send_message_batch


def send(sqs: Sqs, *bodies: str) -> dict[int, str]:
    return send_all(sqs, "url", [{"MessageBody": body} for body in bodies])  # type: ignore[arg-type]  # all it uses


def test_each_entry_has_an_answer_of_its_own() -> None:
    """A call that succeeds says nothing of its entries, and one that is not mentioned is not confirmed."""
    failed = {"Id": "1", "Code": "InternalError", "Message": "later", "SenderFault": False}
    answer = {"Successful": [{"Id": "0"}], "Failed": [failed]}
    assert send(Sqs(answer), "a", "b", "c") == {1: "InternalError: later", 2: "the queue did not answer for it"}


def test_ten_messages_go_in_one_call() -> None:
    """And no more, which SQS would refuse as a whole."""
    sqs = Sqs()
    assert not send(sqs, *"x" * 21)
    assert [len(call) for call in sqs.calls] == [10, 10, 1]
    ids = [entry["Id"] for call in sqs.calls for entry in call]
    assert ids == [str(number) for number in range(21)]


def test_large_messages_go_in_calls_of_their_own() -> None:
    """All of a call together have a limit; one that is as large as a message may be goes alone."""
    sqs = Sqs()
    assert not send(sqs, "x" * 150_000, "ä" * 60_000, "y", "z" * 1_000_000, "w")
    assert [len(call) for call in sqs.calls] == [1, 2, 1, 1]


def test_call_that_is_refused_concerns_its_own_messages() -> None:
    """The next one is made all the same."""
    refused = ClientError({"Error": {"Code": "RequestThrottled", "Message": "slow"}}, "SendMessageBatch")
    sqs = Sqs(refused)
    unconfirmed = send(sqs, *"x" * 12)
    assert list(unconfirmed) == list(range(10))
    assert "RequestThrottled" in unconfirmed[0]
    assert len(sqs.calls) == 2


def test_queue_that_does_not_answer_is_not_asked_again() -> None:
    """Waiting for it once per call would outlast the invocation."""
    sqs = Sqs(ConnectTimeoutError(endpoint_url="https://sqs"))
    assert list(send(sqs, *"x" * 35)) == list(range(35))
    assert len(sqs.calls) == 1


@pytest.mark.parametrize("number", [1, 11])
def test_visibility_is_changed_by_receipt(number: int) -> None:
    """In batches too."""
    sqs = Sqs()
    assert not change_visibility(sqs, "url", [(f"r{index}", index) for index in range(number)])  # type: ignore[arg-type]
    assert sqs.calls[-1][-1] == {
        "Id": str(number - 1),
        "ReceiptHandle": f"r{number - 1}",
        "VisibilityTimeout": number - 1,
    }
