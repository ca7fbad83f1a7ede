"""What an operator does to a running system, on AWS or in the local cloud: the library behind `resilience` commands.

Nothing here knows a construct: what belongs to a dependency is found by the settings that constructs give to functions.
"""
