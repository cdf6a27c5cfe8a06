"""Which boundary is due when feed time does not wait: the newest one that has passed."""

from bisect import bisect_right
from collections.abc import Sequence


class Pace:
    """Boundaries by venue time; each is due once, and one that was overtaken never."""

    def __init__(self, boundaries: Sequence[int]) -> None:
        self._boundaries = boundaries
        self._last = 0

    def due(self, now_ns: int) -> tuple[int, int] | None:
        """Return (number from 1, venue time) of the newest boundary passed, None if it is done."""
        passed = bisect_right(self._boundaries, now_ns)
        if passed <= self._last:
            return None
        self._last = passed
        return passed, self._boundaries[passed - 1]
