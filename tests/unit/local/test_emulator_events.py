import json
from types import ModuleType
from typing import Any

import pytest

from constructs_lib.local import _emulator_events as events

HERE = "arn:aws:lambda:eu-west-1:000000000000:function:here"
NOWHERE = "arn:aws:lambda:eu-west-1:000000000000:function:nowhere"


class Emulator:
    """What of the emulator takes events to functions."""

    def __init__(self) -> None:
        self.queued: list[tuple[Any, Any]] = []
        self.passed_by: list[str] = []
        self.eventbridge: Any = ModuleType("eventbridge")
        self.scheduler: Any = ModuleType("scheduler")
        self.sns: Any = ModuleType("sns")
        service = ModuleType("lambda_svc")
        vars(service).update(
            _get_func_record_for_ref=lambda arn: ("function", "config", "here") if arn == HERE else (None, None, "?"),
            _execution_record_for_config=lambda function, config: f"{function} with {config}",
            invoke_async_with_retry=lambda function, event: self.queued.append((function, event)),
        )
        vars(self.eventbridge).update(
            _SCHEDULER_TICK_INTERVAL=10, _dispatch_to_lambda=lambda arn, _payload: self.passed_by.append(arn)
        )
        vars(self.scheduler).update(_SCHEDULE_TICK_INTERVAL=10)
        vars(self.sns).update(_deliver_to_lambda=lambda endpoint, *_: self.passed_by.append(endpoint))
        events.register(
            {
                "ministack.services.lambda_svc": service,
                "ministack.services.eventbridge": self.eventbridge,
                "ministack.services.scheduler": self.scheduler,
                "ministack.services.sns": self.sns,
            }.__getitem__
        )


@pytest.fixture
def emulator() -> Emulator:
    return Emulator()


def test_a_rule_hands_its_event_to_the_queue_of_lambda(emulator: Emulator) -> None:
    """There a failing function is tried again and its destination told; so is that of a schedule."""
    emulator.eventbridge._dispatch_to_lambda(HERE, '{"source": "aws.events"}')

    assert emulator.queued == [("function with config", {"source": "aws.events"})]
    assert emulator.passed_by == []


def test_a_topic_hands_its_message_to_the_queue_of_lambda(emulator: Emulator) -> None:
    """In the form that functions get messages of SNS in."""
    emulator.sns._deliver_to_lambda(HERE, json.dumps({"Message": "hello"}), "topic", "subscription", "1", "hello", {})

    assert emulator.queued == [
        (
            "function with config",
            {
                "Records": [
                    {
                        "EventVersion": "1.0",
                        "EventSubscriptionArn": "subscription",
                        "EventSource": "aws:sns",
                        "Sns": {"Message": "hello"},
                    }
                ]
            },
        )
    ]


def test_a_function_that_is_not_there_is_left_to_the_emulator(emulator: Emulator) -> None:
    """It says so in its log."""
    emulator.eventbridge._dispatch_to_lambda(NOWHERE, "{}")
    emulator.sns._deliver_to_lambda(NOWHERE, "{}", "topic", "subscription", "1", "", {})

    assert emulator.passed_by == [NOWHERE, NOWHERE]
    assert emulator.queued == []


def test_schedules_are_looked_at_every_second(emulator: Emulator) -> None:
    """A rule or a schedule that is due does not wait for ten."""
    assert emulator.eventbridge._SCHEDULER_TICK_INTERVAL == 1
    assert emulator.scheduler._SCHEDULE_TICK_INTERVAL == 1
