"""What drills ask of the local cloud beyond running an app."""

from typing import Protocol, runtime_checkable


@runtime_checkable
class RegionPorts(Protocol):
    """Losing regions and parting them."""

    def lose_region(self, region: str) -> None:
        """Everything in *region* stops at once; its data stays."""

    def restore_region(self, region: str) -> None:
        """It goes on where it stopped."""

    def partition(self, one: str, other: str) -> None:
        """The two regions do not reach each other."""

    def heal(self, one: str, other: str) -> None:
        """They do again."""
