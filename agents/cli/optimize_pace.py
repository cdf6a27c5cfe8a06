"""How far a study is, in one line: the same for who works on it and for who looks on."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agents.optimizer.studies import Batch

LEAST = 8
"""Candidates before anything is said of the pace: the first few load what all need."""


class Pace:
    """Counts batches as they come.

    Args:
        windows: of the study.
        budget: candidates of a window.
    """

    def __init__(self, windows: int, budget: int) -> None:
        self._windows, self._budget = windows, budget
        self._newest: Batch | None = None
        self._worked_s = 0.0
        self._worked_on = 0

    def take(self, batch: "Batch", *, restored: bool = False) -> None:
        """Count a batch; one that came from the store says nothing of the pace."""
        same = self._newest is not None and self._newest.window == batch.window
        fresh = batch.candidates - (self._newest.candidates if same and self._newest else 0)
        if not restored:
            self._worked_s += batch.search_s + batch.replay_s
            self._worked_on += fresh
        self._newest = batch

    @property
    def left_s(self) -> float | None:
        """Seconds that are left at the pace so far; None while next to nothing is known of it."""
        if self._newest is None or self._worked_on < LEAST:
            return None
        done = (self._newest.window - 1) * self._budget + self._newest.candidates
        left = max(0, self._windows * self._budget - done)
        return left * self._worked_s / self._worked_on

    def line(self) -> str:
        """Return how far it is."""
        if self._newest is None:
            return f"window 1 of {self._windows}, nothing told yet"
        newest, left_s = self._newest, self.left_s
        left = "" if left_s is None else f", {duration(left_s)} left"
        return (
            f"window {newest.window} of {self._windows}, batch {newest.batch}, "
            f"{newest.candidates} of {self._budget} candidates, front {newest.front}, "
            f"hypervolume {newest.hypervolume:.4g}{left}"
        )


def duration(seconds: float) -> str:
    """Return minutes and seconds, hours before them if there are any."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
