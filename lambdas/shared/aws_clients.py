"""How functions call AWS: clients that give up in time."""

from botocore.config import Config

# A regional API answers in milliseconds. Two tries of this fit into any function's time-out with room to spare.
CONFIG = Config(connect_timeout=1, read_timeout=3, retries={"mode": "standard", "total_max_attempts": 2})
