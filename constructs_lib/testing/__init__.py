"""Fixtures for the tests of any CDK app: its templates, their snapshots, and the findings of the rule packs."""
