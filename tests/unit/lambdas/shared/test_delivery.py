"""What a notifier does next."""

import pytest

from lambdas.shared.alert import AlertRow, Delivery
from lambdas.shared.delivery import Nothing, Page, Post, Step, Update, Wait, next_step
from lambdas.shared.messages import DeliveryCommand
from tests.unit.lambdas.alerting import HERE, LONG_AFTER, OPENED, THERE, action, alert, command, delivered, row

JUST_AFTER = "2026-11-21T03:40:01.000Z"
ATTEMPT = Delivery(attempted_at=OPENED, target="C0ACME")


def decide(*rows: AlertRow, to: DeliveryCommand | None = None, now: str = JUST_AFTER, asked_at: str = OPENED) -> Step:
    return next_step(alert(*rows), to or command(), region=HERE, now=now, asked_at=asked_at)


def test_the_owner_posts_at_once() -> None:
    """The region that accepted the first event posts the message without waiting for anybody."""
    assert decide(row()) == Post(ask_first=False)


def test_another_region_leaves_a_young_alert_to_its_owner() -> None:
    """Replication is about to tell that the owner has posted, so the others hold for a moment."""
    step = decide(row(THERE))
    assert isinstance(step, Wait)
    assert step.retry_after == 2.0


def test_another_region_posts_when_the_owner_stays_silent() -> None:
    """A lost owner must not mean a lost alert: after a minute whoever has the command posts."""
    assert decide(row(THERE), now=LONG_AFTER) == Post(ask_first=False)


def test_an_owner_that_keeps_trying_keeps_its_turn() -> None:
    """In a provider's outage the owner renews its attempt, so that the others do not post beside it afterwards."""
    trying = ATTEMPT.__class__(attempted_at="2026-11-21T03:49:30.000Z", target="C0ACME")
    assert isinstance(decide(row(THERE, delivery=trying), now=LONG_AFTER), Wait)
    assert decide(row(THERE, delivery=ATTEMPT), now=LONG_AFTER) == Post(ask_first=True)


def test_an_attempt_of_unknown_outcome_is_asked_about() -> None:
    """An attempt on record without a message id may have got through."""
    assert decide(row(delivery=ATTEMPT)) == Post(ask_first=True)


def test_what_is_shown_already_needs_nothing() -> None:
    """A command that came late, or twice, changes nothing."""
    assert decide(row(count=1, delivery=delivered(version=1))) == Nothing()


def test_a_message_is_brought_to_what_is_known_not_only_to_what_is_asked() -> None:
    """In a storm the first command shows everything, so that the others find it done."""
    assert decide(row(count=100, delivery=delivered(version=1)), to=command(min_version=2)) == Update()
    assert decide(row(count=100, delivery=delivered(version=100)), to=command(min_version=3)) == Nothing()


def test_facts_of_another_region_are_shown_even_when_the_numbers_agree() -> None:
    """Two regions may each have counted to the same version; what is not shown yet is, by the merged count."""
    rows = [row(HERE, count=2), row(THERE, count=2, delivery=delivered(version=3))]
    assert decide(*rows, to=command(min_version=3)) == Update()


def test_each_higher_level_pages_once() -> None:
    """A second command of a level finds its page on record, the next level pages again."""
    paged = row(delivery=delivered(pages={2: OPENED}))
    assert decide(row(delivery=delivered()), to=command(level=2)) == Page(2)
    assert decide(paged, to=command(level=2)) == Nothing()
    assert decide(paged, to=command(level=3)) == Page(3)


def test_the_page_goes_before_the_update() -> None:
    """People come first: a message that is out of date still calls them."""
    assert decide(row(count=5, delivery=delivered()), to=command(level=2)) == Page(2)


@pytest.mark.parametrize("kind", ["acknowledge", "close"])
@pytest.mark.requirement("ESC-02")
def test_nobody_is_paged_for_an_alert_that_is_taken(kind: str) -> None:
    """A page that was on its way when somebody took the alert only brings the message up to date."""
    taken = row(delivery=delivered()).with_action(action("close" if kind == "close" else "acknowledge"))
    assert decide(taken, to=command(level=2)) == Update()


def test_another_region_leaves_the_page_to_the_owner_for_a_minute() -> None:
    """Both regions may run an escalation after a race; the owner pages, and the other one finds it on record."""
    theirs = row(THERE, delivery=delivered())
    assert isinstance(decide(theirs, to=command(level=2), now=LONG_AFTER, asked_at=LONG_AFTER), Wait)
    assert decide(theirs, to=command(level=2), now=LONG_AFTER, asked_at=OPENED) == Page(2)


def test_a_command_that_is_ahead_of_the_table_waits() -> None:
    """What the command speaks of must be visible before it is said to be shown."""
    assert isinstance(decide(row(count=1), to=command(min_version=2)), Wait)
