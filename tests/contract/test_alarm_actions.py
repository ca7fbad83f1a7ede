"""No alarm of the alerting system fires unheard, and none leaves it to chance what silence means."""

import pytest

from constructs_lib.testing.assembly import Assembly


@pytest.mark.requirement("ISO-14", "OBS-10")
@pytest.mark.parametrize("stack", ["Alerting-Global", "Alerting-us-east-1", "Alerting-eu-west-1"])
def test_every_alarm_reaches_the_operators(stack: str, cdk_app: Assembly) -> None:
    """By a topic of the same stack, so by a way that is none of the system's own."""
    resources = cdk_app.templates[stack]["Resources"]
    topics = {name for name, each in resources.items() if each["Type"] == "AWS::SNS::Topic"}
    alarms = {name: each["Properties"] for name, each in resources.items() if each["Type"] == "AWS::CloudWatch::Alarm"}
    assert alarms
    for name, alarm in alarms.items():
        actions = alarm.get("AlarmActions", [])
        assert actions, f"{name} fires unheard"
        assert {action["Ref"] for action in actions} <= topics, name
        assert alarm.get("TreatMissingData") in ("breaching", "notBreaching", "ignore"), name
