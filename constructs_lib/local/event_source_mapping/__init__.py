"""Streams feed functions as AWS has it: a pure state machine, and a runner that drives it over HTTP."""
