"""Waits for what has no event of its own: rows in a store, letters at a server."""

import asyncio
import time

PATIENCE_S = 60.0


async def until(true, what):
    """Wait until something is true of a store or a desk."""
    ends_s = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < ends_s, what
        await asyncio.sleep(0.05)
