"""Runs inside the emulator's own environment: events reach functions as asynchronous invocations, and on time.

EventBridge and SNS hand an event to Lambda's queue, which tries a failing function twice more and then tells its
on-failure destination. The emulator keeps such a queue for calls of Invoke, but lets these two pass it by. Its
schedules are looked at every ten seconds. Facts: "Invoking a Lambda function asynchronously" in the Lambda developer
guide; the event of SNS in "Invoking Lambda functions with Amazon SNS notifications".
"""

import json
from collections.abc import Callable
from typing import Any

TOUCHED: dict[str, dict[str, list[str] | None]] = {
    "ministack.services.lambda_svc": {
        "_execution_record_for_config": ["func", "config"],
        "_get_func_record_for_ref": ["function_ref"],
        "invoke_async_with_retry": ["func", "event"],
    },
    "ministack.services.eventbridge": {"_SCHEDULER_TICK_INTERVAL": None, "_dispatch_to_lambda": ["arn", "payload"]},
    "ministack.services.scheduler": {"_SCHEDULE_TICK_INTERVAL": None},
    "ministack.services.sns": {
        "_deliver_to_lambda": [
            *("endpoint", "envelope", "topic_arn", "sub_arn", "msg_id", "raw_message", "message_attributes")
        ],
    },
}

_SECONDS_BETWEEN_LOOKS = 1


def register(module: Callable[[str], Any]) -> None:
    """Let rules, schedules and topics invoke functions through Lambda's queue.

    Args:
        module: Gives a module of the emulator by name.
    """
    service = module("ministack.services.lambda_svc")
    eventbridge, sns = module("ministack.services.eventbridge"), module("ministack.services.sns")
    stock_rule, stock_topic = eventbridge._dispatch_to_lambda, sns._deliver_to_lambda

    def queued(arn: str, event: Any) -> bool:
        """Whether there is a function to hand *event* to."""
        function, config, _ = service._get_func_record_for_ref(arn)
        if function and config:
            service.invoke_async_with_retry(service._execution_record_for_config(function, config), event)
        return bool(function and config)

    def from_rule(arn: str, payload: str) -> None:
        if not queued(arn, json.loads(payload)):
            # It says so in the log.
            stock_rule(arn, payload)

    def from_topic(endpoint: str, envelope: str, topic_arn: str, sub_arn: str, *more: Any) -> None:
        record = {"EventVersion": "1.0", "EventSubscriptionArn": sub_arn, "EventSource": "aws:sns"}
        if not queued(endpoint, {"Records": [{**record, "Sns": json.loads(envelope)}]}):
            stock_topic(endpoint, envelope, topic_arn, sub_arn, *more)

    eventbridge._dispatch_to_lambda = from_rule
    sns._deliver_to_lambda = from_topic
    eventbridge._SCHEDULER_TICK_INTERVAL = _SECONDS_BETWEEN_LOOKS
    module("ministack.services.scheduler")._SCHEDULE_TICK_INTERVAL = _SECONDS_BETWEEN_LOOKS
