"""The one function of the regional app: puts what it is given into its region's replica, and calls other regions."""

import base64
import os
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

IMPATIENT = Config(connect_timeout=2, read_timeout=2, retries={"total_max_attempts": 1})
REGION = "AWS_REGION"


def handle(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Answer an HTTP request, or store what a batch brings."""
    if "Records" in event:
        for record in event["Records"]:
            put(base64.b64decode(record["kinesis"]["data"]).decode())
        return {}
    status, body = answer(*f"{event['rawPath']}/".split("/")[1:3])
    return {"statusCode": status, "body": body}


def answer(action: str, argument: str) -> tuple[int, str]:
    """Status and body: health/, put/<order>, call/<region>."""
    try:
        if action == "put":
            put(argument)
            return 201, os.environ[REGION]
        if action == "call":
            boto3.client("sqs", region_name=argument, config=IMPATIENT).list_queues()
            return 200, argument
    except ClientError as error:
        return 500, error.response["Error"]["Code"]
    except BotoCoreError as error:
        return 504, type(error).__name__
    return 200, "healthy"


def put(order: str) -> None:
    """Store an order with the region that took it."""
    item = {"id": {"S": order}, "region": {"S": os.environ[REGION]}}
    boto3.client("dynamodb", config=IMPATIENT).put_item(TableName="orders", Item=item)
