"""What an operator finds in a quarantine, and what becomes of it."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from constructs_lib.local.event_source_mapping.messages import Condition
from constructs_lib.operations.errors import OperationError
from constructs_lib.operations.quarantine.desk import Pace
from constructs_lib.operations.quarantine.lease import Lease
from constructs_lib.operations.quarantine.search import Filter
from constructs_lib.operations.quarantine.sender import Outgoing
from tests.unit.operations.world import ADA, NOON, SHARD, STREAM, World, data_of, position_of

BOB = "arn:aws:iam::123456789012:user/bob"


@pytest.fixture
def world() -> World:
    return World()


@pytest.mark.requirement("MSG-08")
def test_items_of_both_writers_are_listed_with_what_explains_them(world: World) -> None:
    """The runtime's records and those of a batch that Lambda discarded, in one form."""
    world.by_runtime(world.record("alert-1"))
    world.clock.pause(60)
    world.by_lambda([world.record("alert-2", tenant="globex"), world.record("alert-3", b"\xff\xfe")])
    first, second, third = world.desk().items(Filter())
    assert first.kind == "permanent"
    assert first.reason == "no such channel"
    assert (first.tenant, first.key, first.record_id, first.attempts) == ("acme", "alert-1", "m-1", 3)
    assert (first.source, first.partition_key, first.function) == (STREAM, "alert-1", "notify-slack")
    assert first.quarantined == NOON
    assert second.kind == "expired"
    assert second.reason == "Lambda discarded its batch: RecordAgeExceeded"
    assert (second.tenant, second.key, second.record_id, second.attempts) == ("globex", "alert-2", "m-2", 7)
    assert (second.source, second.partition_key, second.function) == (STREAM, "alert-2", "notify-slack")
    assert (third.tenant, third.key, third.record_id, third.partition_key) == (None, None, None, "alert-3")
    assert [item.arrived for item in (first, second, third)] == [
        NOON - timedelta(days=2) + timedelta(seconds=number) for number in (1, 2, 3)
    ]


def test_a_batch_that_ran_out_of_retries_says_so(world: World) -> None:
    """Another reason for Lambda to give up is another kind."""
    world.by_lambda([world.record("a")], Condition.RETRY_ATTEMPTS_EXHAUSTED)
    [item] = world.desk().items(Filter())
    assert item.kind == "exhausted"


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (Filter(), "1234"),
        (Filter(kinds=("permanent",)), "12"),
        (Filter(kinds=("unknown", "expired")), "34"),
        (Filter(tenants=("globex",)), "24"),
        (Filter(matching="NO SUCH"), "1"),
        (Filter(since=NOON + timedelta(hours=1)), "234"),
        (Filter(until=NOON + timedelta(hours=2)), "12"),
        (Filter(since=NOON + timedelta(hours=1), until=NOON + timedelta(hours=3), tenants=("globex",)), "2"),
        (Filter(ids=(f"{3:056d}", f"{SHARD}-{1:056d}")), "13"),
    ],
)
@pytest.mark.requirement("MSG-08")
def test_filters_take_what_all_of_them_take(world: World, wanted: Filter, found: str) -> None:
    """By time of quarantining, kind, tenant, words of the reason, and ids."""
    world.by_runtime(world.record("1"), reason="no such channel")
    world.clock.pause(3600)
    world.by_runtime(world.record("2", tenant="globex"), reason="not in channel")
    world.clock.pause(3600)
    world.by_runtime(world.record("3"), kind="unknown", reason="KeyError")
    world.clock.pause(3600)
    world.by_lambda([world.record("4", tenant="globex")])
    assert "".join(item.partition_key or "" for item in world.desk().items(wanted)) == found


def test_an_object_written_before_the_time_asked_for_is_not_even_read(world: World) -> None:
    """A look at the last hour does not cost a read of the last year."""
    old = world.by_runtime(world.record("a"))
    world.clock.pause(86_400)
    new = world.by_runtime(world.record("b"))
    world.desk().items(Filter(since=world.clock() - timedelta(hours=1)))
    assert world.bucket.reads == [new]
    world.desk().items(Filter())
    assert old in world.bucket.reads


@pytest.mark.requirement("MSG-08")
def test_one_item_is_shown_with_payload_and_who_settled_it(world: World) -> None:
    """By the end of its id, open or settled; a payload that is no JSON is shown as it was kept."""
    record = world.record("a")
    world.by_runtime(record)
    world.by_runtime(world.record("b", b"poison"), kind="unreadable")
    world.by_runtime(world.record("c", b"\xff"), kind="unreadable")
    shown = world.desk().show(record.sequence)
    assert shown["payload"] == json.loads(data_of(record))
    assert (shown["id"], shown["reason"], shown["settled"]) == (position_of(record), "no such channel", None)
    assert world.desk().show(f"{2:056d}")["payload"] == "poison"
    assert world.desk().show(f"{3:056d}")["payload"] == "/w=="
    world.desk().discard(Filter(ids=(position_of(record),)), reason="a test alert")
    settled = world.desk().show(position_of(record))["settled"]
    assert {name: settled[name] for name in ("action", "by", "at", "reason", "tenant")} == {
        "action": "discarded",
        "by": ADA,
        "at": "2024-11-21T12:00:00.000Z",
        "reason": "a test alert",
        "tenant": "acme",
    }


@pytest.mark.parametrize(
    ("given", "words"), [("no-such-9", "There is no item, open or settled, no-such-9"), ("0", "2 items end with 0")]
)
def test_an_id_that_is_not_that_of_one_item_is_refused(world: World, given: str, words: str) -> None:
    """Nothing is guessed: neither shown, sent nor discarded."""
    for _ in range(20):
        world.by_runtime(world.record("a"))
    wanted = Filter(ids=(given,))
    with pytest.raises(OperationError, match=words):
        world.redrive(wanted)
    with pytest.raises(OperationError, match=words):
        world.desk().discard(wanted, reason="x")
    assert world.stream.taken == []


@pytest.mark.requirement("MSG-08")
def test_what_is_sent_is_noted_and_not_sent_again(world: World) -> None:
    """The mark says who sent it, when and where to; its payload stays where it is."""
    record = world.record("a")
    key = world.by_runtime(record)
    assert world.redrive()[0] == 1
    assert world.redrive()[0] == 0
    assert [each.data for each in world.stream.taken] == [data_of(record)]
    assert world.stream.names == [STREAM]
    assert key in world.bucket.objects
    settled = world.desk().show(record.sequence)["settled"]
    assert {name: settled[name] for name in ("action", "by", "stream", "shard", "position", "object")} == {
        "action": "redriven",
        "by": ADA,
        "stream": STREAM,
        "shard": SHARD,
        "position": "1",
        "object": key,
    }


@pytest.mark.requirement("MSG-08")
def test_a_command_with_ids_can_be_given_again_after_an_interruption(world: World) -> None:
    """What is settled by then is passed over and told, malformed objects too; it is not sent again."""
    world.bucket.keep("quarantine/Slack/2026/11/21/x-1.json", b"?")
    first, second = world.record("a"), world.record("a")
    world.by_runtime(first)
    world.by_lambda([second])
    world.redrive(Filter(ids=(first.sequence,)))
    world.desk().discard(Filter(ids=("quarantine/Slack/2026/11/21/x-1.json",)), reason="made by hand")
    world.said.clear()
    both = Filter(ids=(position_of(first), second.sequence, "quarantine/Slack/2026/11/21/x-1.json"))
    assert world.redrive(both)[0] == 1
    assert [each.data for each in world.stream.taken] == [data_of(first), data_of(second)]
    assert world.said[:2] == [
        f"{position_of(first)} is settled already",
        "quarantine/Slack/2026/11/21/x-1.json is settled already",
    ]
    assert world.redrive(both)[0] == 0


def test_a_record_that_is_quarantined_once_more_after_it_was_sent_stays_settled(world: World) -> None:
    """A crash between quarantine and checkpoint writes the object again; its copy is on the stream already."""
    record = world.record("a")
    world.by_runtime(record)
    world.redrive()
    world.by_runtime(record)
    world.by_lambda([record])
    assert world.redrive()[0] == 0


def test_a_copy_that_fails_again_is_a_new_item(world: World) -> None:
    """It has a position of its own, so nobody takes it for settled."""
    world.by_runtime(world.record("a"))
    world.redrive()
    again = world.record("a")
    world.by_runtime(again)
    assert [item.id for item in world.desk().items(Filter())] == [position_of(again)]


@pytest.mark.requirement("MSG-08")
def test_what_is_discarded_stays_and_can_still_be_sent(world: World) -> None:
    """A discard is a note; taken back, the item goes to its stream."""
    record = world.record("a")
    key = world.by_runtime(record)
    other = world.by_runtime(world.record("b"))
    content = world.bucket.objects[key]
    assert [item.object_key for item in world.desk().discard(Filter(ids=(record.sequence,)), reason="noise")] == [key]
    assert world.bucket.objects[key] == content
    assert [item.object_key for item in world.desk().items(Filter())] == [other]
    assert [item.object_key for item in world.desk().items(Filter(), settled=True)] == [key]
    sent, _ = world.redrive(Filter(ids=(record.sequence,)), again=True)
    assert sent == 1
    assert [each.data for each in world.stream.taken] == [data_of(record)]


def test_a_batch_with_nothing_open_is_not_read_again(world: World) -> None:
    """A batch can be 6 MB: once all its records are settled, a listing passes it by; not before."""
    records = [world.record(key) for key in "abc"]
    key = world.by_lambda(records)
    world.desk().discard(Filter(ids=(records[0].sequence,)), reason="x")
    world.redrive(Filter(ids=(records[1].sequence,)))
    assert [item.partition_key for item in world.desk().items(Filter())] == ["c"]
    world.redrive()
    world.bucket.reads.clear()
    assert world.desk().items(Filter()) == ()
    assert key not in world.bucket.reads
    assert len(world.desk().items(Filter(), settled=True)) == 3


def test_parked_payloads_are_left_alone(world: World) -> None:
    """They are not quarantined: the consumer will come for them."""
    world.bucket.keep("parked/acme/1.json", b"{}")
    assert world.desk().items(Filter()) == ()
    assert world.redrive()[0] == 0


@pytest.mark.parametrize("content", [b"", b"not json", b"[]", b'{"kind": "permanent"}', b'{"requestContext": {}}'])
@pytest.mark.parametrize("key", ["quarantine/Slack/2026/11/21/x-1.json", "aws/lambda/m/s/2026/11/21/t-u"])
def test_a_malformed_object_is_told_and_stops_nothing(world: World, content: bytes, key: str) -> None:
    """It is listed with what is wrong, shown as it is, cannot be sent, and can be discarded."""
    world.bucket.keep(key, content)
    world.by_runtime(world.record("a"))
    [item] = world.desk().items(Filter(kinds=("malformed",)))
    assert item.id == key
    assert "cannot be read" in item.reason
    assert world.desk().show(key)["payload"] == content.decode()
    sent, plan = world.redrive()
    assert sent == 1
    assert plan.impossible == {key: item.reason}
    world.desk().discard(Filter(ids=(key,)), reason="made by hand")
    assert world.desk().items(Filter()) == ()


def test_a_payload_that_cannot_be_decoded_is_malformed(world: World) -> None:
    """What cannot be sent as it was is not sent at all."""
    key = world.by_runtime(world.record("a"))
    content = json.loads(world.bucket.objects[key]) | {"payload_encoding": "base64", "payload": "no base64!"}
    world.bucket.keep(key, json.dumps(content).encode())
    [item] = world.desk().items(Filter())
    assert item.kind == "malformed"


def test_changes_of_a_table_are_listed_but_cannot_be_sent(world: World) -> None:
    """Nobody can put a record on a DynamoDB stream; the message says what would."""
    key = world.by_runtime(world.record("a"))
    source = "arn:aws:dynamodb:eu-west-1:123456789012:table/alerts/stream/2026-01-01T00:00:00.000"
    content = json.loads(world.bucket.objects[key]) | {"source": source, "partition_key": None}
    world.bucket.keep(key, json.dumps(content).encode())
    sent, plan = world.redrive()
    assert sent == 0
    assert "a change of its table" in next(iter(plan.impossible.values()))
    assert world.stream.rounds == []


def test_a_stream_that_took_the_others_place_gets_all_older_ones_first(world: World) -> None:
    """Positions of two streams cannot be compared; the times of the streams can."""
    old = world.by_runtime(world.record("a"))
    for position, source in ((3, STREAM), (1, STREAM + "-2"), (2, STREAM + "-2")):
        key = f"quarantine/Slack/2026/11/2{position}/x-{position}.json"
        content = json.loads(world.bucket.objects[old]) | {
            "source": source,
            "position": str(position),
            "payload": f"{source[-2:]}:{position}",
            "arrived": f"2026-11-2{0 if source == STREAM else 1}T00:00:00Z",
        }
        world.bucket.keep(key, json.dumps(content).encode())
    world.redrive(stream="arn:aws:kinesis:eu-west-1:123456789012:stream/new")
    assert [each.data.decode() for each in world.stream.taken][1:] == ["ck:3", "-2:1", "-2:2"]
    assert set(world.stream.names) == {"arn:aws:kinesis:eu-west-1:123456789012:stream/new"}


def test_two_operators_do_not_send_at_the_same_time(world: World) -> None:
    """The second is told who is at work, and until when it would have to wait after a crash."""
    world.by_runtime(world.record("a"))
    with Lease(world.bucket, by=BOB, clock=world.clock):
        with pytest.raises(OperationError, match=r"user/bob is at work .* until 2024-11-21T12:02:00"):
            world.redrive()
        with pytest.raises(OperationError, match="user/bob"):
            world.desk().discard(Filter(), reason="x")
    assert world.stream.taken == []
    assert world.redrive()[0] == 1


def test_a_lease_that_was_lost_ends_the_work(world: World) -> None:
    """Whoever slept through its end must not go on beside the one who took it."""
    world.by_runtime(world.record("a"))
    world.by_runtime(world.record("a"))

    def sleep(_seconds: float) -> None:
        world.clock.pause(600)
        Lease(world.bucket, by=BOB, clock=world.clock).__enter__()

    pace = Pace(pause=sleep, clock=world.clock.seconds)
    with pytest.raises(OperationError, match="Somebody else"):
        world.desk().redrive(Filter(), world.stream.put, pace)
    assert len(world.stream.taken) == 1


def test_a_long_redrive_keeps_its_lease(world: World) -> None:
    """It is renewed for as long as the work goes on."""
    for _ in range(20):
        world.by_runtime(world.record("a"))
    refused = []

    def accepts(_record: Outgoing) -> bool:
        with pytest.raises(OperationError) as told:
            Lease(world.bucket, by=BOB, clock=world.clock).__enter__()
        refused.append(told)
        return True

    world.stream.accepts = accepts
    assert world.redrive(rate=0.05)[0] == 20
    assert world.clock.seconds() > 300
    assert len(refused) == 20


def test_items_are_the_same_however_they_were_kept(world: World) -> None:
    """One record, kept by both writers, is one item, and one mark settles it."""
    record = world.record("a")
    world.by_lambda([record])
    [by_lambda] = world.desk().items(Filter())
    world.by_runtime(record)
    [item] = world.desk().items(Filter())
    assert replace(by_lambda, object_key="", kind="", reason="", attempts=0) == replace(
        item, object_key="", kind="", reason="", attempts=0
    )
