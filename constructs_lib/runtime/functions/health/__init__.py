"""Answers GET /health: whether this region's own stores work."""
