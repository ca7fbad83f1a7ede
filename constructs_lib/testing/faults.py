"""What a test can break the local cloud with, by the fixture `faults`."""

from constructs_lib.local.faults.model import (
    Fault,
    FunctionFault,
    OperationFault,
    Partition,
    PoisonRecord,
    RegionLost,
    ThirdParty,
)

__all__ = ["Fault", "FunctionFault", "OperationFault", "Partition", "PoisonRecord", "RegionLost", "ThirdParty"]
