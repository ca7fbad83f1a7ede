"""The connector of Teams, spoken to a stand-in that is as strict."""

from collections.abc import Iterator
from typing import Any

import pytest

from constructs_lib.runtime import DependencyUnavailable, PermanentFailure, TenantUnavailable
from lambdas.notify_teams.access_tokens import AccessTokens
from lambdas.notify_teams.adapters import Teams
from lambdas.shared.notifier import MessageGoneError
from lambdas.shared.provider_http import ProviderHttp
from tests.standins import StandIns
from tests.standins.faults import Mode
from tests.unit.lambdas.alerting import HERE, TEAMS_CONVERSATION, alert, row
from tests.unit.lambdas.shared.test_outside_calls import Lines
from tests.unit.runtime.fakes import FakeTime


class Credentials:
    """The secret of the bot."""

    def __init__(self, value: dict[str, Any], fresh: dict[str, Any] | None = None) -> None:
        self.value = value
        self.fresh = fresh or value

    def json_object(self, *, at_most_old: float = 300.0) -> dict[str, Any]:
        return self.value if at_most_old >= 300 else self.fresh


@pytest.fixture
def standins() -> Iterator[StandIns]:
    with StandIns(port=0) as running:
        yield running


def teams(
    standins: StandIns, credentials: Credentials | None = None, *, seconds: float = 5.0, time: FakeTime | None = None
) -> Teams:
    http = ProviderHttp(provider="teams", region=HERE, timeout_seconds=seconds, logger=Lines())  # type: ignore[arg-type]  # all it uses
    clock = time or FakeTime()
    secret = credentials or Credentials(standins.teams_credentials_secret)
    tokens = AccessTokens(http, secret, url=f"{standins.url}/teams/login", clock=lambda: clock.seconds)  # type: ignore[arg-type]  # all it uses
    return Teams(http, tokens, url=f"{standins.url}/teams", region=HERE)


def test_a_message_is_posted_and_updated(standins: StandIns) -> None:
    """The same activity shows the first version, then the third; one access token serves for both."""
    bot = teams(standins)
    activity_id = bot.post(alert(), target=TEAMS_CONVERSATION)
    bot.update(alert(row(count=3)), target=TEAMS_CONVERSATION, message_id=activity_id)
    (message,) = standins.record.messages("teams")
    assert message.message_id == activity_id
    assert message.target == TEAMS_CONVERSATION
    assert message.versions == (1, 3)
    assert message.shows.title == "🔴 CPU of i-0abc above 90 %"
    assert standins.record.calls()["teams"] == {"token": 1, "post": 1, "update": 1}


def test_a_page_is_a_reply_to_the_message(standins: StandIns) -> None:
    """People are called to where the alert is."""
    bot = teams(standins)
    activity_id = bot.post(alert(), target=TEAMS_CONVERSATION)
    bot.page(alert(), target=TEAMS_CONVERSATION, message_id=activity_id, level=2)
    (message,) = standins.record.messages("teams")
    assert [page.level for page in message.pages] == [2]


def test_teams_cannot_be_asked_what_was_posted(standins: StandIns) -> None:
    """So nothing is found, and a crash may cost a duplicate."""
    bot = teams(standins)
    bot.post(alert(), target=TEAMS_CONVERSATION)
    found: object = bot.find(alert(), target=TEAMS_CONVERSATION)  # type: ignore[func-returns-value]  # which is the point
    assert found is None


@pytest.mark.parametrize("mode", ["down", "refuse", "garbled", "hang"])
@pytest.mark.requirement("TST-03")
def test_a_provider_in_trouble_is_everybodys_wait(standins: StandIns, mode: Mode) -> None:
    """5xx, broken connections, nonsense and silence hold all records, of the connector as of the login service."""
    bot = teams(standins, seconds=0.3)
    activity_id = bot.post(alert(), target=TEAMS_CONVERSATION)
    standins.fault("teams", mode)
    with pytest.raises(DependencyUnavailable):
        bot.update(alert(row(count=2)), target=TEAMS_CONVERSATION, message_id=activity_id)
    for each in (bot, teams(standins, seconds=0.3)):
        with pytest.raises(DependencyUnavailable):
            each.post(alert(), target=TEAMS_CONVERSATION)
    assert [message.versions for message in standins.record.messages()] == [(1,)]


@pytest.mark.requirement("TST-03")
def test_a_throttled_conversation_is_its_tenants_wait(standins: StandIns) -> None:
    """429 and 412 hold this tenant, for as long as Teams asks."""
    bot = teams(standins)
    bot.post(alert(), target=TEAMS_CONVERSATION)
    standins.fault("teams", "throttled", retry_after=9)
    with pytest.raises(TenantUnavailable) as held:
        bot.post(alert(), target=TEAMS_CONVERSATION)
    assert held.value.retry_after == 9


def test_what_waiting_cannot_mend_is_given_up_with_its_reason(standins: StandIns) -> None:
    """The record goes to quarantine under Teams' own name for the cause."""
    standins.teams.refusals[TEAMS_CONVERSATION] = (403, "BotNotInConversationRoster")
    with pytest.raises(PermanentFailure, match="BotNotInConversationRoster"):
        teams(standins).post(alert(), target=TEAMS_CONVERSATION)
    with pytest.raises(PermanentFailure, match="ConversationNotFound"):
        teams(standins).post(alert(), target="unknown")


def test_a_removed_message_is_noticed(standins: StandIns) -> None:
    """An update of what is not there says so, instead of failing for ever."""
    bot = teams(standins)
    activity_id = bot.post(alert(), target=TEAMS_CONVERSATION)
    standins.teams.remove(activity_id)
    with pytest.raises(MessageGoneError):
        bot.update(alert(), target=TEAMS_CONVERSATION, message_id=activity_id)


def test_an_access_token_is_renewed_before_it_ends(standins: StandIns) -> None:
    """Within five minutes of its end a new one is fetched, so that none ends on the way."""
    time = FakeTime()
    bot = teams(standins, time=time)
    fetched = []
    for passing in (0, 3_299, 2):
        time.pass_by(passing)
        bot.post(alert(), target=TEAMS_CONVERSATION)
        fetched.append(standins.record.calls()["teams"]["token"])
    assert fetched == [1, 1, 2]


def test_a_refused_access_token_is_replaced_at_once(standins: StandIns) -> None:
    """Revoked tokens and a rotated password cost one call more, not an outage."""
    good = standins.teams_credentials_secret
    secret = Credentials(good)
    bot = teams(standins, secret)
    bot.post(alert(), target=TEAMS_CONVERSATION)
    standins.teams.revoke_tokens()
    standins.teams.password = "rotated"
    secret.fresh = good | {"app_password": "rotated"}
    assert bot.post(alert(), target=TEAMS_CONVERSATION)


@pytest.mark.parametrize("broken", [{"app_password": "wrong"}, {"app_password": ""}, {"directory": None}])
def test_bad_credentials_of_the_bot_hold_everybody(standins: StandIns, broken: dict[str, Any]) -> None:
    """All tenants share them; giving every alert up would be worse than waiting for an operator."""
    with pytest.raises(DependencyUnavailable) as failure:
        teams(standins, Credentials(standins.teams_credentials_secret | broken)).post(
            alert(), target=TEAMS_CONVERSATION
        )
    assert "wrong" not in str(failure.value)
