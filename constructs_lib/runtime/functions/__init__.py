"""Whole functions that constructs own; each is bundled only for the construct that asks for it."""
