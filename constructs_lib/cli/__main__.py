"""`python -m constructs_lib.cli`, for where the `resilience` command is not on the path."""

import sys

from constructs_lib.cli import main

if __name__ == "__main__":
    sys.exit(main())
