"""The garbage collector's share of the time between a word and its answer."""

import gc


def settle_heap() -> None:
    """Take everything that a start has made out of the collector's sight.

    A process that has loaded numba holds about 100,000 objects that it never gives up. A full
    collection walks through all of them: 50 ms, at a moment that nobody chooses, in which nothing
    is answered and nothing cancelled. Call it when the process is ready; what comes later is
    collected as ever. `gc.freeze` in the Python library reference, module gc.
    """
    gc.collect()
    gc.freeze()
