"""The stand-ins: one port, faults, a record of what was posted."""

import json
import threading
import time
from typing import Any

import pytest
import urllib3

from tests.standins import MODES, Fault, PortTakenError, StandIns
from tests.standins.faults import Mode
from tests.unit.standins.asking import BUTTON, MESSAGE, ask, post


def test_a_taken_port_is_one_clear_sentence(standins: StandIns) -> None:
    """Whoever starts a second one is told what to do."""
    port = int(standins.url.rsplit(":", 1)[1])
    with (
        pytest.raises(PortTakenError, match=rf"^Port {port} on 127.0.0.1 is taken; stop .*, or start .*\.$"),
        StandIns(port),
    ):
        pass


def test_stopping_waits_for_nobody(http: urllib3.PoolManager) -> None:
    """Neither somebody who watches nor a request that hangs keeps it running, and the port is free again."""
    with StandIns(port=0) as first:
        first.fault("slack", "hang")
        watching = http.request("GET", f"{first.url}/api/events", preload_content=False)
        hanging = threading.Thread(target=_ignore, args=(http, f"{first.url}/slack/api/chat.update"))
        hanging.start()
        assert first.record.wait_for(lambda record: record.calls() == {"slack": {"faulted": 1}}, seconds=5)
        begun = time.monotonic()
    assert time.monotonic() - begun < 2
    hanging.join()
    watching.release_conn()
    with StandIns(port=int(first.url.rsplit(":", 1)[1])):
        pass


def _ignore(http: urllib3.PoolManager, url: str) -> None:
    with pytest.raises(urllib3.exceptions.HTTPError):
        http.request("POST", url)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.requirement("TST-03")
def test_each_fault_looks_as_it_does_on_the_wire(standins: StandIns, http: urllib3.PoolManager, mode: Mode) -> None:
    """And hits one provider only; only when up or slow does anything happen."""
    standins.fault("slack", mode, milliseconds=30, retry_after=4)
    begun = time.monotonic()
    try:
        answer = http.request(
            "POST",
            f"{standins.url}/slack/api/chat.postMessage",
            headers={"Content-Type": "application/json", "Authorization": "Bearer xoxb-standin"},
            body=json.dumps(MESSAGE),
            timeout=0.3,
        )
        seen: object = (answer.status, answer.headers.get("Retry-After"), answer.data[:9])
    except urllib3.exceptions.HTTPError as error:
        seen = type(error).__name__
    expected: dict[str, object] = {
        "up": (200, None, b'{"ok":tru'),
        "slow": (200, None, b'{"ok":tru'),
        "down": (503, None, b"upstream "),
        "throttled": (429, "4", b'{"ok":fal'),
        "garbled": (200, None, b'{"ok": tr'),
        "refuse": "ProtocolError",
        "hang": "ReadTimeoutError",
    }
    assert seen == expected[mode]
    assert (time.monotonic() - begun >= 0.03) or mode != "slow"
    assert len(standins.record.messages()) == (1 if mode in ("up", "slow") else 0)
    assert ask(http, f"{standins.url}/teams/v3/conversations/19:x/activities", {})[0] == 401


def test_a_fault_of_one_workspace_is_nobody_elses(standins: StandIns, http: urllib3.PoolManager) -> None:
    """Calls tell whose they are by their token; a fault of the provider's own still hits everybody."""

    def status(token: str) -> int:
        url = f"{standins.url}/slack/api/chat.postMessage"
        return ask(http, url, MESSAGE, Authorization=f"Bearer {token}")[0]

    acme, globex = (standins.slack_tokens_of(name)["bot_token"] for name in ("acme", "globex"))
    standins.fault("slack/acme", "throttled")
    assert [status(token) for token in (acme, globex, "xoxb-standin")] == [429, 200, 200]
    standins.fault("slack", "down")
    assert [status(token) for token in (acme, globex)] == [429, 503]
    standins.fault("slack/acme", "up")
    standins.fault("slack", "up")
    assert status(acme) == 200
    with pytest.raises(ValueError, match="provider must be one of slack, teams, slack/<workspace>, got 'teams/acme'"):
        standins.fault("teams/acme", "down")


@pytest.mark.parametrize(
    "wanted",
    [
        {"provider": "skype", "mode": "up"},
        {"provider": "slack", "mode": "sideways"},
        {"provider": "slack", "mode": "slow", "milliseconds": -1},
        {"provider": "slack", "mode": "slow", "speed": 1},
        ["slack"],
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(standins: StandIns, http: urllib3.PoolManager, wanted: Any) -> None:
    """400 that says what a fault is; nothing changes."""
    status, answer = ask(http, f"{standins.url}/api/faults", wanted)
    assert (status, "a fault is" in answer["detail"]) == (400, True)
    assert standins.faults.of("slack") == Fault()


def test_faults_can_be_set_over_http(standins: StandIns, http: urllib3.PoolManager) -> None:
    """As the page does."""
    ask(http, f"{standins.url}/api/faults", {"provider": "teams", "mode": "throttled", "retry_after": 9})
    assert standins.faults.of("teams") == Fault(mode="throttled", retry_after=9)
    assert ask(http, f"{standins.url}/api/faults")[1]["teams"]["mode"] == "throttled"


def test_what_is_posted_is_on_record_with_its_times(standins: StandIns, http: urllib3.PoolManager) -> None:
    """For programs in the same process, and as JSON."""
    payload = {"alert_id": "a1", "version": 2, "opened_at": "2020-01-01T00:00:00.000Z"}
    post(http, standins, metadata={"event_type": "alert", "event_payload": payload})
    (message,) = standins.record.messages("slack")
    assert (message.target, message.shows.alert_id, message.versions) == ("C0ACME", "a1", (2,))
    assert message.latency_seconds is not None
    assert message.latency_seconds > 1_000_000
    snapshot = ask(http, f"{standins.url}/api/messages")[1]
    assert snapshot["messages"][0]["shows"]["version"] == 2
    assert snapshot["calls"] == {"slack": {"chat.postMessage": 1}}


def test_somebody_who_waits_hears_of_the_change(standins: StandIns, http: urllib3.PoolManager) -> None:
    """A condition is looked at again with every change, and given up in the end."""
    waiting: list[bool] = []
    waiter = threading.Thread(
        daemon=True,
        target=lambda: waiting.append(standins.record.wait_for(lambda record: bool(record.messages()), seconds=60)),
    )
    waiter.start()
    post(http, standins)
    waiter.join(timeout=10)
    assert waiting == [True]
    assert not standins.record.wait_for(lambda record: len(record.messages()) == 2, seconds=0.01)


POST = "chat.postMessage"
REFUSALS: list[tuple[str, Any, dict[str, str], str]] = [
    (POST, MESSAGE, {"Authorization": "xoxb-standin"}, "not_authed"),
    (POST, MESSAGE, {"Authorization": "Bearer xoxb-other"}, "invalid_auth"),
    ("chat.delete", MESSAGE, {}, "unknown_method"),
    (POST, MESSAGE, {"Content-Type": "text/plain"}, "invalid_post_type"),
    (POST, [], {}, "json_not_object"),
    (POST, MESSAGE | {"channel": "#alerts"}, {}, "channel_not_found"),
    (POST, {"channel": "C1"}, {}, "no_text"),
    (POST, MESSAGE | {"metadata": {"event_type": "x"}}, {}, "invalid_metadata_format"),
    (POST, MESSAGE | {"blocks": []}, {}, "invalid_blocks"),
    (POST, MESSAGE | {"blocks": [{"type": "section"}]}, {}, "invalid_blocks"),
    (POST, MESSAGE | {"blocks": [{"type": "actions", "elements": [BUTTON] * 2}]}, {}, "invalid_blocks"),
    (POST, MESSAGE | {"thread_ts": "1.0"}, {}, "thread_not_found"),
    ("chat.update", MESSAGE | {"ts": "1.0"}, {}, "message_not_found"),
]


@pytest.mark.parametrize("refusal", REFUSALS, ids=[f"{index}-{each[3]}" for index, each in enumerate(REFUSALS)])
def test_slack_refuses_what_slack_would(
    standins: StandIns, http: urllib3.PoolManager, refusal: tuple[str, Any, dict[str, str], str]
) -> None:
    """With the error names of Slack's own, so that a message that passes here passes there."""
    method, body, headers, error = refusal
    status, answer = ask(http, f"{standins.url}/slack/api/{method}", body, **headers)
    assert (status, answer["ok"], answer["error"]) == (200, False, error)
    assert standins.record.messages() == []
