"""Deletes what has expired from an idempotency store that is consistent across regions."""
