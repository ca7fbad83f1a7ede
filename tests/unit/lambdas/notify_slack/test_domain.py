"""An alert as a Slack message."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.notify_slack.domain import (
    Meaning,
    escape,
    is_message_of,
    is_page_of,
    meaning_of,
    message_of,
    page_of,
)
from lambdas.shared.alert import Alert, Link
from tests.standins.slack_blocks import face, problems
from tests.unit.lambdas.alerting import HERE, SUMMARY, action, alert, row, texts


def shown(of: Alert) -> Any:
    message = message_of(of, region=HERE)
    return face(message["text"], message["blocks"], message["metadata"]["event_payload"])


def mrkdwn(message: dict[str, Any]) -> list[str]:
    return [block_text for block in message["blocks"] if block["type"] != "header" for block_text in texts(block)]


def test_a_message_says_what_a_person_needs() -> None:
    """Title, account, region, resource, count, times, console link, and where it was delivered from."""
    message = message_of(alert(row(count=3)), region="us-east-1")
    said = "\n".join(texts(message["blocks"]))
    for word in ("CPU of i-0abc above 90 %", "123456789012", "eu-west-1", "i-0abc", "*Events*\n3", "us-east-1"):
        assert word in said
    assert "<!date^1795232400^" in said
    assert shown(alert()).link == SUMMARY.links[0].url


def test_the_record_for_programs_travels_with_the_message() -> None:
    """Whoever finds the message later knows by its metadata which alert and version it is."""
    message = message_of(alert(row(count=3)), region=HERE)
    assert is_message_of(message, "a1")
    assert not is_message_of(message, "a2")
    assert not is_message_of({"text": "by somebody else", "metadata": None}, "a1")
    assert message["metadata"]["event_payload"] == {
        "alert_id": "a1",
        "version": 3,
        "count": 3,
        "state": "open",
        "opened_at": "2026-11-21T03:40:00.000Z",
        "region": HERE,
    }


@pytest.mark.parametrize(
    ("kinds", "buttons", "words"),
    [
        ([], ["acknowledge", "close"], []),
        (["acknowledge"], ["close"], ["Acknowledged by ada (U0ADA)"]),
        (["close"], [], ["Closed"]),
        (["acknowledge", "close"], [], ["Acknowledged by ada (U0ADA)", "Closed"]),
    ],
)
def test_state_and_buttons_go_together(kinds: list[Any], buttons: list[str], words: list[str]) -> None:
    """What has been done is said, and no longer offered."""
    changed = row()
    for kind in kinds:
        changed = changed.with_action(action(kind, action_id=kind))
    of = alert(changed)
    assert [button.action_id for button in shown(of).buttons] == buttons
    said = "\n".join(mrkdwn(message_of(of, region=HERE)))
    assert all(word in said for word in words)


def test_a_button_says_whose_alert_it_is_for() -> None:
    """The tenant travels in the value, so that it can be checked against the alert's."""
    assert {button.value for button in shown(alert()).buttons} == {"acme/a1"}


def test_what_only_informs_asks_nobody_to_acknowledge() -> None:
    """A notification can be closed, that is all."""
    of = alert(row(summary=replace(SUMMARY, kind="notification")))
    assert [button.action_id for button in shown(of).buttons] == ["close"]


HOSTILE = replace(
    SUMMARY,
    title="<!channel> & <https://evil.example|click> " + "x" * 400,
    text="<!here> <@U1> " + "&" * 5_000,
    account="<" * 3_000,
    resource="<!everyone>",
    links=(
        Link(title="<!channel>", url="https://ok.example/?a=1&b=2"),
        Link(title="x", url="https://evil.example|<!channel>"),
        *(Link(title="long", url="https://long.example/" + "y" * 1_900) for _ in range(6)),
    ),
)


def test_a_sender_can_neither_mention_people_nor_break_the_blocks() -> None:
    """Whatever stands in an event is shown as it is, within every limit of Slack's."""
    message = message_of(alert(row(summary=HOSTILE)), region=HERE)
    assert problems(message["blocks"]) == []
    for text in [*mrkdwn(message), message["text"], page_of(alert(row(summary=HOSTILE)), level=2)["text"]]:
        for mention in ("<!channel>", "<!everyone>", "<@U1>", "<https://evil.example|click>"):
            assert mention not in text
    assert shown(alert(row(summary=HOSTILE))).link == "https://ok.example/?a=1&b=2"


@given(title=st.text(min_size=1), text=st.text(), account=st.text(), url=st.text())
def test_slack_takes_whatever_an_event_holds(title: str, text: str, account: str, url: str) -> None:
    """No content makes a message that Slack refuses for ever."""
    summary = replace(SUMMARY, title=title, text=text, account=account, links=(Link(title=title, url=url),))
    assert problems(message_of(alert(row(summary=summary)), region=HERE)["blocks"]) == []


@given(text=st.text(alphabet="a&<>", max_size=60), limit=st.integers(min_value=1, max_value=80))
def test_cutting_never_splits_an_entity(text: str, limit: int) -> None:
    """Half of `&amp;` would be shown as such, or swallow what follows."""
    cut = escape(text, limit)
    assert len(cut) <= limit
    whole = cut.removesuffix("…").replace("&amp;", "").replace("&lt;", "").replace("&gt;", "")
    assert set(whole) <= {"a"}


def test_higher_levels_call_more_people() -> None:
    """Level 2 calls who is there, level 3 everybody in the channel; each page names itself."""
    assert page_of(alert(), level=2)["text"].startswith("<!here> ")
    assert page_of(alert(), level=3)["text"].startswith("<!channel> ")
    assert is_page_of(page_of(alert(), level=2), "a1", 2)
    assert not is_page_of(page_of(alert(), level=2), "a1", 3)


@pytest.mark.parametrize(
    ("error", "meaning"),
    [
        ("internal_error", Meaning.DEPENDENCY),
        ("fatal_error", Meaning.DEPENDENCY),
        ("service_unavailable", Meaning.DEPENDENCY),
        ("request_timeout", Meaning.DEPENDENCY),
        ("ratelimited", Meaning.TENANT),
        ("token_revoked", Meaning.CREDENTIALS),
        ("message_not_found", Meaning.GONE),
        ("is_archived", Meaning.PERMANENT),
        ("something_new", Meaning.PERMANENT),
    ],
)
def test_an_error_reaches_as_far_as_its_cause(error: str, meaning: Meaning) -> None:
    """Slack's trouble is everybody's, a workspace's is its tenant's, a channel's is this message's."""
    assert meaning_of(error) is meaning
