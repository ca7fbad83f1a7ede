"""The functions of the shop, one after the other as an order meets them."""

import base64
import json
import os
from typing import Any

import boto3


class OutOfStockError(Exception):
    """There is no more of it."""


def take(event: dict[str, Any], context: object) -> dict[str, Any]:
    """POST /orders publishes the body, an order; GET /orders/<id> gives its state."""
    if event["requestContext"]["http"]["method"] == "POST":
        boto3.client("sns").publish(TopicArn=os.environ["TOPIC"], Message=event["body"])
        return {"statusCode": 202}
    found = boto3.client("dynamodb").get_item(
        TableName=os.environ["TABLE"], Key={"id": {"S": event["pathParameters"]["id"]}}
    )
    return {"statusCode": 200, "body": found["Item"]["state"]["S"]} if "Item" in found else {"statusCode": 404}


def hear(event: dict[str, Any], context: object) -> None:
    """Note what is said on the topic, and which topic that is."""
    for record in event["Records"]:
        put(f"heard of {record['Sns']['Message']}", record["Sns"]["TopicArn"])


def store(event: dict[str, Any], context: object) -> None:
    """Store the orders of a batch of messages."""
    for record in event["Records"]:
        put(json.loads(json.loads(record["body"])["Message"])["id"], "stored")


def relay(event: dict[str, Any], context: object) -> None:
    """Pass new orders on, and note which ones the table let expire."""
    for record in event["Records"]:
        order = record["dynamodb"]["Keys"]["id"]["S"]
        if record["eventName"] == "INSERT" and record["dynamodb"]["NewImage"]["state"]["S"] == "stored":
            boto3.client("kinesis").put_record(
                StreamName=os.environ["STREAM"], Data=json.dumps({"id": order}), PartitionKey=order
            )
        if record.get("userIdentity", {}).get("principalId") == "dynamodb.amazonaws.com":
            put(f"{order} has expired", "noted")


def ship(event: dict[str, Any], context: object) -> None:
    """Start the shipping of each order in a batch of records."""
    for record in event["Records"]:
        order = base64.b64decode(record["kinesis"]["data"]).decode()
        boto3.client("stepfunctions").start_execution(stateMachineArn=os.environ["MACHINE"], input=order)


def packer(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Pack an order, if there is any of it."""
    if event["id"].startswith("rare"):
        raise OutOfStockError(event["id"])
    return {"weight": 1}


def clumsy(event: dict[str, Any], context: object) -> None:
    """Drop everything."""
    raise RuntimeError("dropped")


def tick(event: dict[str, Any], context: object) -> None:
    """Note who called; a rule does so with its own kind of event."""
    put(f"called by {event['source']}", event.get("detail-type", "noted"))


def put(order: str, state: str) -> None:
    """Keep *state* in the table."""
    boto3.client("dynamodb").put_item(TableName=os.environ["TABLE"], Item={"id": {"S": order}, "state": {"S": state}})
