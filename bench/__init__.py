"""Benchmarks: `python -m bench.NAME` prints a table, then one JSON object.

The exit code is 0 only when the bar that the benchmark states holds.
"""
