"""Shows alerts in Microsoft Teams."""
