"""The published language of the alerting system, and its tables."""
