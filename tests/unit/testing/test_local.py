import contextlib
import sys
import types
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

import pytest

from constructs_lib.local import cloud as cloud_module
from constructs_lib.local.errors import LocalCloudError
from constructs_lib.local.faults.control import FaultControl
from constructs_lib.testing.faults import Fault, OperationFault, Partition, RegionLost
from constructs_lib.testing.local import restored, running

HOME, AWAY = "us-east-1", "eu-west-1"
THROTTLED = OperationFault(region=HOME, service="sqs", operation="SendMessage", mode="throttled")


class Breakable(FaultControl):
    """Two regions in which nothing runs."""

    def __init__(self) -> None:
        super().__init__()
        self.history: list[list[str]] = []
        self._can_break((HOME, AWAY))

    def _apply(self, faults: Mapping[str, Fault]) -> None:
        self.history.append(list(faults))

    def _refuse(self, fault: Fault) -> None:
        pass


class Cloud:
    """A local cloud that starts in no time, or does not."""

    problem = ""
    made: list["Cloud"] = []  # noqa: RUF012 - emptied by the fixture

    def __init__(self, **options: Any) -> None:
        self.options = options
        self.lives = False
        self.made.append(self)

    def __enter__(self) -> Self:
        if self.problem:
            raise LocalCloudError(self.problem)
        self.lives = True
        return self

    def __exit__(self, *_: object) -> None:
        self.lives = False


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> type[Cloud]:
    monkeypatch.setattr(cloud_module, "LocalCloud", Cloud)
    monkeypatch.setattr(Cloud, "made", [])
    return Cloud


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Imports the local cloud as where a module is not installed."""

    def missing(name: str) -> None:
        module = types.ModuleType("constructs_lib.local.cloud")

        def fail(_attribute: str) -> None:
            raise ModuleNotFoundError(name=name)

        module.__getattr__ = fail  # type: ignore[method-assign]  # what the import of a name from it calls
        monkeypatch.setitem(sys.modules, "constructs_lib.local.cloud", module)

    return missing


def started(options: Mapping[str, Any] = types.MappingProxyType({})) -> Any:
    return running("python app.py", directory=Path("/app"), work_directory=Path("/tmp/work"), options=options)


def test_the_cloud_runs_the_app_for_as_long_as_the_block_lasts(cloud: type[Cloud]) -> None:
    """On a free port, in the folders it is given; it is stopped also when the block fails."""
    with contextlib.suppress(ZeroDivisionError), started() as running_cloud:
        assert running_cloud.lives
        raise ZeroDivisionError
    (made,) = cloud.made
    assert not made.lives
    assert made.options == {
        **{"app": "python app.py", "directory": Path("/app"), "work_directory": Path("/tmp/work")},
        **{"port": 0, "progress": print},
    }


def test_options_win(cloud: type[Cloud]) -> None:
    """A test run may say everything that can be said of a local cloud."""
    with started({"region": AWAY, "port": 4566}):
        pass
    assert (cloud.made[0].options["region"], cloud.made[0].options["port"]) == (AWAY, 4566)


def test_a_cloud_that_does_not_start_fails_in_its_own_words(
    cloud: type[Cloud], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No traceback through the library: the sentence that the command line would print."""
    monkeypatch.setattr(cloud, "problem", "The app could not be synthesized; its message stands above.")

    with pytest.raises(pytest.fail.Exception, match="could not be synthesized") as caught, started():
        pass
    assert not caught.value.pytrace


@pytest.mark.parametrize("missing", ["boto3", "botocore"])
def test_a_missing_extra_is_named(without: Callable[[str], None], missing: str) -> None:
    """Tests that need the local cloud do not pass by being skipped; the message says what to install."""
    without(missing)

    with (
        pytest.raises(pytest.fail.Exception, match=rf"needs {missing}; install constructs-lib\[local,testing\]"),
        started(),
    ):
        pass


def test_a_mistake_of_ours_is_not_called_a_missing_extra(without: Callable[[str], None]) -> None:
    """Any other module that is not there is an error like any other."""
    without("constructs_lib.local.running")

    with pytest.raises(ModuleNotFoundError), started():
        pass


def test_what_a_test_begins_ends_with_it() -> None:
    """The latest first, also when the test fails; what was broken before stays so."""
    control = Breakable()
    before = control.inject(Partition(regions=frozenset((HOME, AWAY))))

    with contextlib.suppress(ZeroDivisionError), restored(control) as faults:
        first, second = faults.inject(THROTTLED), faults.inject(RegionLost(region=AWAY))
        raise ZeroDivisionError

    assert control.history[-3:] == [[before, first, second], [before, first], [before]]


def test_what_a_test_ended_itself_stays_so() -> None:
    """Nothing is ended twice."""
    control = Breakable()

    with restored(control) as faults:
        faults.clear(faults.inject(THROTTLED))
        faults.lose_region(AWAY)
        faults.restore_region(AWAY)

    assert control.faults() == {}
    assert control.history[-1] == []
