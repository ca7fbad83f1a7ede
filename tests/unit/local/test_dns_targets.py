"""From the hosts that records name to the APIs behind them."""

import pytest

from constructs_lib.local.dns.model import ApiMapping, CustomDomain
from constructs_lib.local.dns.targets import Targets
from constructs_lib.local.errors import LocalCloudError

HOST = "d-1.execute-api.eu-west-1.amazonaws.com"


def targets(*mappings: ApiMapping) -> Targets:
    """A custom domain in Ireland, and APIs that answer under their host as a path."""
    domain = CustomDomain(name="api.example.com", host=HOST, region="eu-west-1", mappings=mappings)
    return Targets([domain], lambda url: url.replace("https://", "http://127.0.0.1:1/"))


def url(path: str, *mappings: ApiMapping) -> str:
    """Where a request for *path* goes, without what every place begins with."""
    place = targets(*mappings).behind(HOST, "api.example.com", path)
    assert place.region == "eu-west-1"
    return place.url.removeprefix("http://127.0.0.1:1/")


def test_a_mapping_leads_to_its_stage() -> None:
    """The default stage has no name in the address."""
    api = "abc.execute-api.eu-west-1.amazonaws.com"
    assert url("/orders/1", ApiMapping(base_path="", api_id="abc", stage="$default")) == f"{api}/orders/1"
    assert url("/orders/1", ApiMapping(base_path="", api_id="abc", stage="prod")) == f"{api}/prod/orders/1"
    assert url("/", ApiMapping(base_path="", api_id="abc", stage="$default")) == f"{api}/"


def test_the_longest_base_path_that_fits_decides() -> None:
    """It is cut off; half a word does not fit."""
    mappings = (
        ApiMapping(base_path="", api_id="all", stage="$default"),
        ApiMapping(base_path="v1", api_id="one", stage="$default"),
        ApiMapping(base_path="v1/orders", api_id="orders", stage="$default"),
    )
    found = {path: url(path, *mappings) for path in ("/v1/orders/7", "/v1/other", "/v10", "/v1")}
    assert {path: place.partition(".")[0] for path, place in found.items()} == {
        "/v1/orders/7": "orders",
        "/v1/other": "one",
        "/v10": "all",
        "/v1": "one",
    }
    assert found["/v1/orders/7"].endswith(".com/7")


def test_what_does_not_answer_is_said() -> None:
    """No custom domain, one of another name, or no mapping for the path."""
    mapping = ApiMapping(base_path="v1", api_id="one", stage="$default")
    for host, name, path, sentence in (
        ("somewhere.example.org", "api.example.com", "/", "not the regional host of a custom domain"),
        (HOST, "www.example.com", "/", "answers for api.example.com only, not for www.example.com"),
        (HOST, "api.example.com", "/v2", "no API mapping for /v2"),
    ):
        with pytest.raises(LocalCloudError, match=sentence):
            targets(mapping).behind(host, name, path)


def test_an_address_found_once_is_known() -> None:
    """The region need not answer for it again; what was not found is looked for again."""
    asked: list[str] = []

    def local_url(url: str) -> str:
        asked.append(url)
        if len(asked) == 1:
            raise LocalCloudError("not yet")
        return "http://127.0.0.1:1/"

    found = Targets([], local_url)
    with pytest.raises(LocalCloudError):
        found.local_url("https://a/")
    assert [found.local_url("https://a/") for _ in range(3)] == ["http://127.0.0.1:1/"] * 3
    assert len(asked) == 2


def test_hosts_are_told_by_their_region() -> None:
    """Others as they are."""
    assert [targets().region(host) for host in (HOST, "10.0.0.1")] == ["eu-west-1", "10.0.0.1"]
