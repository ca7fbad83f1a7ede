"""How long a message waits, and by what means."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from constructs_lib.runtime.outcomes import Failed, Held, NotBegun
from constructs_lib.runtime.queue_holds import GiveUp, Hide, Holds, SendAgain
from constructs_lib.runtime.records import Arrival, Queued, Record

DAY = 86_400.0
ARRIVED = 1_000_000_000.0
HOLDS = Holds(max_receive_count=5, retention_seconds=4 * DAY, jitter=lambda: 1.0)


def unread() -> Record:
    raise NotImplementedError


def arrival(*, deliveries: int = 1, held_since: float | str | None = None, fifo: bool = False) -> Arrival:
    attributes = {} if held_since is None else {"held_since": {"stringValue": str(held_since), "dataType": "Number"}}
    return Arrival(
        position="1",
        name="1",
        source="arn",
        arrived=datetime.fromtimestamp(ARRIVED, UTC),
        payload="{}",
        payload_encoding="utf-8",
        deliveries=deliveries,
        queued=Queued(receipt="r", ordered=fifo, attributes=attributes),
        read=unread,
    )


def seconds(holds: Holds = HOLDS, *, deliveries: int = 1, outcome: Held | Failed | NotBegun, fifo: bool = False) -> int:
    wait = replace(holds, max_receive_count=10**9).wait(arrival(deliveries=deliveries, fifo=fifo), outcome, ARRIVED)
    assert isinstance(wait, Hide)
    return wait.seconds


def test_a_held_message_waits_twice_as_long_each_time_within_bounds() -> None:
    """From 5 seconds to 15 minutes, and with jitter from half of that."""
    held = Held("away")
    assert [seconds(deliveries=number, outcome=held) for number in range(1, 10)] == [
        5, 10, 20, 40, 80, 160, 320, 640, 900,
    ]  # fmt: skip
    assert seconds(deliveries=100_000, outcome=held) == 900
    early = Holds(max_receive_count=5, retention_seconds=4 * DAY, jitter=lambda: 0.0)
    assert [seconds(early, deliveries=number, outcome=held) for number in (1, 2, 3, 9)] == [5, 5, 10, 450]


@pytest.mark.parametrize(
    ("outcome", "fifo"), [(Failed("broken"), False), (Failed("broken"), True), (Held("away"), True)]
)
def test_where_deliveries_are_counted_a_message_waits_four_times_as_long_each_time(
    outcome: Failed | Held, fifo: bool
) -> None:
    """Those of what fails, and all of a FIFO queue: five of them last through some minutes of trouble."""
    waits = [seconds(deliveries=number, outcome=outcome, fifo=fifo) for number in range(1, 7)]
    assert waits == [5, 20, 80, 320, 900, 900]


@pytest.mark.parametrize(
    ("after", "wait"), [(0, 5), (61.4, 61), (10_000, 900), (float("inf"), 900), (float("nan"), 5), (-1, 5)]
)
def test_the_other_side_may_say_when_to_try_again(after: float, wait: int) -> None:
    """Within the same bounds."""
    assert seconds(deliveries=4, outcome=Held("429", retry_after=after)) == wait


def test_what_was_not_begun_is_back_at_once() -> None:
    """Nothing is known that it should wait for."""
    assert seconds(deliveries=3, outcome=NotBegun()) == 0


def test_a_held_message_is_sent_again_before_its_deliveries_run_out() -> None:
    """With two of five to spare; it remembers since when it has been held, through all its lives."""
    now = ARRIVED + 100
    assert [HOLDS.wait(arrival(deliveries=number), Held("away"), now) for number in (1, 2)] == [Hide(5), Hide(10)]
    assert [HOLDS.wait(arrival(deliveries=number), Held("away"), now) for number in (3, 4, 5)] == [
        SendAgain(20, int(now)),
        SendAgain(40, int(now)),
        SendAgain(80, int(now)),
    ]
    since = int(now) - 30
    assert HOLDS.wait(arrival(deliveries=4, held_since=since), Held("away"), now) == SendAgain(40, since)


@pytest.mark.parametrize("most", [1, 2])
def test_where_a_message_has_hardly_any_deliveries_it_is_sent_again_at_once(most: int) -> None:
    """A hold never is the last delivery."""
    holds = Holds(max_receive_count=most, retention_seconds=4 * DAY, jitter=lambda: 1.0)
    assert holds.wait(arrival(), Held("away"), ARRIVED) == SendAgain(5, int(ARRIVED))


def test_a_message_held_for_long_is_asked_about_less_often() -> None:
    """A quarter of the time it has been held, though its deliveries are counted anew."""
    held = arrival(held_since=int(ARRIVED))
    assert HOLDS.wait(held, Held("away"), ARRIVED + 400) == Hide(100)
    assert HOLDS.wait(held, Held("away"), ARRIVED + 10_000) == Hide(900)


def test_a_message_held_for_longer_than_the_retention_is_given_up() -> None:
    """Then somebody has to look; until then it is not a dead letter."""
    fresh = ARRIVED - 4 * DAY
    assert isinstance(HOLDS.wait(arrival(deliveries=4, held_since=int(fresh)), Held("away"), ARRIVED), SendAgain)
    wait = HOLDS.wait(arrival(held_since=int(fresh) - 1), Held("away"), ARRIVED)
    assert wait == GiveUp("held for longer than 345600 seconds, the queue's retention: away")


@pytest.mark.parametrize("since", ["yesterday", "-5", "1" * 40, ""])
def test_a_time_that_makes_no_sense_is_none(since: str) -> None:
    """Anyone who may send may write attributes."""
    wait = HOLDS.wait(arrival(deliveries=4, held_since=since), Held("away"), ARRIVED)
    assert wait == SendAgain(40, int(ARRIVED))


def test_what_the_queue_would_drop_is_not_left_there() -> None:
    """Sent again where it waits, given up where it fails or must keep its order."""
    late = ARRIVED + 4 * DAY - 3_600
    assert HOLDS.wait(arrival(), Held("away"), late) == SendAgain(5, int(late))
    assert HOLDS.wait(arrival(), NotBegun(), late) == SendAgain(0, None)
    assert HOLDS.wait(arrival(), Failed("broken"), late) == GiveUp(
        "the queue would drop it before the next try: broken"
    )
    for outcome in (Held("away"), NotBegun()):
        assert isinstance(HOLDS.wait(arrival(fifo=True), outcome, late), GiveUp)
    assert isinstance(HOLDS.wait(arrival(), Failed("broken"), late - 60), Hide)


def test_no_wait_is_longer_than_a_part_of_a_short_retention() -> None:
    """A message that is hidden for as long as the queue keeps it would never be seen again."""
    short = Holds(max_receive_count=5, retention_seconds=60, jitter=lambda: 1.0)
    assert short.wait(arrival(), Held("away", retry_after=900), ARRIVED) == Hide(6)


def test_a_message_that_was_not_begun_is_not_said_to_be_held() -> None:
    """It is sent again when its deliveries run out, and given up for no length of time."""
    assert HOLDS.wait(arrival(deliveries=4), NotBegun(), ARRIVED) == SendAgain(0, None)
    old = int(ARRIVED - 9 * DAY)
    assert HOLDS.wait(arrival(deliveries=4, held_since=old), NotBegun(), ARRIVED) == SendAgain(0, old)


def test_a_fifo_message_is_only_ever_hidden() -> None:
    """Sent again, it would be behind those that come after it."""
    assert HOLDS.wait(arrival(deliveries=4, fifo=True), Held("away"), ARRIVED) == Hide(320)


@pytest.mark.parametrize(
    ("outcome", "why"), [(Held("away"), "away"), (Failed("reset"), "reset"), (NotBegun(), "there was no time for it")]
)
def test_the_last_delivery_of_a_fifo_message_is_not_left_to_the_queue(
    outcome: Held | Failed | NotBegun, why: str
) -> None:
    """It would give the message up without a word, and those behind it together with it."""
    wait = HOLDS.wait(arrival(deliveries=5, fifo=True), outcome, ARRIVED)
    assert wait == GiveUp(f"it has been delivered 5 times: {why}")
