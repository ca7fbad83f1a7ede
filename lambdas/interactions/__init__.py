"""Takes in what people do in Slack."""
