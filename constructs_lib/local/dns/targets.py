"""From what DNS names to what answers on this machine."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Lock

from constructs_lib.local.dns.model import CustomDomain
from constructs_lib.local.errors import LocalCloudError

LocalUrl = Callable[[str], str]
"""Where an API answers here whose default address is given: `LocalCloud.local_url`. Raises LocalCloudError for none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a request goes: the URL, without query, and the region behind it."""

    url: str
    region: str


class Targets:
    """Finds APIs by the hosts that records and health checks name.

    Args:
        custom_domains: Custom domains of every region.
        local_url: Finds an API by its default address.
    """

    def __init__(self, custom_domains: Sequence[CustomDomain], local_url: LocalUrl) -> None:
        self._domains = {domain.host: domain for domain in custom_domains}
        self._local_url = local_url
        # Asking for an API takes calls to its region, which may be lost by the next request; its address stays.
        self._known: dict[str, str] = {}
        self._lock = Lock()

    def local_url(self, url: str) -> str:
        """Where *url*, the default address of an API, is answered here.

        Raises:
            LocalCloudError: If there is no such API.
        """
        with self._lock:
            known = self._known.get(url)
        if known is None:
            known = self._local_url(url)
            with self._lock:
                self._known[url] = known
        return known

    def region(self, host: str) -> str:
        """The region that *host* is of; *host* itself if it is none of a custom domain."""
        return self._domains[host].region if host in self._domains else host

    def behind(self, host: str, name: str, path: str) -> Place:
        """Where the request of a client goes that asked for *name* and was told *host*.

        Args:
            host: Regional host of a custom domain.
            name: Name that the client used.
            path: Path of its request.

        Raises:
            LocalCloudError: If nothing here answers to that.
        """
        domain = self._domains.get(host)
        if domain is None:
            raise LocalCloudError(
                f"{name} leads to {host}, which is not the regional host of a custom domain of this local cloud."
            )
        if domain.name != name:
            raise LocalCloudError(f"{host} answers for {domain.name} only, not for {name}.")
        fitting = [each for each in domain.mappings if _below(path, each.base_path)]
        if not fitting:
            raise LocalCloudError(f"The custom domain {name} in {domain.region} has no API mapping for {path}.")
        mapping = max(fitting, key=lambda each: len(each.base_path))
        stage = "" if mapping.stage == "$default" else f"{mapping.stage}/"
        base = self.local_url(f"https://{mapping.api_id}.execute-api.{domain.region}.amazonaws.com/{stage}")
        rest = path.removeprefix(f"/{mapping.base_path}") if mapping.base_path else path
        return Place(url=f"{base.rstrip('/')}/{rest.lstrip('/')}", region=domain.region)


def _below(path: str, base_path: str) -> bool:
    return not base_path or path == f"/{base_path}" or path.startswith(f"/{base_path}/")
