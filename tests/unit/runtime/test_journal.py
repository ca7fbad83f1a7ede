"""What a later invocation learns from the journal, by rule and through DynamoDB."""

from dataclasses import replace

import boto3
import pytest

from constructs_lib.runtime.journal import Counts, Page, Resumption, Shard, digest, is_handler_crashing, resume
from constructs_lib.runtime.journal_store import DynamoDbJournal

NAMES = [f"shard-1-{number}" for number in range(1, 7)]
ONE, TWO, THREE, FOUR, FIVE, SIX = (digest(name) for name in NAMES)


def test_nothing_is_known_about_a_batch_without_a_page() -> None:
    """A batch that nobody left a page about begins afresh."""
    resumed = resume(Shard(), NAMES)
    assert resumed == Resumption()


def test_what_is_settled_is_known_wherever_the_batch_begins() -> None:
    """Batch boundaries move; what a page says about a record holds in every batch that has it."""
    page = Page(first=NAMES[1], settled=frozenset({FOUR, SIX}), counts={TWO: Counts(failures=2)})
    for start, end in ((1, 6), (1, 4), (0, 5)):
        resumed = resume(Shard(pages=[page]), NAMES[start:end])
        assert FOUR in resumed.settled
        assert resumed.counts == {TWO: Counts(failures=2)}
        assert resumed.pages == (NAMES[1],)
    assert FOUR in resume(Shard(pages=[page]), NAMES[2:]).settled, "even where the page is about an earlier batch"


def test_batch_that_was_not_cleared_makes_its_records_suspects() -> None:
    """As far as the page reaches, and no settled ones; nobody is counted a crash for it."""
    page = Page(first=NAMES[0], settled=frozenset({TWO}), through=NAMES[3])
    resumed = resume(Shard(pages=[page]), NAMES)
    assert resumed.suspects == {ONE, THREE, FOUR}
    assert not resumed.counts
    assert resume(Shard(pages=[page]), NAMES[:2]).suspects == {ONE}, "a shorter batch does not reach that far"


def test_record_at_work_when_the_function_ended_is_counted_a_crash() -> None:
    """Each time the page is found, one more."""
    page = Page(first=NAMES[0], through=NAMES[2], begun=(TWO,), counts={TWO: Counts(crashes=1)})
    resumed = resume(Shard(pages=[page]), NAMES)
    assert resumed.counts == {TWO: Counts(crashes=2)}
    assert resumed.suspects == {ONE, TWO, THREE}


def test_page_of_another_batch_of_the_shard_is_left_alone() -> None:
    """With a parallelization factor above 1 several batches of one shard are under way at once."""
    other = Page(first="shard-1-99", through="shard-1-120", begun=(digest("shard-1-99"),), settled=frozenset({SIX}))
    resumed = resume(Shard(pages=[other]), NAMES)
    assert not resumed.suspects
    assert not resumed.counts
    assert not resumed.pages


def test_handler_is_to_blame_when_three_other_keys_crashed_and_none_came_through() -> None:
    """Then giving up records helps nobody."""
    keys = frozenset(digest(key) for key in "abc")
    assert is_handler_crashing(keys, digest("d"))
    assert not is_handler_crashing(keys, digest("a"))


@pytest.fixture
def store(aws: None) -> DynamoDbJournal:
    client = boto3.client("dynamodb")
    client.create_table(
        TableName="state",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
        BillingMode="PAY_PER_REQUEST",
    )
    return DynamoDbJournal(client=client, table="state", now=lambda: 1_000.0)


def test_pages_are_stored_read_and_erased(store: DynamoDbJournal) -> None:
    """What is written is read again, by shard; an erased page is gone, and erasing it twice does no harm."""
    full = Page(
        first=NAMES[0],
        settled=frozenset({TWO, THREE}),
        through=NAMES[5],
        begun=(FOUR, FIVE),
        counts={FOUR: Counts(1, 2, 3)},
    )
    empty = Page(first=NAMES[3])
    store.write("shard-1", full)
    store.write("shard-1", empty)
    store.write("shard-2", Page(first="other"))
    assert sorted(store.read("shard-1").pages, key=lambda page: page.first) == [full, empty]
    store.erase("shard-1", NAMES[0])
    store.erase("shard-1", NAMES[0])
    assert store.read("shard-1").pages == [empty]


def test_page_is_replaced_by_the_next_about_the_same_record(store: DynamoDbJournal) -> None:
    """There is one page per first record."""
    store.write("shard-1", Page(first=NAMES[0], through=NAMES[5]))
    store.write("shard-1", Page(first=NAMES[0], settled=frozenset({TWO})))
    assert store.read("shard-1").pages == [Page(first=NAMES[0], settled=frozenset({TWO}))]


def test_keys_that_crashed_are_noted_until_one_comes_through(store: DynamoDbJournal) -> None:
    """The note is kept beside the pages, and removed with an empty set."""
    store.write_crashed("shard-1", frozenset({ONE, TWO}))
    assert store.read("shard-1") == Shard(pages=[], crashed=frozenset({ONE, TWO}))
    store.write_crashed("shard-1", frozenset())
    assert store.read("shard-1") == Shard(pages=[], crashed=frozenset())


def test_everything_expires(store: DynamoDbJournal) -> None:
    """What is left behind by a mapping that is gone is gone itself after eight days."""
    store.write("shard-1", Page(first=NAMES[0]))
    store.write_crashed("shard-1", frozenset({ONE}))
    items = store.client.scan(TableName="state")["Items"]
    expiries = {item["sk"]["S"]: int(item["expires"]["N"]) - 1_000 for item in items}
    assert expiries == {f"page#{NAMES[0]}": 8 * 86_400, "crashed": 3 * 3_600}


def test_note_about_crashes_counts_for_three_hours_even_if_it_is_still_there(store: DynamoDbJournal) -> None:
    """Four records that end the function over days are four bad records, not a bad handler."""
    store.write_crashed("shard-1", frozenset({ONE}))
    later = replace(store, now=lambda: 1_000.0 + 3 * 3_600)
    assert later.read("shard-1").crashed == frozenset()


def test_page_of_the_largest_batch_fits_into_an_item(store: DynamoDbJournal) -> None:
    """10,000 records, all but one settled: far below DynamoDB's 400 KB."""
    settled = frozenset(digest(f"shardId-000000000000-{number:056}") for number in range(9_999))
    store.write("shard-1", Page(first=NAMES[0], settled=settled))
    [item] = store.client.scan(TableName="state")["Items"]
    assert len(item["settled"]["B"]) < 150_000
    assert store.read("shard-1").pages[0].settled == settled
