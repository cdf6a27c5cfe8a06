"""Numbers: compiled arithmetic of a market and of making one."""
