import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from constructs_lib.local import cloud, running
from constructs_lib.local.cloud import LocalCloud
from constructs_lib.local.deployment import DeployedStack
from constructs_lib.local.dns.model import Dns
from constructs_lib.local.errors import LocalCloudError
from constructs_lib.local.faults.model import Fault, ThirdParty


class Parts:
    """Stand-ins for what the local cloud is made of; each notes when it starts and stops."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.fails_at = ""
        self.account: str | None = None
        self.tables: tuple[str, ...] = ()
        self.function_environment: Mapping[str, str] = {}

    def note(self, event: str, problem: type[BaseException] = LocalCloudError) -> None:
        self.events.append(event)
        if event == self.fails_at:
            raise problem(event)

    def regional(self, _directory: Path, *, function_environment: Mapping[str, str], **_: Any) -> Any:
        self.function_environment = function_environment
        return FakeRegions(self)

    def runner(self, _url: str, regions: Any, *, access_key_id: str) -> Any:
        self.events.append(f"mappings in {', '.join(regions)} of {access_key_id}")
        return FakeRunner(self)

    def deployment(self, _url: str, _home: Path, *, account: str, **_: Any) -> Any:
        return FakeDeployment(self, account)


class FakeRunner:
    def __init__(self, parts: Parts) -> None:
        self.start = lambda: parts.note("mappings start")
        self.stop = lambda: parts.note("mappings stop")

    def status(self) -> tuple[()]:
        return ()


class FakeRegions:
    url = inner_url = "http://127.0.0.1:1"
    home = "eu-west-1"

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.names: tuple[str, ...] = ()

    def start(self) -> None:
        self.parts.note("emulator start")

    def stop(self) -> None:
        self.parts.note("emulator stop")

    def spread(self, regions: tuple[str, ...]) -> None:
        self.names = regions
        self.parts.note(f"regions {', '.join(regions)}")

    def control_at(self, port: int) -> None:
        self.control_port = port

    def apply(self, faults: Mapping[str, Fault]) -> None:
        self.parts.note(f"broken: {', '.join(faults)}")

    def break_functions(self, faults: Any) -> None:
        self.broken_functions = faults


class FakeTables:
    def __init__(self, parts: Parts, names: Any, regions: Any) -> None:
        self.parts = parts
        parts.events.append(f"replicas of {', '.join(names)} in {', '.join(regions)}")

    def start(self) -> None:
        self.parts.note("replicas start")

    def stop(self) -> None:
        self.parts.note("replicas stop")

    def pause(self, a: str, b: str) -> None:
        self.parts.note(f"pause {a} {b}")

    def resume(self, a: str, b: str) -> None:
        self.parts.note(f"resume {a} {b}")

    def pause_region(self, region: str) -> None:
        self.parts.note(f"pause {region}")

    def resume_region(self, region: str) -> None:
        self.parts.note(f"resume {region}")

    def status(self) -> tuple[()]:
        return ()


class FakeDeployment:
    def __init__(self, parts: Parts, account: str) -> None:
        self.parts, self.account = parts, account

    def synthesize(self, _app: str, target: Path, *, context: Mapping[str, str], directory: Path) -> None:
        self.parts.note("synthesize")
        write_assembly(target, self.parts.account or "unknown-account")

    def bootstrap(self, environments: Any) -> None:
        self.parts.note(f"bootstrap {environments}")

    def deploy(self, assembly: Path, _stacks: Any) -> tuple[DeployedStack, ...]:
        self.parts.note(f"deploy {assembly.name}")
        return (DeployedStack(name="Orders", region="eu-west-1", outputs={}, resources={}),)

    def client(self, _service: str, _region: str) -> Any:
        raise AssertionError("no global table, no call")


def write_assembly(folder: Path, *accounts: str) -> None:
    folder.mkdir(parents=True)
    artifacts = {
        f"Orders{number}": {
            "type": "aws:cloudformation:stack",
            "environment": f"aws://{account}/eu-west-1",
            "properties": {"templateFile": "x"},
        }
        for number, account in enumerate(accounts)
    }
    (folder / "manifest.json").write_text(json.dumps({"artifacts": artifacts}))


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> Parts:
    made = Parts()
    monkeypatch.setattr(cloud, "Regions", made.regional)
    monkeypatch.setattr(cloud, "MappingRunner", made.runner)
    monkeypatch.setattr(cloud, "Deployment", made.deployment)
    monkeypatch.setattr(cloud, "find_tables", lambda _stacks, _client: made.tables)
    monkeypatch.setattr(cloud, "GlobalTables", lambda _client, names, regions: FakeTables(made, names, regions))
    monkeypatch.setattr(cloud, "read_dns", lambda _client, _regions: Dns())
    monkeypatch.setattr(cloud, "interpreter", lambda _name, _progress: Path("python"))
    monkeypatch.setattr(cloud, "deployable_resource_types", lambda _progress: frozenset())
    return made


def test_parts_start_in_order_and_stop_in_reverse(parts: Parts, tmp_path: Path) -> None:
    """The app runs once the block is entered; what was started last stops first."""
    with LocalCloud(app="python app.py", work_directory=tmp_path) as running_cloud:
        parts.events.append("block")
        assert running.find(tmp_path).regions == running_cloud.regions == ("eu-west-1",)

    assert parts.events == [
        "emulator start",
        "synthesize",
        "regions eu-west-1",
        "bootstrap [('hnb659fds', 'eu-west-1')]",
        "deploy assembly",
        "mappings in eu-west-1 of 000000000000",
        "mappings start",
        "block",
        "mappings stop",
        "emulator stop",
    ]
    with pytest.raises(LocalCloudError, match="No local cloud runs"):
        running.find(tmp_path)


@pytest.mark.parametrize(
    "step", ["emulator start", "synthesize", "regions eu-west-1", "deploy assembly", "replicas start", "mappings start"]
)
@pytest.mark.parametrize("problem", [LocalCloudError, KeyboardInterrupt])
def test_whatever_fails_or_interrupts_a_start_the_emulator_stops(
    parts: Parts, tmp_path: Path, step: str, problem: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A start that does not come to its end leaves nothing running."""
    parts.fails_at = step
    parts.tables = ("orders",)
    monkeypatch.setattr(parts, "note", lambda event: Parts.note(parts, event, problem))

    with pytest.raises(problem), LocalCloud(app="python app.py", work_directory=tmp_path):
        pass

    assert parts.events[-1] == "emulator stop"
    with pytest.raises(LocalCloudError):
        running.find(tmp_path)


def test_an_error_in_the_block_stops_everything_and_goes_on(parts: Parts, tmp_path: Path) -> None:
    """The caller's own error is what the caller sees."""
    with pytest.raises(ZeroDivisionError), LocalCloud(app="python app.py", work_directory=tmp_path):
        _ = 1 / 0

    assert parts.events[-2:] == ["mappings stop", "emulator stop"]


def test_a_synthesized_app_is_not_synthesized_again(parts: Parts, tmp_path: Path) -> None:
    """A folder of a cloud assembly is deployed as it is."""
    write_assembly(tmp_path / "cdk.out", "unknown-account")

    with LocalCloud(app="cdk.out", directory=tmp_path, work_directory=tmp_path / "work"):
        pass

    assert "synthesize" not in parts.events


def test_an_app_that_names_its_account_gets_it(parts: Parts, tmp_path: Path) -> None:
    """Stacks with an account of their own are deployed to that account."""
    parts.account = "111122223333"

    with LocalCloud(app="python app.py", work_directory=tmp_path):
        assert running.find(tmp_path).account == "111122223333"


def test_an_app_of_two_accounts_is_refused(parts: Parts, tmp_path: Path) -> None:
    """What cannot run here is one sentence that names the accounts."""
    write_assembly(tmp_path / "cdk.out", "111122223333", "444455556666")

    with (
        pytest.raises(LocalCloudError, match="111122223333, 444455556666"),
        LocalCloud(app="cdk.out", directory=tmp_path, work_directory=tmp_path / "work"),
    ):
        pass


def test_each_phase_is_timed(parts: Parts, tmp_path: Path) -> None:
    """Where a start spends its time can be told."""
    with LocalCloud(app="python app.py", work_directory=tmp_path) as running_cloud:
        pass

    starting = ["environments", "emulator", "synthesis", "assembly", "regions", "bootstrap", "deployment"]
    assert list(running_cloud.timings) == [*starting, "replicas", "mappings", "names", "stop"]


def test_a_lost_region_is_cut_off_before_it_stops_and_replicates_after_it_goes_on(parts: Parts, tmp_path: Path) -> None:
    """What is on its way to it waits; ending the fault, by whatever name it was begun, lets everything go on."""
    parts.tables = ("orders",)
    with LocalCloud(app="python app.py", work_directory=tmp_path) as running_cloud:
        parts.events.clear()
        running_cloud.lose_region("eu-west-1")
        assert [region["lost"] for region in running_cloud.status()["regions"]] == [True]
        running_cloud.restore_region("eu-west-1")
        running_cloud.restore_region("eu-west-1")

        assert parts.events == [
            "pause eu-west-1",
            "broken: region-1",
            "broken: ",
            "resume eu-west-1",
            "broken: ",
        ]


def test_what_is_not_here_cannot_be_broken(parts: Parts, tmp_path: Path) -> None:
    """The message names the regions there are."""
    with (
        LocalCloud(app="python app.py", work_directory=tmp_path) as running_cloud,
        pytest.raises(LocalCloudError, match=r"Nothing runs in ap-south-1; there are eu-west-1\."),
    ):
        running_cloud.partition("eu-west-1", "ap-south-1")


def test_nothing_is_broken_before_it_runs(parts: Parts, tmp_path: Path) -> None:
    """Nor is it kept in mind for later."""
    waiting = LocalCloud(app="python app.py", work_directory=tmp_path)

    assert waiting.objection(ThirdParty(where="api.example.com", mode="down")) == (
        "The local cloud does not run yet, so nothing of it can be broken."
    )
    waiting.restore_region("eu-west-1")


def test_the_control_api_is_there_as_long_as_the_cloud(parts: Parts, tmp_path: Path) -> None:
    """Faults can be begun from outside, and are seen inside."""
    with LocalCloud(app="python app.py", work_directory=tmp_path) as running_cloud:
        regions: Any = running_cloud._regions
        address = f"http://127.0.0.1:{regions.control_port}/_resilience/faults"
        body = json.dumps({"kind": "region", "region": "eu-west-1"}).encode()
        request = urllib.request.Request(address, data=body, headers={"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=5) as answer:
            assert list(running_cloud.faults()) == [json.load(answer)["id"]]

    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(address, timeout=5)


class StandIns:
    """Carries out faults of one third party, which it stands in for."""

    def __init__(self) -> None:
        self.faults: Mapping[str, ThirdParty] = {}

    def objection(self, fault: ThirdParty) -> str | None:
        return None if fault.where == "slack" else "only Slack is played here"

    def apply(self, faults: Mapping[str, ThirdParty]) -> None:
        self.faults = faults


def test_any_host_that_functions_call_can_fail(parts: Parts, tmp_path: Path) -> None:
    """Their way out is told to them, goes on and off with the local cloud, and shows in its status."""
    fault = ThirdParty(where="api.example.com", mode="down")
    stand_ins = StandIns()
    with LocalCloud(app="python app.py", work_directory=tmp_path, third_parties=[stand_ins]) as running_cloud:
        proxy = urllib.request.ProxyHandler({"http": parts.function_environment["HTTP_PROXY"]})
        call = partial(urllib.request.build_opener(proxy).open, "http://api.example.com/", timeout=5)
        fault_id = running_cloud.inject(fault)
        with pytest.raises(urllib.error.HTTPError, match="503"):
            call()
        assert [each["host"] for each in running_cloud.status()["third_parties"]] == ["api.example.com"]
        assert stand_ins.faults == {}
        running_cloud.clear(fault_id)

    with pytest.raises(urllib.error.URLError, match="refused"):
        call()


def test_who_stands_in_for_a_third_party_is_asked_before_the_way_out(parts: Parts, tmp_path: Path) -> None:
    """By its name it is known to nobody else; what nobody knows is refused."""
    stand_ins = StandIns()
    with LocalCloud(app="python app.py", work_directory=tmp_path, third_parties=[stand_ins]) as running_cloud:
        running_cloud.inject(fault := ThirdParty(where="slack", mode="down"))
        assert list(stand_ins.faults.values()) == [fault]
        with pytest.raises(LocalCloudError, match=r"only Slack is played here; 'slak' is not the name of a host"):
            running_cloud.inject(ThirdParty(where="slak", mode="down"))
