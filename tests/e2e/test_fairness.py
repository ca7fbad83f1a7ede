"""A tenant's flood on the running system: refused with the time to wait, while others are told as ever."""

import json
import uuid
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest
import urllib3

from tests.e2e.conversation import delivered, eventually, post
from tests.e2e.run.system import System

pytestmark = pytest.mark.local_cloud

# Limits of the system under test: 2 a second after 20 at once. On a machine so busy that the table of the rates answers
# too late, each environment of the function goes by them alone; there are no more of those than senders.
SENDERS = 4
AT_ONCE = 20
MOST = 400


def flood(system: System, endpoint: str, text: str) -> list[tuple[int, Mapping[str, str], Mapping[str, object]]]:
    """Status, headers and body of the answers to events of one alert, sent as fast as they are taken until some are not."""
    url = system.url(system.regions[0], f"/v1/endpoints/{endpoint}/events")

    def send(number: int) -> tuple[int, Mapping[str, str], Mapping[str, object]]:
        headers = {"content-type": "text/plain", "x-event-id": f"{text}-{number}".replace(" ", "-")}
        answer = urllib3.request("POST", url, body=text.encode(), headers=headers, retries=False, timeout=60)
        return answer.status, answer.headers, json.loads(answer.data)

    answers: list[tuple[int, Mapping[str, str], Mapping[str, object]]] = []
    with ThreadPoolExecutor(SENDERS) as senders:
        while len(answers) < MOST and all(status == 202 for status, _, _ in answers):
            answers += senders.map(send, range(len(answers), len(answers) + AT_ONCE))
    return answers


@pytest.mark.requirement("MSG-09", "MSG-10")
def test_a_flood_is_refused_after_a_while_and_nobody_else_notices(system: System) -> None:
    """429 says when to try again; what was accepted of the flood is delivered, and so is the neighbour's event."""
    acme, globex = system.tenants
    text, other = (f"{name} {uuid.uuid4().hex[:8]}" for name in ("Flood", "Quiet"))
    with ThreadPoolExecutor(1) as beside:
        answers = beside.submit(flood, system, acme.endpoint, text)
        assert post(system, globex, other).status == 202
        delivered(system, globex, other)
    statuses = [status for status, _, _ in answers.result()]
    assert set(statuses) == {202, 429}
    assert statuses.count(202) >= AT_ONCE
    for status, headers, body in answers.result():
        if status == 429:
            assert body["type"] == "urn:alerting:problem:over-rate"
            assert int(headers["Retry-After"]) >= 1
    assert post(system, globex, f"{other} again").status == 202
    delivered(system, globex, f"{other} again")
    alert_id = delivered(system, acme, text).shows.alert_id

    def events() -> int:
        return sum(row.count for row in system.rows(system.regions[0]) if row.alert_id == alert_id)

    eventually(lambda: events() == statuses.count(202), "every accepted event of the flood is in its alert")
