"""SQS's calls for several messages, and which of them it did not confirm.

An HTTP answer of 200 does not mean that every entry of a batch succeeded: each has an answer of its own.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from constructs_lib.runtime.chunks import chunks
from constructs_lib.runtime.descriptions import describe

if TYPE_CHECKING:
    from mypy_boto3_sqs.client import SQSClient

# API reference, "SendMessageBatch" and "ChangeMessageVisibilityBatch".
_MOST_ENTRIES = 10
# All messages of a batch together; this much passes even where the queue's own limit is the older 256 KiB.
_MOST_BYTES = 200_000


def send_all(client: "SQSClient", queue_url: str, messages: Sequence[Mapping[str, Any]]) -> dict[int, str]:
    """Send *messages*, each the arguments of SendMessage without the queue.

    Returns:
        Why, by index, for those the queue has not confirmed; they may be there all the same.
    """
    return _in_batches(
        messages, lambda entries: client.send_message_batch(QueueUrl=queue_url, Entries=entries), size=_size
    )


def change_visibility(client: "SQSClient", queue_url: str, seconds: Sequence[tuple[str, int]]) -> dict[int, str]:
    """Have each message, by its receipt, appear again after so many *seconds*.

    Returns:
        Why, by index, for those the queue has not confirmed.
    """
    changes = [{"ReceiptHandle": receipt, "VisibilityTimeout": after} for receipt, after in seconds]
    return _in_batches(
        changes,
        lambda entries: client.change_message_visibility_batch(QueueUrl=queue_url, Entries=entries),
        size=lambda _: 0,
    )


def _in_batches(
    entries: Sequence[Mapping[str, Any]], call: Callable[[Any], Any], *, size: Callable[[Mapping[str, Any]], int]
) -> dict[int, str]:
    unconfirmed: dict[int, str] = {}
    unreachable: str | None = None
    sizes = [size(entry) for entry in entries]
    for indexes in chunks(range(len(entries)), size=sizes.__getitem__, most=_MOST_ENTRIES, most_bytes=_MOST_BYTES):
        if unreachable is None:
            try:
                answer = call([{"Id": str(index), **entries[index]} for index in indexes])
            except ClientError as error:
                unconfirmed |= dict.fromkeys(indexes, describe(error))
            except Exception as error:  # noqa: BLE001 - whatever it was, these are not confirmed
                # The queue does not answer: waiting for it once per batch would outlast the invocation.
                unreachable = describe(error)
            else:
                confirmed = {int(entry["Id"]) for entry in answer.get("Successful", ())}
                reasons = {
                    int(entry["Id"]): f"{entry['Code']}: {entry.get('Message', '')}"
                    for entry in answer.get("Failed", ())
                }
                unconfirmed |= {
                    index: reasons.get(index, "the queue did not answer for it")
                    for index in indexes
                    if index not in confirmed
                }
        if unreachable is not None:
            unconfirmed |= dict.fromkeys(indexes, unreachable)
    return unconfirmed


def _size(message: Mapping[str, Any]) -> int:
    attributes = message.get("MessageAttributes", {})
    return len(message["MessageBody"].encode()) + sum(
        len(name) + sum(len(part) for part in attribute.values()) for name, attribute in attributes.items()
    )
