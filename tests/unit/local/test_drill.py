"""A drill under virtual time: load and faults come when they are due, and nothing is left broken."""

from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Executor, Future
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest

from constructs_lib import cli
from constructs_lib.local.drill import command as drill_command
from constructs_lib.local.drill.plan import DrillPlan, read_drill
from constructs_lib.local.drill.report import Report
from constructs_lib.local.drill.run import Drill
from constructs_lib.local.drill.subject import Arrival, Place, Sample, Signal
from constructs_lib.local.errors import LocalCloudError
from constructs_lib.local.faults.model import Fault
from constructs_lib.local.faults.notation import in_words

T = TypeVar("T")
PLAN = read_drill(
    """
    subject = "tests.unit.local.test_drill:app"
    summary = "It holds."
    [load]
    every = "2s"
    for = "60s"
    settle = "5s"
    patience = "10s"
    [[fault]]
    kind = "third-party"
    where = "slack"
    mode = "down"
    at = "20s"
    for = "10s"
    every = "20s"
    times = 2
    [promises]
    lost = 0
    duplicated = 0
    delivers_during = ["teams"]
    """,
    name="outage",
)


class VirtualClock:
    """Time that passes only by waiting for it."""

    def __init__(self) -> None:
        self.time = 1_000.0

    def now(self) -> float:
        """Seconds since some time."""
        return self.time

    def wait_until(self, moment: float) -> None:
        """Have it be *moment*."""
        self.time = max(self.time, moment)


class AtOnce(Executor):
    """Does what it is given before it answers."""

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Do it."""
        future: Future[T] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as error:  # noqa: BLE001 - as pools do
            future.set_exception(error)
        return future


class WhenAsked(Executor):
    """Does what it is given when its result is asked for, as a pool that is behind."""

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Put it off."""

        class Later(Future[T]):
            def result(self, timeout: float | None = None) -> T:
                return fn(*args, **kwargs)

        return Later()


class App:
    """Delivers to Teams at once, and to Slack unless it is down, or else once it is up again."""

    dependencies: Sequence[str] = ("slack", "teams")
    regions: Sequence[str] = ("us-east-1", "eu-west-1")

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.samples: list[tuple[float, Sample]] = []
        self.history: list[tuple[float, str, str]] = []
        self.down = False
        self.waiting: list[str] = []
        self.arrived: list[Arrival] = []
        self.keeps = True
        self.cannot: str | None = None
        self.unreachable = False

    def objection(self, fault: Fault) -> str | None:
        """Whatever the test says."""
        return self.cannot

    def send(self, sample: Sample) -> bool:
        """Take it."""
        if self.unreachable:
            raise OSError("connection refused")
        self.samples.append((self.clock.now(), sample))
        if sample.dependency == "slack" and self.down:
            self.waiting.append(sample.id)
        else:
            self.arrived.append(Arrival(sample_id=sample.id, at=self.clock.now() + 0.5))
        return True

    def arrivals(self) -> Sequence[Arrival]:
        """What has arrived."""
        return self.arrived

    def recoverable(self, sample_ids: Collection[str]) -> Mapping[str, Place]:
        """Nothing is found that was dropped."""
        return {}

    def start(self, fault: Fault) -> None:
        """Note it."""
        self.history.append((self.clock.now() - 1_000.0, "start", in_words(fault)))
        self.down = True

    def stop(self, fault: Fault) -> None:
        """Deliver what waited."""
        self.history.append((self.clock.now() - 1_000.0, "stop", in_words(fault)))
        self.down = False
        if self.keeps:
            self.arrived += [Arrival(sample_id=each, at=self.clock.now() + 1.0) for each in self.waiting]
        self.waiting.clear()

    def signals(self) -> Sequence[Signal]:
        """Something waits."""
        return [Signal(at=self.clock.now(), what="held")] if self.waiting else []


def run(app: App, plan: DrillPlan = PLAN) -> Report:
    """Carry *plan* out on *app*."""
    return Drill(plan, app, run_id="r", clock=app.clock, workers=lambda _number: AtOnce()).run()


def test_events_come_at_their_pace_to_every_dependency_from_every_region() -> None:
    """Each interval one for each dependency, spread over it; regions in turn."""
    app = App(VirtualClock())
    report = run(app)
    assert report.measurement.total.sent == 60
    assert [(at - 1_000.0, sample.dependency, sample.region) for at, sample in app.samples[:4]] == [
        (0.0, "slack", "us-east-1"),
        (1.0, "teams", "us-east-1"),
        (2.0, "slack", "eu-west-1"),
        (3.0, "teams", "eu-west-1"),
    ]
    assert len({sample.id for _, sample in app.samples}) == 60


def test_a_sparse_dependency_gets_one_event_of_four_from_every_region_too() -> None:
    app = App(VirtualClock())
    run(app, replace(PLAN, load=replace(PLAN.load, sparse=("slack",))))
    sent = {name: [sample for _, sample in app.samples if sample.dependency == name] for name in app.dependencies}
    assert (len(sent["slack"]), len(sent["teams"])) == (8, 30)
    assert {sample.region for sample in sent["slack"]} == set(app.regions)


def test_faults_come_and_go_when_they_are_due() -> None:
    """As often as the plan says; the report tells how each went."""
    app = App(VirtualClock())
    report = run(app)
    assert app.history == [
        (20.0, "start", "third-party slack down"),
        (30.0, "stop", "third-party slack down"),
        (40.0, "start", "third-party slack down"),
        (50.0, "stop", "third-party slack down"),
    ]
    assert [(course.detected_after, course.recovered_after) for course in report.measurement.courses] == [
        (0.0, 1.5)
    ] * 2
    assert report.held
    assert [entry.what for entry in report.log if "signal" in entry.what] == ["signal: held"]


def test_what_never_arrives_is_lost_once_patience_has_run_out() -> None:
    """And the promise is broken."""
    app = App(VirtualClock())
    app.keeps = False
    report = run(app)
    assert len(report.measurement.total.lost) == 10
    assert not report.held
    assert app.clock.now() == pytest.approx(1_000.0 + 60.0 + 10.0, abs=2.0)


def test_a_fault_that_cannot_happen_is_said_before_anything_is_sent() -> None:
    """With the reason."""
    app = App(VirtualClock())
    app.cannot = "there is no Slack"
    with pytest.raises(LocalCloudError, match="outage: third-party slack down cannot happen: there is no Slack"):
        run(app)
    assert app.samples == []


def test_a_drill_that_is_broken_off_leaves_no_fault_behind() -> None:
    """Whatever broke it off."""

    class Interrupted(VirtualClock):
        def wait_until(self, moment: float) -> None:
            if moment > 1_025.0:
                raise KeyboardInterrupt
            super().wait_until(moment)

    app = App(Interrupted())
    with pytest.raises(KeyboardInterrupt):
        run(app)
    assert [action for _, action, _ in app.history] == ["start", "stop"]


def test_an_app_that_does_not_answer_has_accepted_nothing() -> None:
    """The log says why, and no promise can hold."""
    app = App(VirtualClock())
    app.unreachable = True
    report = run(app, replace(PLAN, faults=()))
    assert (report.measurement.total.accepted, report.measurement.total.refused) == (0, 60)
    assert not report.held
    assert any("was not accepted: connection refused" in entry.what for entry in report.log)


def test_a_bug_of_the_subject_is_not_taken_for_a_result() -> None:
    """It ends the drill."""
    app = App(VirtualClock())
    app.signals = lambda: 1 / 0  # type: ignore[method-assign,assignment,return-value]  # a bug
    with pytest.raises(ZeroDivisionError):
        run(app)


def test_what_is_still_under_way_when_the_load_ends_counts() -> None:
    """The books are made when every answer is there."""
    app = App(VirtualClock())
    plan = replace(PLAN, faults=())
    report = Drill(plan, app, run_id="r", clock=app.clock, workers=lambda _number: WhenAsked()).run()
    assert report.measurement.total.accepted == 60


def test_a_plan_that_is_not_there_is_said_with_those_that_are(tmp_path: Path) -> None:
    """Names are easily misspelt."""
    (tmp_path / "outage.toml").write_text("")
    with pytest.raises(LocalCloudError, match=r"outtage.toml cannot be read .*outage.toml"):
        drill_command.load(tmp_path / "outtage.toml")


@pytest.mark.parametrize("subject", ["no.such.module:app", "json:no_such_name", "json", ""])
def test_a_subject_that_is_not_there_is_said(subject: str) -> None:
    """With the form it must have."""
    with pytest.raises(LocalCloudError, match="module:factory"):
        drill_command.subject_factory(replace(PLAN, subject=subject))


def test_reports_are_written_beside_each_other(tmp_path: Path) -> None:
    """Called like the plan."""
    drill_command.save(run(App(VirtualClock())), tmp_path / "reports")
    assert sorted(each.name for each in (tmp_path / "reports").iterdir()) == ["outage.json", "outage.txt"]


@pytest.mark.parametrize("keeps", [True, False])
def test_the_command_tells_by_its_status_whether_the_promises_held(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, keeps: bool
) -> None:
    """And prints the report that it writes."""
    app = App(VirtualClock())
    app.keeps = keeps
    monkeypatch.setattr("signal.signal", lambda *_: None)
    monkeypatch.setattr(drill_command, "load", lambda _path: PLAN)
    monkeypatch.setattr(drill_command, "subject_factory", lambda _plan: lambda _progress: nullcontext(app))
    monkeypatch.setattr(drill_command, "Drill", lambda _plan, _subject, **_: Finished(app))

    assert cli.main(["drill", "outage.toml", "--reports", str(tmp_path / "reports")]) == (0 if keeps else 1)
    verdict = "outage: every promise held" if keeps else "outage: a promise was broken"
    assert verdict in capsys.readouterr().out
    assert verdict in (tmp_path / "reports" / "outage.txt").read_text()


class Finished:
    """A drill that takes no time."""

    def __init__(self, app: App) -> None:
        self.run = lambda: run(app)


def test_a_drill_that_cannot_be_carried_out_has_a_status_of_its_own(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Nobody takes it for a broken promise."""
    monkeypatch.setattr("signal.signal", lambda *_: None)

    assert cli.main(["drill", str(tmp_path / "outage.toml")]) == 2
    assert "outage.toml cannot be read" in capsys.readouterr().err
