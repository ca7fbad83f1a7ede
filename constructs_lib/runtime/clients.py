"""How the runtime calls AWS: with short time limits, for a consumer keeps only seconds free before its deadline."""

from botocore.config import Config

# Two tries in seconds; what fails after them is delivered again anyway.
QUICK = Config(connect_timeout=1, read_timeout=2, retries={"mode": "standard", "total_max_attempts": 2})

# For questions that the work of a whole invocation waits for, and can go on without an answer to.
PROMPT = Config(connect_timeout=1, read_timeout=0.5, retries={"mode": "standard", "total_max_attempts": 2})
