"""The rule table, fingerprints and console links."""

from urllib.parse import unquote, urlsplit

import pytest

from lambdas.process_event.classification import RULES, Rule, classify, fingerprint
from lambdas.process_event.links import PAGES, links_of
from lambdas.shared.alert import Kind, Link
from lambdas.shared.parsers import ParsedEvent


def event(family: str = "generic", **changes: object) -> ParsedEvent:
    fields: dict[str, object] = {"service": "s", "title": "t", "text": "", "series": ("a",), **changes}
    return ParsedEvent(family=family, **fields)  # type: ignore[arg-type] # test data by name


@pytest.mark.requirement("PRC-03")
@pytest.mark.parametrize(
    ("family", "traits", "kind"),
    [
        ("cloudwatch-alarm", {"state": "ALARM", "held": ""}, "alert"),
        ("cloudwatch-alarm", {"state": "ALARM", "held": "muted"}, "notification"),
        ("cloudwatch-alarm", {"state": "ALARM", "held": "suppressed"}, "notification"),
        ("cloudwatch-alarm", {"state": "OK", "held": "muted"}, "alert"),
        ("cloudwatch-alarm", {"state": "INSUFFICIENT_DATA", "held": ""}, "notification"),
        ("guardduty-finding", {"severity": "low"}, "notification"),
        ("guardduty-finding", {"severity": "medium"}, "alert"),
        ("guardduty-finding", {"severity": ""}, "alert"),
        ("health", {"category": "issue"}, "alert"),
        ("health", {"category": "scheduledChange"}, "notification"),
        ("health", {"category": "accountNotification"}, "notification"),
        ("health", {"category": "investigation"}, "alert"),
        ("ec2-state", {"state": "running"}, "notification"),
        ("ec2-state", {"state": "terminated"}, "alert"),
        ("generic", {"kind": "notification"}, "notification"),
        ("generic", {"kind": "whatever"}, "alert"),
        ("budget", {}, "alert"),
        ("never heard of", {"state": "running"}, "alert"),
    ],
)
def test_each_family_has_its_rules_and_the_unknown_is_an_alert(family: str, traits: dict[str, str], kind: Kind) -> None:
    """Rather one page too many than one too few."""
    assert classify(event(family, traits=traits)) == kind


@pytest.mark.requirement("PRC-03")
def test_the_rules_are_data() -> None:
    """Another table, other kinds, no other code."""
    assert classify(event(traits={"a": "b"}), (Rule("generic", "a", ("b",), "notification"),)) == "notification"
    assert classify(event("health", traits={"category": "scheduledChange"}), ()) == "alert"
    assert all(rule.kind in ("alert", "notification") and rule.values for rule in RULES)


def test_fingerprints_go_by_family_kind_series_and_key() -> None:
    """Equal parts, equal prints; and what is not part of the series does not count."""
    same = fingerprint(event(), "alert", None)
    assert fingerprint(event(title="another", account="1"), "alert", None) == same
    others = {
        fingerprint(event("health"), "alert", None),
        fingerprint(event(), "notification", None),
        fingerprint(event(series=("b",)), "alert", None),
        fingerprint(event(series=("a", "")), "alert", None),
        fingerprint(event(), "alert", "a"),
        fingerprint(event("key"), "alert", None),
    }
    assert same not in others
    assert len(others) >= 5
    assert fingerprint(event(series=("x",)), "alert", "k") == fingerprint(event(series=("y",)), "alert", "k")


@pytest.mark.requirement("PRC-05")
@pytest.mark.parametrize(
    ("region", "hosts"),
    [
        ("us-east-1", ("console.aws.amazon.com", "health.aws.amazon.com")),
        ("cn-northwest-1", ("console.amazonaws.cn", "health.amazonaws.cn")),
        ("us-gov-east-1", ("console.amazonaws-us-gov.com", "phd.amazonaws-us-gov.com")),
    ],
)
@pytest.mark.parametrize("page", PAGES)
def test_each_page_is_in_its_partitions_console(page: str, region: str, hosts: tuple[str, str]) -> None:
    """And shows what the event is about."""
    (link,) = links_of(event(page=page, page_id="the/thing", region=region))
    url = urlsplit(link.url)
    assert url.scheme == "https"
    assert url.netloc in {*hosts, f"{region}.{hosts[0]}"}
    assert page == "budgets" or unquote(link.url).count("the/thing") == 1
    if url.netloc.startswith(region) and page != "budgets":
        assert f"region={region}" in url.query


@pytest.mark.requirement("PRC-05")
@pytest.mark.parametrize("name", ["a b", "shop/errors", "50% full?", "#1 & more", "Grüße", "https://evil.example"])
def test_a_name_cannot_break_out_of_its_link(name: str) -> None:
    """Whatever characters an alarm's name holds."""
    (link,) = links_of(event(page="cloudwatch-alarm", page_id=name, region="eu-west-1"))
    prefix = "https://eu-west-1.console.aws.amazon.com/cloudwatch/home?region=eu-west-1#alarmsV2:alarm/"
    assert link.url.startswith(prefix)
    assert unquote(link.url.removeprefix(prefix)) == name
    assert not set(link.url.removeprefix(prefix)) & set("/#?& ")


@pytest.mark.parametrize("region", ["evil.example/", "eu-west-1@evil.example", "a b", "x" * 300])
def test_a_region_cannot_choose_the_host(region: str) -> None:
    """Anybody who knows an endpoint may write anything there."""
    for page in PAGES:
        (link,) = links_of(event(page=page, page_id="x", region=region))
        host = urlsplit(link.url).hostname or ""
        assert host.endswith((".aws.amazon.com",))
        assert "@" not in urlsplit(link.url).netloc


def test_the_senders_link_comes_after_the_console_page() -> None:
    """And alone where there is no page."""
    own = Link(title="Link of the sender", url="https://example.com")
    assert links_of(event(links=(own,))) == (own,)
    assert links_of(event(links=(own,), page="budgets"))[1] == own
