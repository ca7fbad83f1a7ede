"""What every test shares."""

import os

# The built-in template validator costs a second or more per process; one test in tests/contract runs with it on.
os.environ.setdefault("CDK_VALIDATION", "false")
