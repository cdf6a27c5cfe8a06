"""Backtests of parameter sets on a recording: which sets, their figures, their documents."""
