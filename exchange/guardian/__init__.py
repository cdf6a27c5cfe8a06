"""The guardian: a small process that cancels our orders when the executor falls silent."""
