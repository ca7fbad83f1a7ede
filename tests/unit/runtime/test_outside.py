"""Effects outside, made once: what k deliveries, crashes, other workers and a store that is away come to."""

import json
import threading
from collections.abc import Callable
from functools import partial

import pytest

from constructs_lib.runtime.claim_ports import Claim, Wanted
from constructs_lib.runtime.claim_states import CLOCK_MARGIN_SECONDS
from constructs_lib.runtime.claims import LARGEST_RESULT_BYTES
from constructs_lib.runtime.effects import Outside
from constructs_lib.runtime.failures import DependencyUnavailable, PermanentFailure
from constructs_lib.runtime.outcomes import (
    PAYLOAD_MISMATCH,
    Delivery,
    Done,
    Failed,
    Held,
    NotBegun,
    Outcome,
    Refused,
)
from constructs_lib.runtime.records import Record
from tests.standins.dynamodb import FakeDynamoDB, Moment
from tests.unit.runtime.claim_world import (
    REMEMBER_SECONDS,
    TIMEOUT_SECONDS,
    VISIBILITY_SECONDS,
    Crash,
    Provider,
    Worker,
    World,
    delivery,
)


def raising(error: BaseException) -> Callable[[], object]:
    """Return what raises *error*, the first time only."""
    left = [error]

    def answer() -> object:
        if left:
            raise left.pop()
        return "second time"

    return answer


@pytest.mark.requirement("IDM-01")
@pytest.mark.parametrize("effect", [Outside(), Outside(receiver_key=True), Outside(reconcile=lambda _: None)])
def test_k_deliveries_have_one_effect_and_one_result(effect: Outside) -> None:
    """Whichever worker gets them, and as copy or as redelivery: each is told what the first call returned."""
    world, provider = World(), Provider()
    outcomes = [
        world.worker(effect=effect).settle([delivery(position=f"p-{count}", deliveries=count)], provider.call)[0]
        for count in (1, 1, 2, 3)
    ]
    assert provider.calls == ["m-1"]
    assert outcomes == [Done({"call": 1}), *[Done({"call": 1}, repeated=True)] * 3]


@pytest.mark.requirement("IDM-03")
def test_message_is_remembered_for_the_set_time_and_processed_again_after_it() -> None:
    """By the clock in the code: the item is still in the table, for nothing has deleted it."""
    world, provider = World(), Provider()
    worker = world.worker()
    worker.settle([delivery()], provider.call)
    for again in (1, 2):
        world.time.pass_by(REMEMBER_SECONDS - 2)
        assert worker.settle([delivery(deliveries=again)], provider.call) == [Done({"call": again}, repeated=True)]
        world.time.pass_by(3)
        assert len(world.stored) == 1
        assert worker.settle([delivery(deliveries=again)], provider.call) == [Done({"call": again + 1})]


@pytest.mark.requirement("IDM-04")
def test_of_concurrent_copies_one_runs_and_the_others_are_retried_later() -> None:
    """While one worker is at work, every other one's copy has to wait, until after the worker's time is over at most."""
    world, provider = World(), Provider()
    others: list[Outcome] = []

    def handler(record: Record) -> object:
        for ahead in (-CLOCK_MARGIN_SECONDS, 0.0, CLOCK_MARGIN_SECONDS):
            others.extend(world.worker(ahead=ahead).settle([delivery(deliveries=2)], provider.call))
        return provider.call(record)

    assert world.worker().settle([delivery()], handler) == [Done({"call": 1})]
    assert [type(each) for each in others] == [Held] * 3
    waits = [each.retry_after for each in others if isinstance(each, Held)]
    assert waits == pytest.approx([TIMEOUT_SECONDS + CLOCK_MARGIN_SECONDS + shift for shift in (5, 0, -5)], abs=0.01)
    assert world.worker().settle([delivery(deliveries=2)], provider.call) == [Done({"call": 1}, repeated=True)]
    assert provider.calls == ["m-1"]


@pytest.mark.requirement("IDM-04")
def test_copies_in_threads_never_run_both() -> None:
    """Eight workers begin at the same moment with the same ten messages: each is called once."""
    world, provider = World(), Provider()
    begin = threading.Barrier(8)
    outcomes: list[Outcome] = []

    def work(number: int) -> None:
        worker = world.worker()
        messages = [delivery(f"m-{(number + index) % 10}") for index in range(10)]
        begin.wait()
        outcomes.extend(worker.settle(messages, provider.call))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(provider.calls) == [f"m-{index}" for index in range(10)]
    assert all(isinstance(each, Held | Done) for each in outcomes)
    assert sum(isinstance(each, Done) and not each.repeated for each in outcomes) == 10


@pytest.mark.requirement("IDM-05")
@pytest.mark.parametrize("timeout", [2.0, 30.0, 900.0])
def test_claim_lapses_with_the_invocation_and_a_redelivery_completes(timeout: float) -> None:
    """After the visibility time-out no redelivery is refused, though the clocks of the two workers differ."""
    world, provider = World(), Provider(answers={"m-1": raising(Crash())})
    with pytest.raises(Crash):
        world.worker(timeout_seconds=timeout, ahead=5).settle([delivery()], provider.call)
    world.time.pass_by(6 * timeout)
    outcomes = world.worker(timeout_seconds=timeout).settle([delivery(deliveries=2)], provider.call)
    assert outcomes == [Done("second time")]


@pytest.mark.requirement("IDM-06")
def test_other_payload_under_the_same_id_is_refused_with_a_code() -> None:
    """The sender has used one id for two messages; the first one keeps it."""
    world, provider = World(), Provider()
    world.worker().settle([delivery(text="sesame")], provider.call)
    for deliveries in (1, 2):
        [outcome] = world.worker().settle([delivery(text="open sesame", deliveries=deliveries)], provider.call)
        assert isinstance(outcome, Refused)
        assert outcome.code == PAYLOAD_MISMATCH
        assert "sesame" not in outcome.reason
    assert provider.calls == ["m-1"]


@pytest.mark.requirement("IDM-07")
def test_copies_in_two_regions_have_one_effect_with_one_store_and_two_with_two() -> None:
    """A store that is strongly consistent across regions is one table; a regional one knows nothing of the other."""

    def calls(first: World, second: World) -> list[str]:
        provider = Provider()
        for world in (first, second):
            world.worker().settle([delivery()], provider.call)
            world.worker().settle([delivery(deliveries=2)], provider.call)
        return provider.calls

    shared = FakeDynamoDB()
    assert calls(World(shared), World(shared)) == ["m-1"]
    assert calls(World(), World()) == ["m-1", "m-1"]


@pytest.mark.requirement("IDM-07")
def test_conflict_with_another_region_is_tried_again() -> None:
    """A strongly consistent store refuses a write while another region writes the item; that passes."""
    world, provider = World(), Provider()
    worker = world.worker()
    refusals = ["ReplicatedWriteConflict"] * 3
    worker.faults.refuse = lambda _: refusals.pop() if refusals else None
    assert worker.settle([delivery()], provider.call) == [Done({"call": 1})]


@pytest.mark.requirement("IDM-10")
@pytest.mark.parametrize("deliveries", [1, 2])
@pytest.mark.parametrize("fault", ["refused", "late", "lost", "throttled", "denied"])
def test_store_away_holds_messages_and_calls_nothing(fault: str, deliveries: int) -> None:
    """Whether it has carried the claim out or not: what is not known to be claimed is not begun."""
    world, provider = World(), Provider()
    worker = world.worker()
    match fault:
        case "throttled":
            worker.faults.refuse = lambda _: "ThrottlingError"
        case "denied":
            worker.faults.refuse = lambda _: "AccessDenied"
        case _:
            worker.faults.unreachable = lambda _: fault
    outcomes = worker.settle([delivery("a", deliveries=deliveries), delivery("b")], provider.call)
    assert [type(each) for each in outcomes] == [Held, Held]
    assert provider.calls == []
    assert worker.watch.published == {"StoreErrors": 2}
    world.time.pass_by(VISIBILITY_SECONDS)
    again = world.worker().settle([delivery("a", deliveries=2), delivery("b", deliveries=2)], provider.call)
    assert again == [Done({"call": 1}), Done({"call": 2})]


@pytest.mark.requirement("IDM-10")
def test_throttled_message_does_not_hold_the_others() -> None:
    """A statement that is throttled fails alone."""
    world, provider = World(), Provider()
    worker = world.worker()
    worker.faults.refuse = lambda action: "ThrottlingError" if action.key["id"]["S"].endswith("#b") else None
    outcomes = worker.settle([delivery("a"), delivery("b"), delivery("c")], provider.call)
    assert [type(each) for each in outcomes] == [Done, Held, Done]
    assert provider.calls == ["a", "c"]


def test_failed_message_is_free_at_once() -> None:
    """A handler that raises says that nothing has happened: the next delivery need not wait for the claim's end."""
    world = World()
    for error, kind in ((PermanentFailure("no"), Refused), (DependencyUnavailable("away"), Held), (KeyError(), Failed)):
        provider = Provider(answers={"m-1": raising(error)})
        assert isinstance(world.worker().settle([delivery()], provider.call)[0], kind)
        assert world.stored == []


def test_reason_and_time_to_wait_of_a_failure_reach_the_consumer() -> None:
    """What the handler said about its failure is the outcome."""
    world, provider = World(), Provider(answers={"m-1": raising(DependencyUnavailable("busy", retry_after=7))})
    [outcome] = world.worker().settle([delivery()], provider.call)
    assert outcome == Held("DependencyUnavailable: busy", 7)


@pytest.mark.parametrize("took_place", [True, False])
def test_provider_is_asked_before_a_call_is_made_again(*, took_place: bool) -> None:
    """After a crash nobody here knows; the provider does."""
    world, provider = World(), Provider()
    effect = Outside(reconcile=provider.find)
    crashes = iter([not took_place, took_place])

    def step() -> None:
        if next(crashes):
            raise Crash

    provider.step = step
    with pytest.raises(Crash):
        world.worker(effect=effect).settle([delivery()], provider.call)
    provider.step = lambda: None
    world.time.pass_by(VISIBILITY_SECONDS)
    outcomes = world.worker(effect=effect).settle([delivery(deliveries=2)], provider.call)
    assert provider.asked == ["m-1"]
    assert provider.calls == ["m-1"]
    assert outcomes == [Done({"found": "m-1"} if took_place else {"call": 1})]


def test_provider_is_asked_after_a_failure_that_may_hide_a_success() -> None:
    """With somebody to ask, a handler that raises leaves a doubt: its call may have timed out after it took place."""
    world = World()
    for error in (DependencyUnavailable("timed out"), TimeoutError()):
        provider = Provider(answers={"m-1": raising(error)})
        effect = Outside(reconcile=provider.find)
        message = partial(delivery, "m-1", text=repr(error))
        worker = world.worker(effect=effect, scope=repr(error))
        worker.settle([message()], provider.call)
        assert worker.settle([message(deliveries=2)], provider.call) == [Done({"found": "m-1"})]
        assert provider.calls == ["m-1"]


def test_doubt_outlives_a_provider_that_cannot_be_asked() -> None:
    """Nothing is called while the answer is open, and the next attempt asks again; so it does after lack of time."""
    world, provider = World(), Provider(answers={"m-1": raising(TimeoutError())})
    effect = Outside(reconcile=provider.find)
    world.worker(effect=effect).settle([delivery()], provider.call)
    provider.step = raising(DependencyUnavailable("away"))
    assert isinstance(world.worker(effect=effect).settle([delivery()], provider.call)[0], Held)
    worker = world.worker(effect=effect, timeout_seconds=0.0)
    assert worker.settle([delivery()], provider.call) == [NotBegun()]
    assert world.worker(effect=effect).settle([delivery()], provider.call) == [Done({"found": "m-1"})]
    assert provider.calls == ["m-1"]


def test_call_that_may_be_a_repetition_is_logged() -> None:
    """Where nobody can be asked, the log tells which calls followed a crash."""
    world, provider = World(), Provider(answers={"m-1": raising(Crash())})
    with pytest.raises(Crash):
        world.worker().settle([delivery()], provider.call)
    world.time.pass_by(VISIBILITY_SECONDS)
    worker = world.worker()
    worker.settle([delivery(deliveries=2)], provider.call)
    [line] = worker.watch.lines
    assert "may be a repetition" in line.message
    assert line.fields["record_id"] == "m-1"


def slow(world: World, seconds: float, provider: Provider) -> Callable[[Record], object]:
    def handler(record: Record) -> object:
        world.time.pass_by(seconds)
        return provider.call(record)

    return handler


def test_what_there_is_no_time_for_is_not_begun_and_not_claimed() -> None:
    """Another worker may have it at once."""
    world, provider = World(), Provider()
    messages = [delivery(f"m-{number}") for number in range(5)]
    outcomes = world.worker().settle(messages, slow(world, 10, provider))
    assert [type(each) for each in outcomes] == [Done, Done, NotBegun, NotBegun, NotBegun]
    assert len(world.stored) == 2
    again = world.worker().settle(messages[2:], provider.call)
    assert [type(each) for each in again] == [Done, Done, Done]
    assert provider.repetitions == 0


def test_owner_that_was_taken_over_changes_nothing_and_says_so() -> None:
    """Its call has taken place, so its message is done; the claim, and what is stored, belong to the other."""
    world, provider = World(), Provider()
    slow_worker = world.worker()

    def handler(record: Record) -> object:
        # Its clock stands still, as that of a machine that is paused.
        world.time.pass_by(VISIBILITY_SECONDS)
        assert world.worker().settle([delivery(deliveries=2)], provider.call) == [Done({"call": 1})]
        return provider.call(record)

    assert slow_worker.settle([delivery()], handler) == [Done({"call": 2})]
    assert json.loads(world.stored[0]["result"]["S"]) == {"call": 1}
    assert slow_worker.watch.published == {"ClaimsLost": 1}
    assert [line.level for line in slow_worker.watch.lines] == ["error"]


def test_owner_that_was_taken_over_does_not_give_the_new_claim_back() -> None:
    """While the other is at work, the failure of the first must not let a third one in."""
    world, provider = World(), Provider()
    begun, ended = threading.Event(), threading.Event()

    def second_handler(record: Record) -> object:
        begun.set()
        assert ended.wait(timeout=10)
        return provider.call(record)

    def first_handler(_: Record) -> object:
        world.time.pass_by(VISIBILITY_SECONDS)
        second.start()
        assert begun.wait(timeout=10)
        raise TimeoutError

    outcomes: list[Outcome] = []
    second = threading.Thread(
        target=lambda: outcomes.extend(world.worker().settle([delivery(deliveries=2)], second_handler))
    )
    first = world.worker()
    assert isinstance(first.settle([delivery()], first_handler)[0], Failed)
    assert first.watch.published == {"ClaimsLost": 1}
    assert isinstance(world.worker().settle([delivery(deliveries=3)], provider.call)[0], Held)
    ended.set()
    second.join()
    assert outcomes == [Done({"call": 1})]


@pytest.mark.parametrize("result", ["x" * LARGEST_RESULT_BYTES, {1, 2}, float("nan")])
def test_result_that_cannot_be_stored_does_not_undo_the_effect(result: object) -> None:
    """The message is done, its copies are known; only the result is not there, and the log says why."""
    world, provider = World(), Provider(answers={"m-1": lambda: result})
    worker = world.worker()
    [outcome] = worker.settle([delivery()], provider.call)
    assert isinstance(outcome, Done)
    assert "result" in str(worker.watch.lines[0].fields["reason"])
    assert world.worker().settle([delivery()], provider.call) == [Done(None, repeated=True)]
    assert provider.calls == ["m-1"]


def test_largest_result_is_stored() -> None:
    """So long as the limit says, with its quotes, and not a byte more."""
    world = World()
    result = "ä" * ((LARGEST_RESULT_BYTES - 2) // 2)
    provider = Provider(answers={"m-1": lambda: result})
    world.worker().settle([delivery()], provider.call)
    assert world.worker().settle([delivery()], provider.call) == [Done(result, repeated=True)]


def test_call_that_cannot_be_recorded_is_done_and_said_to_be_so() -> None:
    """To hand its message back would repeat the call for certain; now a copy may, until it is recorded."""
    world, provider = World(), Provider()
    worker = world.worker()

    def handler(record: Record) -> object:
        worker.faults.unreachable = "refused"
        return provider.call(record)

    assert worker.settle([delivery()], handler) == [Done({"call": 1})]
    assert worker.watch.published == {"StoreErrors": 1}
    assert [line.level for line in worker.watch.lines] == ["error"]


def test_write_that_the_client_made_twice_is_known_by_its_token() -> None:
    """The SDK asks again when an answer is lost: then the claim, its end and what lapsed are there already, as one's own."""
    world, provider = World(), Provider()

    def worker() -> Worker:
        made = world.worker()
        again = world.database.client()

        def write_before(moment: Moment) -> None:
            if moment.operation == "execute_statement" and not moment.after:
                again.execute_statement(**moment.request)

        made.faults.crash = write_before
        return made

    assert worker().settle([delivery()], provider.call) == [Done({"call": 1})]
    crashed(world, provider, "m-2")
    assert worker().settle([delivery("m-2")], provider.call) == [Done("second time")]
    provider.answers["m-3"] = raising(TimeoutError())
    assert isinstance(worker().settle([delivery("m-3")], provider.call)[0], Failed)
    assert [item["id"]["S"] for item in world.stored] == ["message#m-1", "message#m-2"]


@pytest.mark.parametrize("operation", ["execute_statement", "batch_get_item"])
def test_lost_answer_of_a_completion_is_found_out(operation: str) -> None:
    """The store has done what was asked and the answer got lost: asked again, it is recognised by the token."""
    world, provider = World(), Provider()
    worker = world.worker()
    lost = iter(["lost"])

    def handler(record: Record) -> object:
        worker.faults.unreachable = lambda asked: next(lost, None) if asked == operation else None
        return provider.call(record)

    assert worker.settle([delivery()], handler) == [Done({"call": 1})]
    assert not worker.watch.published
    assert world.worker().settle([delivery()], provider.call) == [Done({"call": 1}, repeated=True)]


def test_message_that_is_done_while_its_lapsed_claim_is_looked_at_is_not_begun_again() -> None:
    """A late owner may complete between the look at its claim and the attempt to replace it: under the same token."""
    world, provider = World(), Provider()
    first, second = world.worker(), world.worker()
    wanted = Wanted(record_id="m-1", digest=delivery().digest)
    claim = first.claims.take([wanted], now=first.now, deadline=first.deadline())["m-1"]
    assert isinstance(claim, Claim)
    world.time.pass_by(VISIBILITY_SECONDS)

    def complete_late(moment: Moment) -> None:
        if moment.operation == "batch_get_item" and moment.after:
            first.claims.complete([(claim, "late")], now=first.now(), deadline=first.deadline())

    second.faults.crash = complete_late
    assert second.settle([delivery()], provider.call) == [Done("late", repeated=True)]
    assert provider.calls == []


def crashed(world: World, provider: Provider, name: str = "m-1") -> None:
    """Have a worker end in the middle of a message, and let it come back."""
    provider.answers[name] = raising(Crash())
    with pytest.raises(Crash):
        world.worker().settle([delivery(name)], provider.call)
    world.time.pass_by(VISIBILITY_SECONDS)


def test_of_two_that_see_one_lapsed_claim_one_takes_it_over() -> None:
    """The second to replace it finds another token there than the one it saw."""
    world, provider = World(), Provider()
    crashed(world, provider)
    first, second = world.worker(), world.worker()
    wanted = Wanted(record_id="m-1", digest=delivery().digest)
    taken: list[object] = []

    def overtake(moment: Moment) -> None:
        if moment.operation == "batch_get_item" and moment.after and not taken:
            taken.extend(first.claims.take([wanted], now=first.now, deadline=first.deadline()).values())

    second.faults.crash = overtake
    assert isinstance(second.settle([delivery()], provider.call)[0], Held)
    assert isinstance(taken[0], Claim)
    assert provider.calls == ["m-1"]


def test_own_copy_is_judged_by_the_newest_state() -> None:
    """A read that is a second old may not show the claim the write has just met."""
    world, provider = World(), Provider()
    world.worker().settle([delivery()], provider.call)
    worker = world.worker()
    worker.faults.stale = lambda _: True
    for deliveries in (1, 2):
        assert worker.settle([delivery(deliveries=deliveries)], provider.call) == [Done({"call": 1}, repeated=True)]


def test_payload_of_a_crashed_attempt_keeps_its_id() -> None:
    """What began under an id may have had its effect; another payload does not take its place."""
    world, provider = World(), Provider()
    crashed(world, provider)
    [outcome] = world.worker().settle([delivery(text="open sesame")], provider.call)
    assert isinstance(outcome, Refused)
    assert outcome.code == PAYLOAD_MISMATCH


def test_result_of_a_forgotten_message_is_not_told_for_a_new_one() -> None:
    """Whoever replaces an item replaces all of it."""
    world, provider = World(), Provider()
    worker = world.worker()
    worker.settle([delivery()], provider.call)
    world.time.pass_by(REMEMBER_SECONDS + 1)
    provider.answers["m-1"] = lambda: {1, 2}
    worker.settle([delivery()], provider.call)
    assert worker.settle([delivery()], provider.call) == [Done(None, repeated=True)]


@pytest.mark.parametrize("concurrency", [2, 7, 50])
def test_calls_run_side_by_side_up_to_the_set_number(concurrency: int) -> None:
    """As many as are wanted, never more; each is recorded before another begins."""
    world, provider = World(), Provider()
    lock, at_once, most = threading.Lock(), [0], [0]
    full = threading.Event()

    def handler(record: Record) -> object:
        with lock:
            at_once[0] += 1
            most[0] = max(most[0], at_once[0])
            open_calls = sum(item["state"]["S"] == "done" for item in world.stored)
            assert len(provider.calls) - open_calls < concurrency
            if at_once[0] == min(concurrency, 20):
                full.set()
        full.wait(timeout=10)
        result = provider.call(record)
        with lock:
            at_once[0] -= 1
        return result

    messages = [delivery(f"m-{number}") for number in range(20)]
    outcomes = world.worker(effect=Outside(concurrency=concurrency)).settle(messages, handler)
    assert all(isinstance(each, Done) for each in outcomes)
    assert most[0] == min(concurrency, 20)
    assert provider.repetitions == 0


def test_log_lines_of_the_handler_name_its_record_in_every_thread() -> None:
    """What is written while a record is at work carries its keys."""
    world = World()
    worker = world.worker(effect=Outside(concurrency=4))
    messages = [delivery(f"m-{number}") for number in range(8)]
    worker.settle(messages, lambda record: worker.watch.info("at work", expected=record.id))
    assert [line.fields["record_id"] for line in worker.watch.lines] == [
        line.fields["expected"] for line in worker.watch.lines
    ]


def exiting(_: Record) -> object:
    raise SystemExit(3)


@pytest.mark.parametrize("concurrency", [1, 3])
def test_handler_that_exits_ends_the_invocation(concurrency: int) -> None:
    """In a thread as outside one; nobody waits for it for ever."""
    worker = World().worker(effect=Outside(concurrency=concurrency))
    with pytest.raises(SystemExit):
        worker.settle([delivery("a"), delivery("b"), delivery("c")], exiting)


def cost(worker: Worker, messages: list[Delivery], provider: Provider) -> tuple[int, float, float]:
    usage = worker.world.database.usage
    usage.reset()
    worker.settle(messages, provider.call)
    return sum(usage.calls.values()), usage.writes, usage.reads


def test_store_is_called_for_batches() -> None:
    """100 messages: four calls claim them; one more each, or four for a receiver that knows copies, record them.

    Two write units per message either way; a redelivery costs half a read unit and a hundredth of a call.
    """
    messages = [delivery(f"m-{number}") for number in range(100)]
    again = [delivery(f"m-{number}", deliveries=2) for number in range(100)]
    for effect, calls in ((Outside(), 104), (Outside(receiver_key=True), 8)):
        worker = World().worker(effect=effect)
        assert cost(worker, messages, Provider()) == (calls, 200, 0)
        assert cost(worker, again, Provider()) == (1, 0, 50)
