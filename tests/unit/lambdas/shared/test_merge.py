"""Properties of the one picture that readers merge from the rows of all regions."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambdas.shared.alert import REMEMBERED_EVENTS, Action, AlertRow, Delivery, Summary, merge

times = st.integers(0, 9).map(lambda second: f"2026-11-21T03:40:0{second}.000Z")
regions = st.sampled_from(["us-east-1", "eu-west-1", "ap-southeast-2"])
summaries = st.sampled_from("abc").map(
    lambda title: Summary(title=title, text="", kind="alert", service="generic", resource=title)
)
deliveries = st.builds(
    Delivery,
    attempted_at=times,
    target=st.sampled_from(["C1", "C2"]),
    message_id=st.none() | st.sampled_from(["m1", "m2"]),
    version=st.integers(0, 5),
    delivered_at=st.none() | times,
    pages=st.dictionaries(st.integers(2, 4), times, max_size=2),
)
steps = st.lists(
    st.tuples(st.just("event"), st.text("ef", min_size=1, max_size=3), times, summaries, st.booleans())
    | st.tuples(st.just("act"), st.text("xy", min_size=1, max_size=2), times, summaries, st.booleans()),
    max_size=6,
)


def row(region: str, taken: list[tuple[str, str, str, Summary, bool]], delivery: Delivery | None) -> AlertRow:
    made = AlertRow(
        alert_id="a1",
        region=region,
        tenant="acme",
        fingerprint="f1",
        generation=1,
        last_seen="2026-11-21T03:40:00.000Z",
        correlation_id=f"c-{region}",
        delivery=delivery,
    )
    for step, name, at, summary, flag in taken:
        if step == "event":
            made = made.with_event(f"{region}-{name}", at=at, summary=summary, closes=flag)
        else:
            kind = "close" if flag else "acknowledge"
            made = made.with_action(
                Action(
                    action_id=f"{region}-{name}", kind="close" if kind == "close" else "acknowledge", actor="A", at=at
                )
            )
    return made


rows = st.dictionaries(regions, st.tuples(steps, st.none() | deliveries), min_size=1).map(
    lambda known: [row(region, taken, delivery) for region, (taken, delivery) in known.items()]
)


@pytest.mark.requirement("IDM-08")
@settings(deadline=None)
@given(rows.flatmap(lambda known: st.tuples(st.just(known), st.permutations(known))))
def test_the_order_of_rows_does_not_matter(pair: tuple[list[AlertRow], list[AlertRow]]) -> None:
    """Two readers who see the same rows see the same alert."""
    known, shuffled = pair
    assert merge(known) == merge(shuffled)


@settings(deadline=None)
@given(rows)
def test_versions_and_counts_of_all_regions_add_up(known: list[AlertRow]) -> None:
    """No region's fact is left out of the version that must be visible."""
    alert = merge(known)
    if alert is None:
        assert all(row.count == 0 for row in known)
        return
    assert alert.count == sum(len(set(row.event_ids)) for row in known)
    assert alert.version == alert.count + sum(len(row.actions) for row in known)
    assert (alert.closed_at is None) == all(row.closed_at is None for row in known)


@settings(deadline=None)
@given(rows, regions, times, summaries)
def test_the_version_grows_with_each_fact_and_only_with_it(
    known: list[AlertRow], region: str, at: str, summary: Summary
) -> None:
    """Whoever shows version v or later shows this fact too."""
    mine = next((row for row in known if row.region == region), row(region, [], None))
    others = [row for row in known if row.region != region]
    joined = mine.with_event("new", at=at, summary=summary)
    before, after, again = (
        merge([*others, state]) for state in (mine, joined, joined.with_event("new", at=at, summary=summary))
    )
    assert after is not None
    # The first event shows what actions alone did not: their facts count from then on.
    assert after.version == (before.version if before else sum(len(row.actions) for row in [*others, mine])) + 1
    assert again == after


def test_the_region_that_accepted_first_owns_and_names_the_alert() -> None:
    """Every region comes to the same owner, so one region pages."""
    early = Summary(title="first", text="", kind="alert", service="generic")
    late = replace(early, title="second")
    alert = merge(
        [
            row("us-east-1", [("event", "e", "2026-11-21T03:40:02.000Z", late, False)], None),
            row("eu-west-1", [("event", "e", "2026-11-21T03:40:01.000Z", early, False)], None),
        ]
    )
    assert alert is not None
    assert (alert.owner, alert.summary, alert.correlation_id) == ("eu-west-1", early, "c-eu-west-1")


def test_a_row_remembers_the_last_events_and_not_more() -> None:
    """A storm does not grow the item without end; the count goes on."""
    storm = row("us-east-1", [], None)
    summary = Summary(title="t", text="", kind="alert", service="generic")
    for number in range(REMEMBERED_EVENTS + 5):
        storm = storm.with_event(f"e{number}", at="2026-11-21T03:40:00.000Z", summary=summary)
    assert storm.count == REMEMBERED_EVENTS + 5
    assert len(storm.event_ids) == REMEMBERED_EVENTS
    assert storm.with_event(f"e{REMEMBERED_EVENTS + 4}", at="2026-11-21T03:41:00.000Z", summary=summary) is storm


def test_an_event_that_two_regions_accepted_counts_once() -> None:
    """A sender that got no answer from one region tries another, and both may have stored the event."""
    summary = Summary(title="t", text="", kind="alert", service="generic")
    here, there = (
        row(region, [], None).with_event("same", at="2026-11-21T03:40:01.000Z", summary=summary)
        for region in ("us-east-1", "eu-west-1")
    )
    alert = merge([here, there.with_event("other", at="2026-11-21T03:40:02.000Z", summary=summary)])
    assert alert is not None
    assert (alert.count, alert.version) == (2, 2)
