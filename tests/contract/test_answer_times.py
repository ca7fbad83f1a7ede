"""Functions at which somebody waits answer in time even when they start cold, which takes processor time."""

import pytest

from constructs_lib.testing.assembly import Assembly

# Lambda gives a function processor time in proportion to its memory: one whole processor at 1,769 MB. At 256 MB, making
# the first clients and connections takes seconds by itself.
MEMORY_NEEDED = {"health": 512, "interactions": 1024}


@pytest.mark.parametrize("service", MEMORY_NEEDED)
def test_who_waits_only_seconds_waits_at_a_quick_function(service: str, cdk_app: Assembly) -> None:
    """Slack gives up after three seconds, Route 53 after two, and neither knows what a cold start is."""
    found = [
        each["Properties"]["MemorySize"]
        for name, template in cdk_app.templates.items()
        if name != "Alerting-Global"
        for each in template["Resources"].values()
        if each["Type"] == "AWS::Lambda::Function"
        and each["Properties"]["Environment"]["Variables"]["POWERTOOLS_SERVICE_NAME"] == service
    ]
    assert found
    assert min(found) >= MEMORY_NEEDED[service]
