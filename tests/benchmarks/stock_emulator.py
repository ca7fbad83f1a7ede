"""The emulator with its own pollers of streams, which the local cloud otherwise puts aside: a baseline to compare with.

A script for the emulator's own environment, started in the place of `_emulator_main.py` and with its arguments.
"""

import importlib.util
from pathlib import Path
from typing import Any

LAUNCHER = Path(__file__).resolve().parents[2] / "constructs_lib" / "local" / "_emulator_main.py"


def main() -> None:
    """Start the launcher as it is, but for the one step that would silence the pollers."""
    spec = importlib.util.spec_from_file_location("_emulator_main", LAUNCHER)
    assert spec is not None
    assert spec.loader is not None
    launcher: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(launcher)
    launcher._leave_streams_to_the_mapping_runner = lambda: None
    launcher.main()


if __name__ == "__main__":
    main()
