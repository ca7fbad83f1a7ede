"""`resilience drill`: start what a plan drills, run the plan, write the report.

The plan's `subject` names a factory as `module:name`. It is called with a function that takes lines of progress, and
answers with a context manager that gives the running `Subject`.
"""

import importlib
import json
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from constructs_lib.local.drill.plan import DrillPlan, read_drill
from constructs_lib.local.drill.report import Report
from constructs_lib.local.drill.run import Drill
from constructs_lib.local.drill.subject import Subject
from constructs_lib.local.errors import LocalCloudError
from constructs_lib.local.faults.plan import read_file

Factory = Callable[[Callable[[str], None]], AbstractContextManager[Subject]]


def drill(path: Path, *, reports: Path, progress: Callable[[str], None]) -> Report:
    """Run the plan in the file *path*.

    Args:
        path: The plan.
        reports: The folder that `<plan>.txt` and `<plan>.json` are written to.
        progress: Called with a short line for each step.

    Raises:
        LocalCloudError: The plan cannot be read or run, or its app not started.
    """
    plan = load(path)
    with subject_factory(plan)(progress) as subject:
        report = Drill(plan, subject, run_id=f"{time.time_ns():x}", progress=progress).run()
    save(report, reports)
    return report


def load(path: Path) -> DrillPlan:
    """Read the plan in the file *path*; it is called what the file is called.

    Raises:
        LocalCloudError: There is none, or it cannot be read.
    """
    return read_drill(read_file(path), name=path.stem)


def subject_factory(plan: DrillPlan) -> Factory:
    """What starts the app of *plan*.

    Raises:
        LocalCloudError: It cannot be found.
    """
    module_name, _, name = plan.subject.partition(":")
    # A plan names code of its own project, as `python -m` would find it there.
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        factory: Factory = getattr(importlib.import_module(module_name), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise LocalCloudError(
            f"{plan.name}: 'subject' is {plan.subject!r}, which cannot be loaded ({error}); it must be `module:factory`."
        ) from error
    return factory


def save(report: Report, reports: Path) -> None:
    """Write the report as text and as JSON."""
    reports.mkdir(parents=True, exist_ok=True)
    (reports / f"{report.plan.name}.txt").write_text(report.text())
    (reports / f"{report.plan.name}.json").write_text(json.dumps(report.to_json(), indent=2) + "\n")
