"""Write the tables of docs/fairness.md: python -m tests.fairness."""

from pathlib import Path

# First, because it points aws_cdk at the Node.js that comes with the project.
import constructs_lib  # noqa: F401
from tests.fairness.page import replaced

PAGE = Path(__file__).resolve().parents[2] / "docs" / "fairness.md"

if __name__ == "__main__":
    PAGE.write_text(replaced(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
