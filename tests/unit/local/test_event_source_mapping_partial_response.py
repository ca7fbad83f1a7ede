"""ReportBatchItemFailures: every shape of answer, and where the batch goes on."""

from typing import Any

import pytest

from constructs_lib.local.event_source_mapping.config import Config
from constructs_lib.local.event_source_mapping.messages import UNREADABLE, FunctionFailed, Responded
from constructs_lib.local.event_source_mapping.unknowns import (
    FailedFromFirst,
    ForeignIdentifier,
    MalformedResponse,
    PartialProgress,
    Unknowns,
)
from tests.unit.local.virtual_shard import VirtualShard, answering, reporting


def named(*identifiers: Any) -> Responded:
    """An answer that names these records as failed."""
    return Responded({"batchItemFailures": [{"itemIdentifier": identifier} for identifier in identifiers]})


def after(answer: Responded, unknowns: Unknowns | None = None, *, bisect: bool = False) -> list[list[str]]:
    """The batches that follow when the function answers so to a batch of four and succeeds afterwards."""
    shard = VirtualShard(
        Config(partial_responses=True, bisect=bisect, unknowns=unknowns or Unknowns()), function=answering(answer)
    )
    shard.put(0.0, *"abcd")
    shard.run(until=100.0)
    assert shard.batches[0] == ["1", "2", "3", "4"]
    assert shard.delivered == ["1", "2", "3", "4"]
    return shard.batches[1:]


@pytest.mark.parametrize(
    "payload",
    [None, {}, [], "", {"batchItemFailures": []}, {"batchItemFailures": None}],
    ids=["null", "empty object", "empty list", "empty text", "no failures", "null failures"],
)
def test_an_answer_without_failures_is_complete_success(payload: Any) -> None:
    """The batch is done."""
    assert after(Responded(payload)) == []


@pytest.mark.parametrize(
    "answer",
    [
        named(""),
        named(None),
        Responded({"batchItemFailures": [{"foo": "1"}]}),
        Responded({"batchItemFailures": [{"foo": None}]}),
        Responded({"batchItemFailures": [{}]}),
        Responded({"batchItemFailures": ["3"]}),
        named(3),
        named("99"),
        named("3", ""),
        named("3", None),
    ],
    ids=[
        "empty identifier",
        "null identifier",
        "bad key name",
        "bad key name with null",
        "item without key",
        "item that is no object",
        "number",
        "identifier of no record in the batch",
        "good and empty",
        "good and null",
    ],
)
def test_an_answer_with_a_bad_identifier_is_complete_failure(answer: Responded) -> None:
    """The whole batch is tried again."""
    assert after(answer) == [["1", "2", "3", "4"]]


@pytest.mark.parametrize("identifier", ["", None])
def test_a_bad_identifier_is_no_foreign_one(identifier: str | None) -> None:
    """It fails the batch even where identifiers of other batches are ignored."""
    ignoring = Unknowns(foreign_identifier=ForeignIdentifier.IGNORED)
    assert after(named("3", identifier), ignoring) == [["1", "2", "3", "4"]]


def test_the_batch_goes_on_from_the_failed_record() -> None:
    """What is before the named record is done; it and everything after is tried again."""
    assert after(named("3")) == [["3", "4"]]


def test_the_lowest_of_several_identifiers_counts() -> None:
    """Later records are tried again even if the function had processed them."""
    assert after(named("4", "2")) == [["2", "3", "4"]]


def test_the_first_record_named_is_the_whole_batch_again() -> None:
    """Nothing was done."""
    assert after(named("1")) == [["1", "2", "3", "4"]]


def test_answers_mean_nothing_unless_the_mapping_asks_for_them() -> None:
    """Without ReportBatchItemFailures every return is success."""
    shard = VirtualShard(Config(), function=reporting("2"))
    shard.put(0.0, *"abc")
    shard.run(until=100.0)
    assert shard.batches == [["1", "2", "3"]]


def test_an_exception_fails_the_whole_batch() -> None:
    """ReportBatchItemFailures changes nothing about errors."""
    shard = VirtualShard(Config(partial_responses=True), function=answering(FunctionFailed()))
    shard.put(0.0, *"abc")
    shard.run(until=100.0)
    assert shard.batches == [["1", "2", "3"]] * 2


def test_a_partial_response_moves_the_checkpoint() -> None:
    """What is done stays done, even if the mapping is disabled before the rest is."""
    shard = VirtualShard(Config(partial_responses=True), function=reporting("3"))
    shard.put(0.0, *"abcd")
    shard.run(until=0.5)
    assert shard.state.checkpoint == "2"


def test_a_record_that_stays_failed_is_given_up_after_its_retries() -> None:
    """Partial failures follow the retry limit; the rest of the batch goes with the record."""
    shard = VirtualShard(Config(partial_responses=True, retries=2), function=reporting("2"))
    shard.put(0.0, *"abc")
    shard.put(100.0, "d")
    shard.run(until=200.0)
    assert shard.delivered == ["1", "4"]
    assert shard.discarded == ["2", "3"]


@pytest.mark.parametrize(
    ("choice", "invocations"), [(PartialProgress.RESTARTS_ATTEMPTS, 1 + 4), (PartialProgress.KEEPS_ATTEMPTS, 4)]
)
def test_unknown_whether_progress_renews_the_retries(choice: PartialProgress, invocations: int) -> None:
    """With three retries a record that fails behind two good ones is sent five times or four."""
    config = Config(partial_responses=True, retries=3, destination=True, unknowns=Unknowns(partial_progress=choice))
    shard = VirtualShard(config, function=reporting("3"))
    shard.put(0.0, *"abc")
    shard.run(until=1000.0)
    assert len(shard.batches) == invocations
    assert shard.discards[0].invoke_count == 4
    assert shard.discarded == ["3"]


def test_bisecting_cuts_at_the_reported_record() -> None:
    """With both settings on, the batch is divided where the function said, not in half."""
    assert after(named("2"), bisect=True) == [["2", "3", "4"]]


def test_bisecting_halves_when_the_function_raises() -> None:
    """ReportBatchItemFailures does not change how an exception is bisected."""
    shard = VirtualShard(Config(partial_responses=True, bisect=True), function=answering(FunctionFailed()))
    shard.put(0.0, *"abcd")
    shard.run(until=100.0)
    assert shard.batches[1:] == [["1", "2"], ["3", "4"]]


def test_bisecting_halves_on_a_complete_failure() -> None:
    """An answer that cannot be attributed to a record is a failed batch like any other."""
    assert after(named(""), bisect=True) == [["1", "2"], ["3", "4"]]


@pytest.mark.parametrize(
    ("choice", "batches"),
    [
        (FailedFromFirst.RETRIES_WHOLE, [["1", "2", "3", "4"]]),
        (FailedFromFirst.SPLITS_IN_HALF, [["1", "2"], ["3", "4"]]),
    ],
)
def test_unknown_how_a_batch_is_bisected_at_its_first_record(choice: FailedFromFirst, batches: list[list[str]]) -> None:
    """There is nothing to cut off before the first record."""
    assert after(named("1"), Unknowns(failed_from_first=choice), bisect=True) == batches


@pytest.mark.parametrize(
    "payload",
    [
        UNREADABLE,
        "done",
        7,
        True,
        [{"itemIdentifier": "3"}],
        {"batchItemFailure": [{"itemIdentifier": "3"}]},
        {"batchItemFailures": "3"},
        {"batchItemFailures": {"itemIdentifier": "3"}},
    ],
    ids=["not JSON", "text", "number", "true", "bare list", "misspelt", "text as list", "object as list"],
)
@pytest.mark.parametrize(
    ("choice", "batches"), [(MalformedResponse.SUCCEEDS, []), (MalformedResponse.FAILS, [["1", "2", "3", "4"]])]
)
def test_unknown_what_a_malformed_answer_means(
    payload: Any, choice: MalformedResponse, batches: list[list[str]]
) -> None:
    """An answer that is neither documented success nor documented failure."""
    assert after(Responded(payload), Unknowns(malformed_response=choice)) == batches


@pytest.mark.parametrize(
    ("choice", "batches"),
    [(ForeignIdentifier.FAILS_BATCH, [["1", "2", "3", "4"]]), (ForeignIdentifier.IGNORED, [["3", "4"]])],
)
def test_unknown_what_a_foreign_identifier_does_beside_a_good_one(
    choice: ForeignIdentifier, batches: list[list[str]]
) -> None:
    """One identifier is of this batch, the other of none."""
    assert after(named("99", "3"), Unknowns(foreign_identifier=choice)) == batches
