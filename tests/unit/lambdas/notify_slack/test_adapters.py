"""Slack's Web API, spoken to a stand-in that is as strict as Slack."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from constructs_lib.runtime import DependencyUnavailable, PermanentFailure, TenantUnavailable
from lambdas.notify_slack.adapters import Slack
from lambdas.shared.alert import Alert
from lambdas.shared.notifier import MessageGoneError
from lambdas.shared.provider_http import Answer, ProviderHttp
from tests.standins import StandIns
from tests.standins.faults import Mode
from tests.unit.lambdas.alerting import HERE, SLACK_CHANNEL, alert, row
from tests.unit.lambdas.shared.test_outside_calls import Lines


class Tokens:
    """The secret with bot tokens."""

    def __init__(self, *versions: dict[str, Any]) -> None:
        self.versions = list(versions)

    def json_object(self, *, at_most_old: float = 300.0) -> dict[str, Any]:
        fresh = at_most_old < 300
        return self.versions[-1 if fresh else 0]


@pytest.fixture
def standins() -> Iterator[StandIns]:
    with StandIns(port=0) as running:
        yield running


def tokens_of(**by_tenant: str) -> dict[str, Any]:
    return {"tenants": {tenant: {"bot_token": token} for tenant, token in by_tenant.items()}}


def slack(standins: StandIns, tokens: Tokens | None = None, *, seconds: float = 5.0) -> Slack:
    http = ProviderHttp(provider="slack", region=HERE, timeout_seconds=seconds, logger=Lines())  # type: ignore[arg-type]  # all it uses
    secret = tokens or Tokens(tokens_of(acme=standins.slack_tokens_secret["bot_token"]))
    return Slack(http, secret, url=f"{standins.url}/slack/api", region=HERE)  # type: ignore[arg-type]  # all it uses


def test_a_message_is_posted_and_updated(standins: StandIns) -> None:
    """The same message shows the first version, then the third."""
    ts = slack(standins).post(alert(), target=SLACK_CHANNEL)
    slack(standins).update(alert(row(count=3)), target=SLACK_CHANNEL, message_id=ts)
    (message,) = standins.record.messages("slack")
    assert message.message_id == ts
    assert message.versions == (1, 3)
    assert message.shows.title == "🔴 CPU of i-0abc above 90 %"
    assert message.shows.region == HERE


def test_an_earlier_post_is_found_by_its_metadata(standins: StandIns) -> None:
    """Among other messages of the channel, past the first page, and not in another channel."""
    posted = slack(standins).post(old(), target=SLACK_CHANNEL)
    for _ in range(201):
        slack(standins).post(old("a2"), target=SLACK_CHANNEL)
    assert slack(standins).find(old(), target=SLACK_CHANNEL) == posted
    assert slack(standins).find(old(), target="C0OTHER") is None
    assert standins.record.calls()["slack"]["conversations.history"] == 3


def old(alert_id: str = "a1") -> Alert:
    """An alert that was opened before the stand-in's clock."""
    return alert(row(alert_id=alert_id, accepted_at="2020-01-01T00:00:00.000Z"))


def test_without_leave_to_read_slack_cannot_be_asked(standins: StandIns, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bot without the scope posts again rather than never."""
    refuse_reading(standins, monkeypatch, "missing_scope")
    assert slack(standins).find(old(), target=SLACK_CHANNEL) is None


def refuse_reading(standins: StandIns, monkeypatch: pytest.MonkeyPatch, error: str) -> None:
    from starlette.responses import JSONResponse

    monkeypatch.setattr(standins.slack, "_history", lambda _query: JSONResponse({"ok": False, "error": error}))


def test_a_page_goes_into_the_thread_once_per_level(standins: StandIns) -> None:
    """A page that got through before a crash is seen in the thread and not made again."""
    ts = slack(standins).post(alert(), target=SLACK_CHANNEL)
    for level in (2, 2, 3):
        slack(standins).page(alert(), target=SLACK_CHANNEL, message_id=ts, level=level)
    (message,) = standins.record.messages("slack")
    assert [(page.level, page.text.split(" ")[0]) for page in message.pages] == [(2, "<!here>"), (3, "<!channel>")]


@pytest.mark.parametrize("mode", ["down", "refuse", "garbled", "hang"])
@pytest.mark.requirement("TST-03")
def test_a_provider_in_trouble_is_everybodys_wait(standins: StandIns, mode: Mode) -> None:
    """5xx, broken connections, nonsense and silence hold all records; nothing is given up for them."""
    standins.fault("slack", mode)
    with pytest.raises(DependencyUnavailable):
        slack(standins, seconds=0.3).post(alert(), target=SLACK_CHANNEL)
    assert standins.record.messages() == []


def test_a_late_answer_is_waited_for_within_the_limit(standins: StandIns) -> None:
    """Slow is not down, as long as it is in time."""
    standins.fault("slack", "slow", milliseconds=50)
    assert slack(standins).post(alert(), target=SLACK_CHANNEL)
    standins.fault("slack", "slow", milliseconds=5_000)
    with pytest.raises(DependencyUnavailable, match="did not answer"):
        slack(standins, seconds=0.2).post(alert(), target=SLACK_CHANNEL)


@pytest.mark.requirement("TST-03")
def test_a_throttled_workspace_is_its_tenants_wait(standins: StandIns) -> None:
    """429 holds this tenant, for as long as Slack asks."""
    standins.fault("slack", "throttled", retry_after=7)
    with pytest.raises(TenantUnavailable) as held:
        slack(standins).post(alert(), target=SLACK_CHANNEL)
    assert held.value.retry_after == 7


class Gateway:
    """Something between here and Slack that answers in Slack's place."""

    def __init__(self, status: int, body: bytes) -> None:
        self.answer = Answer(status=status, retry_after=None, body=body)

    def call(self, *_args: object, **_more: object) -> Answer:
        return self.answer


@pytest.mark.parametrize(
    ("status", "body", "failure"),
    [
        (429, b"", TenantUnavailable),
        (403, b"<html>blocked</html>", DependencyUnavailable),
        (302, b"", DependencyUnavailable),
        (200, b"[]", DependencyUnavailable),
        (200, b'{"ok": "yes"}', DependencyUnavailable),
        (200, b'{"ok": true}', DependencyUnavailable),
    ],
)
def test_an_answer_that_slack_would_not_give_gives_nothing_up(
    status: int, body: bytes, failure: type[Exception]
) -> None:
    """Proxies and load balancers speak for themselves, not for Slack."""
    slack = Slack(Gateway(status, body), Tokens(tokens_of(acme="xoxb-x")), url="https://slack.example", region=HERE)  # type: ignore[arg-type]  # all it uses
    with pytest.raises(failure):
        slack.post(alert(), target=SLACK_CHANNEL)


@pytest.mark.parametrize("error", ["channel_not_found", "not_in_channel", "is_archived", "msg_too_long"])
def test_what_waiting_cannot_mend_is_given_up_with_its_reason(standins: StandIns, error: str) -> None:
    """The record goes to quarantine under Slack's own name for the cause."""
    standins.slack.refusals[SLACK_CHANNEL] = error
    with pytest.raises(PermanentFailure, match=error):
        slack(standins).post(alert(), target=SLACK_CHANNEL)


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        ("internal_error", DependencyUnavailable),
        ("service_unavailable", DependencyUnavailable),
        ("ratelimited", TenantUnavailable),
        ("org_login_required", TenantUnavailable),
    ],
)
def test_trouble_that_slack_names_in_a_good_answer_counts_too(
    standins: StandIns, error: str, failure: type[Exception]
) -> None:
    """HTTP 200 does not mean done."""
    standins.slack.refusals[SLACK_CHANNEL] = error
    with pytest.raises(failure):
        slack(standins).post(alert(), target=SLACK_CHANNEL)


def test_a_removed_message_is_noticed(standins: StandIns) -> None:
    """An update or a page of what is not there says so, instead of failing for ever."""
    ts = slack(standins).post(alert(), target=SLACK_CHANNEL)
    standins.slack.remove(ts)
    with pytest.raises(MessageGoneError):
        slack(standins).update(alert(), target=SLACK_CHANNEL, message_id=ts)
    with pytest.raises(MessageGoneError):
        slack(standins).page(alert(), target=SLACK_CHANNEL, message_id=ts, level=2)


def test_a_replaced_token_is_taken_up(standins: StandIns) -> None:
    """After a rotation the old token is refused; the new one is read and used at once."""
    tokens = Tokens(tokens_of(acme="xoxb-old"), tokens_of(acme=standins.slack_tokens_secret["bot_token"]))
    assert slack(standins, tokens).post(alert(), target=SLACK_CHANNEL)


@pytest.mark.parametrize(
    ("tokens", "reason"),
    [(tokens_of(acme="xoxb-revoked"), "invalid_auth"), (tokens_of(bell="xoxb-standin"), "no Slack bot token")],
)
def test_a_tenant_without_a_good_token_is_given_up(standins: StandIns, tokens: dict[str, Any], reason: str) -> None:
    """A removed app is this tenant's affair; the reason says so, the token is not told."""
    with pytest.raises(PermanentFailure, match=reason) as failure:
        slack(standins, Tokens(tokens)).post(alert(), target=SLACK_CHANNEL)
    assert "xoxb" not in str(failure.value)


def test_a_secret_of_another_shape_holds_everybody(standins: StandIns) -> None:
    """An operator's slip must not send every alert to quarantine."""
    with pytest.raises(DependencyUnavailable, match="tenants"):
        slack(standins, Tokens({"acme": "xoxb-standin"})).post(alert(), target=SLACK_CHANNEL)


def test_the_stand_in_is_as_strict_as_slack(standins: StandIns) -> None:
    """It refuses what Slack would, so that a wrong message cannot pass here and fail there."""
    channel = slack(standins)
    too_long = {
        "channel": SLACK_CHANNEL,
        "blocks": [{"type": "header", "text": {"type": "plain_text", "text": "x" * 151}}],
    }
    with pytest.raises(PermanentFailure, match="invalid_blocks"):
        channel._write("acme", "chat.postMessage", too_long)
    with pytest.raises(PermanentFailure, match="no_text"):
        channel._write("acme", "chat.postMessage", {"channel": SLACK_CHANNEL})
    assert json.dumps(standins.record.calls()["slack"]) == '{"chat.postMessage": 2}'
