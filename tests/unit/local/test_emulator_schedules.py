from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from constructs_lib.local import _emulator_schedules as schedules

BERLIN, NOWHERE = ZoneInfo("Europe/Berlin"), ZoneInfo("UTC")
ARN = "arn:aws:scheduler:eu-west-1:000000000000:schedule/default/each"
PLACE = ("000000000000", "eu-west-1", "default/each")


def second(text: str) -> float:
    """A moment of UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


NOON = second("2026-03-01T12:00:00")


def daily(expression: str, local: datetime) -> datetime | None:
    """Reads `cron(M H * * ? *)`, as the emulator does: the first such minute after the minute of *local*."""
    minute, hour = expression.removeprefix("cron(").split()[:2]
    found = local.replace(hour=int(hour), minute=int(minute), second=0, microsecond=0)
    return found if found > local.replace(second=0, microsecond=0) else found + timedelta(days=1)


def calls(expression: str, *, after: float, count: int, zone: ZoneInfo = NOWHERE, **options: Any) -> list[str]:
    """The next moments at which a schedule calls, in UTC."""
    found: list[str] = []
    settings: dict[str, Any] = {"begin": NOON, "end": None, **options}
    while len(found) < count:
        moment = schedules.next_call(expression, after, zone=zone, cron=daily, **settings)
        if moment is None:
            break
        found.append(f"{datetime.fromtimestamp(moment, UTC):%m-%d %H:%M:%S}")
        after = moment
    return found


def test_a_rate_begins_at_once_and_keeps_its_pace() -> None:
    """From the creation or the start date on; what was missed is not made up for, and the pace stays."""
    assert calls("rate(1 minute)", after=NOON - 1, count=3) == ["03-01 12:00:00", "03-01 12:01:00", "03-01 12:02:00"]
    assert calls("rate(1 minute)", after=NOON + 605.5, count=1) == ["03-01 12:11:00"]
    assert calls("rate(5 minutes)", after=NOON - 9_999, count=1, begin=NOON + 30) == ["03-01 12:00:30"]


def test_a_day_of_a_rate_is_24_hours() -> None:
    """Also when the clocks of the time zone are set forward in between."""
    begin = second("2026-03-28T12:00:00")

    assert calls("rate(1 day)", after=begin, count=2, begin=begin, zone=BERLIN) == ["03-29 12:00:00", "03-30 12:00:00"]
    assert calls("rate(2 hours)", after=begin, count=1, begin=begin) == ["03-28 14:00:00"]


def test_cron_counts_by_the_clocks_of_the_time_zone() -> None:
    """Noon in Berlin is one hour earlier by UTC in winter, and two in summer."""
    after = second("2026-03-27T12:00:00")

    assert calls("cron(0 12 * * ? *)", after=after, count=3, zone=BERLIN) == [
        "03-28 11:00:00",
        "03-29 10:00:00",
        "03-30 10:00:00",
    ]
    assert calls("cron(0 12 * * ? *)", after=after, count=1) == ["03-28 12:00:00"]


def test_a_time_that_the_clocks_leave_out_is_passed_over() -> None:
    """There is no half past two when they are set forward."""
    after = second("2026-03-28T12:00:00")

    assert calls("cron(30 2 * * ? *)", after=after, count=2, zone=BERLIN) == ["03-30 00:30:00", "03-31 00:30:00"]


def test_a_time_that_the_clocks_show_twice_counts_once() -> None:
    """The first half past two, when they are set back; nor does it count again for one that looks in between."""
    after = second("2026-10-24T12:00:00")

    assert calls("cron(30 2 * * ? *)", after=after, count=2, zone=BERLIN) == ["10-25 00:30:00", "10-26 01:30:00"]
    between = second("2026-10-25T01:10:00")
    assert calls("cron(30 2 * * ? *)", after=between, count=1, zone=BERLIN) == ["10-26 01:30:00"]


def test_a_schedule_runs_between_its_dates() -> None:
    """It does not call before the first and not after the second."""
    begin, end = second("2026-03-03T12:00:00"), second("2026-03-04T12:00:00")

    assert calls("cron(0 12 * * ? *)", after=NOON, count=9, begin=begin, end=end) == [
        "03-03 12:00:00",
        "03-04 12:00:00",
    ]
    assert calls("rate(1 day)", after=NOON, count=9, begin=begin, end=end) == ["03-03 12:00:00", "03-04 12:00:00"]


def test_a_moment_comes_once() -> None:
    """By the clocks of the time zone."""
    assert calls("at(2026-07-01T12:00:00)", after=NOON, count=9, zone=BERLIN) == ["07-01 10:00:00"]
    assert calls("at(2026-02-01T12:00:00)", after=NOON, count=9) == []


class Emulator:
    """What of the emulator holds schedules and calls targets."""

    def __init__(self) -> None:
        self.called: list[tuple[dict[str, Any], dict[str, Any]]] = []
        self.scope: list[str] = []
        self.fails = False
        self.scheduler: Any = ModuleType("scheduler")
        self.eventbridge: Any = ModuleType("eventbridge")
        responses, self.provisioners = ModuleType("responses"), ModuleType("provisioners")
        store = type("Store", (dict,), {"_data": property(lambda self: self)})()
        vars(self.scheduler).update(
            _schedules=store,
            _tick_schedules=None,
            _to_epoch=lambda value: value if value is None or isinstance(value, float) else second(value[:-1]),
        )
        vars(self.eventbridge).update(
            _parse_cron_fields=lambda expression: expression if expression.startswith("cron(") else None,
            _cron_next_fire=daily,
            _invoke_target=self.invoke,
        )
        vars(responses).update(set_request_account_id=self.scope.append, set_request_region=self.scope.append)
        stock = {"create": self.create, "update": lambda name, _old, _new, _stack: (name, {})}
        vars(self.provisioners)["_RESOURCE_HANDLERS"] = {"AWS::Scheduler::Schedule": stock}
        self.modules = {
            "ministack.services.scheduler": self.scheduler,
            "ministack.services.eventbridge": self.eventbridge,
            "ministack.core.responses": responses,
            "ministack.services.cloudformation.provisioners": self.provisioners,
        }
        self.schedules = schedules.Schedules(self.scheduler, self.eventbridge, responses)

    def create(self, name: str, props: dict[str, Any], _stack: str) -> tuple[str, dict[str, Any]]:
        self.scheduler._schedules[f"{props.get('GroupName', 'default')}/{name}"] = {"Name": name}
        return name, {}

    def invoke(self, target: dict[str, Any], event: dict[str, Any], _schedule: Any) -> None:
        self.called.append((target, event))
        if self.fails:
            raise RuntimeError("no such target")

    def has(self, expression: str, **options: Any) -> None:
        self.scheduler._schedules[PLACE] = {
            **{"Arn": ARN, "State": "ENABLED", "CreationDate": NOON, "Target": {"Arn": "function"}},
            **{"ScheduleExpression": expression, **options},
        }

    def times(self) -> list[float]:
        return [event["Time"] - NOON for _, event in self.called]


@pytest.fixture
def emulator() -> Emulator:
    return Emulator()


def test_what_is_due_is_called_in_its_own_region(emulator: Emulator) -> None:
    """Once for each time; a region that was stopped for a while goes on with one call, not with all it missed."""
    emulator.has("rate(1 minute)")

    for now in (0.2, 1.2, 59.9, 60.3, 61.3, 600.5, 601.5, 660.1):
        emulator.schedules.call_due(NOON + now)

    assert emulator.times() == [0, 60, 120, 660]
    assert emulator.scope[:2] == list(PLACE[:2])
    target, event = emulator.called[0]
    assert target == {"Arn": "function"}
    assert (event["Source"], event["Resources"], event["Region"]) == ("aws.scheduler", [ARN], "eu-west-1")


def test_a_disabled_schedule_calls_nobody(emulator: Emulator) -> None:
    """It stays as it is."""
    emulator.has("rate(1 minute)", State="DISABLED")
    emulator.schedules.call_due(NOON + 600)

    assert emulator.called == []
    assert PLACE in emulator.scheduler._schedules


@pytest.mark.parametrize(("action", "stays"), [("NONE", True), ("DELETE", False)])
def test_a_completed_schedule_goes_if_it_is_meant_to(emulator: Emulator, action: str, stays: bool) -> None:
    """After its one call, or after its last."""
    emulator.has("at(2026-03-01T12:00:30)", ActionAfterCompletion=action)
    emulator.schedules.call_due(NOON + 29)
    assert PLACE in emulator.scheduler._schedules

    emulator.schedules.call_due(NOON + 31)
    emulator.schedules.call_due(NOON + 32)
    assert emulator.times() == [30]
    assert (PLACE in emulator.scheduler._schedules) is stays


def test_dates_and_time_zone_of_the_schedule_count(emulator: Emulator) -> None:
    """As the emulator holds them: dates as text or seconds."""
    emulator.has(
        "cron(0 14 * * ? *)",
        ScheduleExpressionTimezone="Europe/Berlin",
        StartDate="2026-03-02T00:00:00Z",
        EndDate=second("2026-03-03T00:00:00"),
    )
    for hour in range(72):
        emulator.schedules.call_due(NOON + hour * 3_600 + 5)

    assert emulator.times() == [25 * 3_600]


def test_a_target_that_fails_does_not_keep_others_from_being_called(emulator: Emulator) -> None:
    """The failure is logged; there is no second call for that time."""
    emulator.fails = True
    emulator.has("rate(1 minute)")
    emulator.scheduler._schedules[(*PLACE[:2], "default/other")] = dict(emulator.scheduler._schedules[PLACE])

    emulator.schedules.call_due(NOON)
    emulator.schedules.call_due(NOON + 1)

    assert len(emulator.called) == 2


def test_the_input_knows_the_call(emulator: Emulator) -> None:
    """Its placeholders are filled in, each time anew."""
    names = ("schedule-arn", "scheduled-time", "execution-id", "attempt-number")
    emulator.has("rate(1 minute)", Target={"Input": " ".join(f"<aws.scheduler.{name}>" for name in names)})

    emulator.schedules.call_due(NOON + 0.7)
    emulator.schedules.call_due(NOON + 60.7)

    first, other = (target["Input"].split() for target, _ in emulator.called)
    assert (first[0], first[1], first[3]) == (ARN, "2026-03-01T12:00:00Z", "1")
    assert other[1] == "2026-03-01T12:01:00Z"
    assert first[2] != other[2]


def test_a_template_says_when_a_schedule_runs(emulator: Emulator) -> None:
    """Time zone and dates are kept, and go with the template; the emulator's own loop calls nobody any more."""
    schedules.register(emulator.modules.__getitem__)
    handlers = vars(emulator.provisioners)["_RESOURCE_HANDLERS"]["AWS::Scheduler::Schedule"]
    props = {"GroupName": "night", "ScheduleExpressionTimezone": "Europe/Berlin", "StartDate": "2026-03-02T00:00:00Z"}

    handlers["create"]("each", props, "stack")
    kept = emulator.scheduler._schedules.pop("night/each")
    assert kept == {"Name": "each", **{name: props.get(name) for name in schedules._FORGOTTEN}}

    emulator.scheduler._schedules["night/each"] = kept
    handlers["update"]("each", props, {"GroupName": "night"}, "stack")
    assert kept["ScheduleExpressionTimezone"] is None

    emulator.scheduler._schedules.clear()
    emulator.has("rate(1 minute)")
    emulator.scheduler._tick_schedules()
    assert len(emulator.called) == 1
