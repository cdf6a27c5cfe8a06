"""The executor: makes the market, cycle by cycle."""
