"""Calls more people until somebody takes the alert."""
