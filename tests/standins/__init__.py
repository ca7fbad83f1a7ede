"""Stand-ins for the outside world: Slack, Microsoft Teams and Amazon SNS in their wire formats, with fault modes."""

from tests.standins.faults import MODES, Fault
from tests.standins.record import Message, Page, Record
from tests.standins.server import PortTakenError, StandIns

__all__ = ["MODES", "Fault", "Message", "Page", "PortTakenError", "Record", "StandIns"]
