"""An alert as a Teams activity."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.notify_teams.domain import CARD_BYTES, Meaning, activity_of, card_of, meaning_of, page_of, plain
from lambdas.shared.alert import Link
from tests.unit.lambdas.alerting import HERE, SUMMARY, action, alert, row, texts


def test_a_card_says_what_a_person_needs() -> None:
    """Title, account, region, resource, count, times, and where it was delivered from."""
    said = "\n".join(texts(card_of(alert(row(count=3)), region="us-east-1")["body"]))
    for word in ("CPU of i-0abc above 90 %", "123456789012", "i-0abc", "2026-11-21 03:40:00 UTC", "us-east-1"):
        assert word in said


def test_the_console_is_one_click_away() -> None:
    """The first action opens the console page."""
    assert card_of(alert(), region=HERE)["actions"][0] == {
        "type": "Action.OpenUrl",
        "title": "Alarm",
        "url": SUMMARY.links[0].url,
    }


def test_what_has_been_done_is_said() -> None:
    """Who acknowledged, and that it is closed."""
    changed = row().with_action(action("acknowledge", action_id="1")).with_action(action("close", action_id="2"))
    facts = {fact["title"]: fact["value"] for fact in card_of(alert(changed), region=HERE)["body"][2]["facts"]}
    assert facts["Acknowledged"] == plain("ada (U0ADA), 2026-11-21 03:40:00 UTC")
    assert facts["Closed"] == "2026-11-21 03:40:00 UTC"
    assert activity_of(alert(changed), region=HERE)["summary"].startswith("🟢")


def test_the_record_for_programs_travels_with_the_activity() -> None:
    """As an entity of our own type, which Teams passes over."""
    (entity,) = activity_of(alert(row(count=3)), region=HERE)["entities"]
    assert (entity["type"], entity["alert_id"], entity["version"]) == ("urn:alerting:alert", "a1", 3)


def test_a_sender_cannot_make_links_of_its_own() -> None:
    """What cards read as Markdown is shown as it is."""
    summary = replace(SUMMARY, title="[click](https://evil.example)", text="**now** [x](y)", resource="[a](b)")
    said = list(texts(card_of(alert(row(summary=summary)), region=HERE)["body"]))
    assert not any("](" in text for text in said)
    assert any("\\[click\\]\\(https://evil.example\\)" in text for text in said)


@given(
    title=st.text(min_size=1),
    text=st.text(alphabet="é*\n😀", max_size=50),
    times=st.integers(min_value=1, max_value=2_000),
    links=st.integers(min_value=0, max_value=8),
)
def test_a_card_stays_within_what_teams_takes(title: str, text: str, times: int, links: int) -> None:
    """However much an event holds, the message is one that Teams accepts."""
    summary = replace(
        SUMMARY,
        title=title * times,
        text=text * times,
        account="*" * times,
        resource="😀" * times,
        links=tuple(Link(title="[" * 300, url="https://long.example/" + "y" * 1_900) for _ in range(links)),
    )
    assert len(json.dumps(card_of(alert(row(summary=summary)), region=HERE))) <= CARD_BYTES


def test_a_page_shows_up_in_the_activity_feed() -> None:
    """People are called by a notification, not only by one more line."""
    page = page_of(alert(), level=2)
    assert page["channelData"] == {"notification": {"alert": True}}
    assert "CPU of i-0abc" in page["text"]


@pytest.mark.parametrize(
    ("status", "code", "meaning"),
    [
        (201, "", Meaning.DONE),
        (429, "", Meaning.TENANT),
        (412, "", Meaning.TENANT),
        (500, "", Meaning.DEPENDENCY),
        (502, "", Meaning.DEPENDENCY),
        (504, "", Meaning.DEPENDENCY),
        (302, "", Meaning.DEPENDENCY),
        (408, "", Meaning.DEPENDENCY),
        (401, "", Meaning.CREDENTIALS),
        (403, "BotNotInConversationRoster", Meaning.PERMANENT),
        (404, "ConversationNotFound", Meaning.PERMANENT),
        (404, "ActivityNotFoundInConversation", Meaning.GONE),
        (413, "MessageSizeTooBig", Meaning.PERMANENT),
    ],
)
def test_an_answer_reaches_as_far_as_its_cause(status: int, code: str, meaning: Meaning) -> None:
    """Limits are a conversation's, failures of the service everybody's, refusals this message's."""
    assert meaning_of(status, code) is meaning
