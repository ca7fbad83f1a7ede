"""HTTP to queue: prove where an event comes from, store it, answer."""
