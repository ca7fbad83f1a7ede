"""Who is called, how often, and what became of it."""

import fnmatch
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from constructs_lib.local.faults.model import ThirdParty


@dataclass(frozen=True, slots=True)
class Host:
    """A third party's address.

    Attributes:
        name: Name or IP address, in lower case.
        port: The port.
    """

    name: str
    port: int

    @classmethod
    def at(cls, authority: str, *, default_port: int | None = None) -> "Host":
        """The host that *authority* names: `api.example.com:443`.

        Raises:
            ValueError: If it names none, or no port and there is no default.
        """
        parts = urlsplit(f"//{authority}")
        port = parts.port or default_port
        if not parts.hostname or port is None:
            raise ValueError(f"{authority!r} is not HOST:PORT")
        return cls(parts.hostname, port)

    def fault(self, faults: Mapping[str, ThirdParty]) -> ThirdParty | None:
        """The first of *faults* that is one of this host; None if it is well.

        A fault names hosts as shells name files: `api.example.com`, `*.example.com`, `*`; with a port it means only that
        one: `api.example.com:8443`.
        """
        for fault in faults.values():
            if any(fnmatch.fnmatchcase(each, fault.where.lower()) for each in (self.name, f"{self.name}:{self.port}")):
                return fault
        return None


@dataclass(slots=True, kw_only=True)
class Calls:
    """What became of the calls to one host. A tunnel counts as one call, whatever goes through it.

    Attributes:
        host: Its name or IP address.
        open: Calls that have not ended.
        passed: Calls that were passed on as they were.
        disturbed: Calls that met a fault, at their beginning or on the way.
        untrusted: Of these, those whose caller did not trust the proxy in the host's place, and gave up for that reason.
    """

    host: str
    open: int = 0
    passed: int = 0
    disturbed: int = 0
    untrusted: int = 0
