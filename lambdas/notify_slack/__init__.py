"""Shows alerts in Slack."""
