"""What every test shares."""

import os

from hypothesis import settings

# The built-in template validator costs a second or more per process; one test in tests/contract runs with it on.
os.environ.setdefault("CDK_VALIDATION", "false")

# How long an example takes says nothing but how busy the machine is.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")
