"""Runs inside the emulator's own environment: schedules of EventBridge Scheduler that call when AWS's do.

The emulator begins a rate one interval late and counts in UTC whatever the time zone; its CloudFormation forgets the time
zone and the dates between which a schedule runs. Facts: "Schedule types in EventBridge Scheduler" and "Adding context
attributes in EventBridge Scheduler" in its user guide.
"""

import logging
import math
import re
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

TOUCHED: dict[str, dict[str, list[str] | None]] = {
    "ministack.services.scheduler": {"_schedules": None, "_tick_schedules": [], "_to_epoch": ["value"]},
    "ministack.services.eventbridge": {
        "_cron_next_fire": ["fields", "after_dt"],
        "_invoke_target": ["target", "event", "rule", "view"],
        "_parse_cron_fields": ["expr"],
    },
    "ministack.core.responses": {"set_request_account_id": ["access_key_id"], "set_request_region": ["region"]},
    "ministack.services.cloudformation.provisioners": {"_RESOURCE_HANDLERS": None},
}

_LOG = logging.getLogger(__name__)
_TYPE = "AWS::Scheduler::Schedule"
_FORGOTTEN = ("ScheduleExpressionTimezone", "StartDate", "EndDate")
_ONCE = re.compile(r"at\((?P<moment>[^)]+)\)")
_RATE = re.compile(r"rate\((?P<number>\d+) (?P<unit>minute|hour|day)s?\)")
# A day is 24 hours by the clock, whatever the time zone does to it.
_SECONDS = {"minute": 60, "hour": 3_600, "day": 86_400}

Cron = Callable[[str, datetime], datetime | None]
"""The first minute after one by the clock on the wall that a cron expression names; None: there is none."""


def register(module: Callable[[str], Any]) -> None:
    """Let schedules call at their time, and keep what a template says of it.

    Args:
        module: Gives a module of the emulator by name.
    """
    scheduler, eventbridge = module("ministack.services.scheduler"), module("ministack.services.eventbridge")
    handlers = module("ministack.services.cloudformation.provisioners")._RESOURCE_HANDLERS[_TYPE]
    stock_create, stock_update = handlers["create"], handlers["update"]

    def keep(name: str, props: dict[str, Any]) -> None:
        schedule = scheduler._schedules[f"{props.get('GroupName', 'default')}/{name}"]
        schedule |= {forgotten: props.get(forgotten) for forgotten in _FORGOTTEN}

    def create(logical_id: str, props: dict[str, Any], stack_name: str) -> tuple[str, dict[str, Any]]:
        name, attributes = stock_create(logical_id, props, stack_name)
        keep(name, props)
        return name, attributes

    def update(
        physical_id: str, old: dict[str, Any], new: dict[str, Any], stack_name: str
    ) -> tuple[str, dict[str, Any]]:
        name, attributes = stock_update(physical_id, old, new, stack_name)
        keep(name, new)
        return name, attributes

    handlers |= {"create": create, "update": update}
    schedules = Schedules(scheduler, eventbridge, module("ministack.core.responses"))
    scheduler._tick_schedules = lambda: schedules.call_due(time.time())


def next_call(
    expression: str, after: float, *, begin: float, end: float | None, zone: ZoneInfo, cron: Cron
) -> float | None:
    """The first second later than *after* at which a schedule calls its target; None: it never does again.

    Args:
        expression: `rate(...)`, `cron(...)` or `at(...)`.
        after: Second of the last call, or any before the first.
        begin: Second from which on the schedule counts; a rate calls then for the first time.
        end: Second after which it does not call any more; None: there is no end.
        zone: Time zone of *expression*.
        cron: Reads cron expressions.
    """
    found: float | None
    if once := _ONCE.fullmatch(expression):
        found = _second(datetime.fromisoformat(once["moment"]), zone)
        found = found if found is not None and found > after else None
    elif rate := _RATE.fullmatch(expression):
        interval = int(rate["number"]) * _SECONDS[rate["unit"]]
        found = begin + max(0, math.floor((after - begin) / interval) + 1) * interval
    else:
        found = _next_by_cron(expression, max(after, begin - 1), zone, cron)
    return found if found is not None and (end is None or found <= end) else None


class Schedules:
    """Calls what is due, in place of the emulator's own loop.

    Args:
        scheduler: The emulator's module of that name, which holds the schedules.
        eventbridge: Its module of that name, which reads cron expressions and calls targets.
        responses: Its module that knows whose request is served.
    """

    def __init__(self, scheduler: Any, eventbridge: Any, responses: Any) -> None:
        self._scheduler = scheduler
        self._eventbridge = eventbridge
        self._responses = responses
        self._called: dict[Any, float] = {}

    def call_due(self, now: float) -> None:
        """Call, at second *now*, the target of each schedule that is due; once, however often it was due since."""
        for place, schedule in list(self._scheduler._schedules._data.items()):
            after = max(self._called.get(place, 0.0), schedule["CreationDate"] - 1)
            if schedule["State"] != "ENABLED":
                continue
            due = self._next(schedule, after)
            if due is not None and due <= now:
                self._called[place] = now
                self._call(place, schedule, due)
                due = self._next(schedule, now)
            if due is None and schedule.get("ActionAfterCompletion") == "DELETE":
                self._scheduler._schedules._data.pop(place, None)

    def _next(self, schedule: dict[str, Any], after: float) -> float | None:
        second = self._scheduler._to_epoch
        begin = second(schedule.get("StartDate"))
        return next_call(
            schedule["ScheduleExpression"],
            after,
            begin=schedule["CreationDate"] if begin is None else begin,
            end=second(schedule.get("EndDate")),
            zone=ZoneInfo(schedule.get("ScheduleExpressionTimezone") or "UTC"),
            cron=self._cron,
        )

    def _cron(self, expression: str, local: datetime) -> datetime | None:
        fields = self._eventbridge._parse_cron_fields(expression)
        # It reckons with any time as if it were UTC.
        found = self._eventbridge._cron_next_fire(fields, local.replace(tzinfo=UTC)) if fields else None
        return found.replace(tzinfo=None) if found else None

    def _call(self, place: tuple[str, str, str], schedule: dict[str, Any], due: float) -> None:
        account, region, _ = place
        self._responses.set_request_account_id(account)
        self._responses.set_request_region(region)
        event = {
            "EventId": str(uuid.uuid4()),
            "Source": "aws.scheduler",
            "DetailType": "Scheduled Event",
            "Detail": "{}",
            "Time": due,
            "Resources": [schedule["Arn"]],
            "Account": account,
            "Region": region,
        }
        try:
            self._eventbridge._invoke_target(_with_attributes(schedule, due), event, schedule)
        except Exception:  # noqa: BLE001 - whatever one target did, those of other schedules are called
            _LOG.exception("%s did not reach its target", schedule["Arn"])


def _next_by_cron(expression: str, after: float, zone: ZoneInfo, cron: Cron) -> float | None:
    local: datetime | None = datetime.fromtimestamp(after, zone).replace(tzinfo=None)
    while local is not None and (local := cron(expression, local)) is not None:
        # What a change of the clocks leaves out is passed over, what it repeats counts the first time only.
        found = _second(local, zone)
        if found is not None and found > after:
            return found
    return None


def _second(local: datetime, zone: ZoneInfo) -> float | None:
    """The second at which the clocks of *zone* show *local* for the first time; None if they never do."""
    moment = local.replace(tzinfo=zone, fold=0).timestamp()
    return moment if datetime.fromtimestamp(moment, zone).replace(tzinfo=None) == local else None


def _with_attributes(schedule: dict[str, Any], due: float) -> dict[str, Any]:
    """The target of *schedule*, with the context attributes in its input filled in."""
    target: dict[str, Any] = schedule["Target"]
    if "Input" not in target:
        return target
    text = str(target["Input"])
    for name, value in {
        "schedule-arn": schedule["Arn"],
        "scheduled-time": f"{datetime.fromtimestamp(due, UTC):%Y-%m-%dT%H:%M:%SZ}",
        "execution-id": uuid.uuid4().hex[:16],
        "attempt-number": "1",
    }.items():
        text = text.replace(f"<aws.scheduler.{name}>", value)
    return {**target, "Input": text}
