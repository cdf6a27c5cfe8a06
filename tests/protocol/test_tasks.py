"""Tasks of a hub or participant end with their owner, whatever they do."""

import asyncio
import contextlib

import pytest

from protocol.tasks import Tasks


async def stubborn(cancels):
    """Swallow the first cancels, as `asyncio.wait_for` does in an unlucky moment."""
    left = cancels
    while True:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            left -= 1
            if left < 0:
                raise


async def test_a_task_that_loses_a_cancel_still_ends():
    """A run that was over hung once, since one cancel had been swallowed."""
    tasks = Tasks()
    tasks.spawn(stubborn(2))
    await asyncio.sleep(0)
    async with asyncio.timeout(5.0):
        await tasks.end()


async def test_a_waiter_that_is_woken_and_cancelled_at_once_ends():
    """The very moment of that hang, a thousand times."""
    for _ in range(1000):
        wake = asyncio.Event()

        async def wait(wake=wake):
            while True:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(1.0):
                        await wake.wait()
                wake.clear()

        task = asyncio.create_task(wait())
        await asyncio.sleep(0)
        wake.set()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            async with asyncio.timeout(5.0):
                await task


async def test_a_task_that_dies_ends_its_owner():
    """A deaf process must not seem alive."""
    tasks = Tasks()

    async def die():
        raise ValueError("gone")

    async def own():
        tasks.own()
        tasks.spawn(die())
        await asyncio.Event().wait()

    with pytest.raises(asyncio.CancelledError):
        await asyncio.create_task(own())
    assert isinstance(tasks.failure, ValueError)
