"""The status of health checks, from the results of their requests. No clock, no network.

On AWS many checkers ask, and an endpoint is healthy when more than 18 % of them find it so. Here one checker stands
for all: its finding is the share of 0 or 100 %. So an endpoint that only some parts of the world reach cannot be
shown.
https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/dns-failover-determining-health-of-endpoints.html
"""

from collections.abc import Iterable, Mapping

from constructs_lib.local.dns.model import CheckType, HealthCheck
from constructs_lib.local.dns.unknowns import DisabledInverted, EnoughData, Unknowns


class EndpointHealth:
    """What the checker thinks of one endpoint.

    Args:
        threshold: Results in a row that change its mind.
        unknowns: The choices for what the documentation leaves open.

    Attributes:
        healthy: What it thinks now. True for a new one.
    """

    def __init__(self, threshold: int, unknowns: Unknowns) -> None:
        self.healthy = True
        self._threshold = threshold
        self._against = 0
        self._takes_the_first = unknowns.enough_data is EnoughData.FIRST_RESULT

    def observe(self, passed: bool) -> bool:
        """Take in the result of one request, and say whether it changed the status."""
        first, self._takes_the_first = self._takes_the_first, False
        self._against = 0 if passed is self.healthy else self._against + 1
        if self._against < (1 if first else self._threshold):
            return False
        self.healthy, self._against = passed, 0
        return True


def statuses(checks: Iterable[HealthCheck], endpoints: Mapping[str, bool], unknowns: Unknowns) -> dict[str, bool]:
    """Whether each of *checks* is healthy.

    Args:
        checks: All checks.
        endpoints: What the checker thinks of the endpoints, by id of their checks. Those left out are new: healthy.
        unknowns: The choices for what the documentation leaves open.
    """
    found: dict[str, bool] = {}
    calculated = []
    for check in checks:
        if check.type is CheckType.CALCULATED:
            calculated.append(check)
        elif check.type is CheckType.CLOUDWATCH_METRIC:
            # No alarm's data are here, so it always lacks them; a last known status that never was is healthy.
            found[check.check_id] = _seen(check, check.insufficient_data != "Unhealthy", unknowns)
        else:
            found[check.check_id] = _seen(check, endpoints.get(check.check_id, True), unknowns)
    counts = {check.check_id: sum(found.get(child, True) for child in check.children) for check in calculated}
    for check in calculated:
        found[check.check_id] = _seen(check, counts[check.check_id] >= check.health_threshold, unknowns)
    return found


def _seen(check: HealthCheck, healthy: bool, unknowns: Unknowns) -> bool:
    """The status others see, after disabling and inverting."""
    if check.disabled:
        return not (check.inverted and unknowns.disabled_inverted is DisabledInverted.UNHEALTHY)
    return healthy is not check.inverted
