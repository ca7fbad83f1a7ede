"""Benchmarks: figures of ours beside a baseline from the same run, so that the machine cancels out."""
