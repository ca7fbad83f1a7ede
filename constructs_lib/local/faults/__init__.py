"""Faults as data: what can fail, plans of it, and how a running local cloud is told."""
