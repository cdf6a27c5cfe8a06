"""Candidates of one window, replayed block by block; those that can no longer win stay behind.

The blocks come in one random order for all, so candidates are compared on the same slices with
the same random numbers. After each of them, the first apart, a candidate is left behind when
even its optimistic bound, the paired difference to a leader plus some standard errors, is below
zero. Where the choice is the front's knee, it must be no better in the other objectives either.
"""

from collections.abc import Callable

import numpy as np

from agents.optimizer.choice import TESTED
from agents.optimizer.objectives import GAIN, OBJECTIVES, Scale, Valued, mean_error, valued
from agents.optimizer.spans import Part
from market.replay_step import REPLAY_COLUMNS
from market.types import F8, I8

OPTIMISM = 1.25
"""Standard errors granted to a candidate before it is left behind."""
LEAST = 8
"""Slices after which candidates are left behind first, and again after every further block. With
two standard errors after four slices as much replay was saved, and whoever was left behind was
valued worse by a fifth."""


Run = Callable[[F8, Part], F8]
"""(f8[n, PARAMETER_COLUMNS], part) -> f8[n, slices, REPLAY_COLUMNS], all flat at first."""


class Race:
    """The candidates so far; row 0 is the set in force.

    Args:
        run: replays candidates over a part.
        blocks: of the training span.
        scale: of utilities.
        rng: of the order of the blocks.
        racing: whether anybody is left behind.
        all_objectives: whether a better figure in any objective keeps a candidate in the race.
    """

    def __init__(
        self,
        run: Run,
        blocks: tuple[Part, ...],
        scale: Scale,
        rng: np.random.Generator,
        *,
        racing: bool = True,
        all_objectives: bool = False,
    ) -> None:
        self._run, self._blocks, self._scale = run, blocks, scale
        self._order = rng.permutation(len(blocks))
        self._racing, self._all = racing, all_objectives
        per = blocks[0].slices
        self._columns = [np.arange(b * per, (b + 1) * per) for b in range(len(blocks))]
        self.figures = np.zeros((0, per * len(blocks), REPLAY_COLUMNS))
        self.ran = np.zeros(0, dtype=np.int64)
        """Blocks that each candidate was replayed over."""

    def __len__(self) -> int:
        return len(self.figures)

    @property
    def saved(self) -> float:
        """Share of the replay of all blocks that was not needed."""
        return 1.0 - float(self.ran.sum()) / (len(self._blocks) * max(1, len(self)))

    @property
    def slices(self) -> I8:
        """i8[n], slices that each candidate was replayed over."""
        ran: I8 = self.ran * len(self._columns[0])
        return ran

    @property
    def whole(self) -> I8:
        """Rows that were replayed over all blocks."""
        rows: I8 = np.flatnonzero(self.ran == len(self._blocks))
        return rows

    def add(self, parameters: F8) -> None:
        """Replay f8[n, PARAMETER_COLUMNS]; the first call brings the set in force, alone."""
        start, count = len(self), len(self._blocks)
        shape = (len(parameters), *self.figures.shape[1:])
        self.figures = np.concatenate([self.figures, np.zeros(shape)])
        self.ran = np.concatenate([self.ran, np.zeros(len(parameters), dtype=np.int64)])
        racing = self._racing and start > 0
        alive = np.arange(start, start + len(parameters))
        for done, block in enumerate(self._order, start=1):
            rows = parameters[alive - start]
            self.figures[alive[:, None], self._columns[block]] = self._run(
                rows, self._blocks[block]
            )
            self.ran[alive] = done
            enough = done * len(self._columns[0]) >= LEAST
            if racing and enough and done < count:
                alive = self._kept(alive, done)
            if len(alive) == 0:
                return

    def _seen(self, done: int) -> I8:
        """Return the columns of the first `done` blocks of the race."""
        columns: I8 = np.sort(np.concatenate([self._columns[b] for b in self._order[:done]]))
        return columns

    def _kept(self, alive: I8, done: int) -> I8:
        """Return those of `alive` that no leader beats for certain on what all have run.

        Leaders are the best lower bounds there, of those that ran as a whole and of those that
        still run: a batch need not wait for its own best to come in.
        """
        both = np.concatenate([self.whole, alive])
        columns = self._seen(done)
        found = valued(self.figures[both][:, columns], self.figures[0, columns], self._scale)
        started = len(both) - len(alive)
        beaten = np.zeros(len(alive), dtype=bool)
        for row in np.argsort(found.values[:, GAIN], kind="stable")[:TESTED]:
            mean, error = mean_error(found.gains[started:] - found.gains[row])
            error = np.maximum(error, np.median(error))  # three slices say little of a deviation
            hopeless = mean + OPTIMISM * error < 0.0
            if self._all:
                other = found.values[:, GAIN + 1 :]
                hopeless &= (other[row] <= other[started:]).all(1)
            beaten |= hopeless
        kept: I8 = alive[~beaten]
        return kept

    def values(self, rows: I8) -> Valued:
        """Value rows over all blocks.

        Few blocks are steadier than many, fall less deep, and may have been good ones: whoever was
        left behind is valued with the rest of the whole candidate that gained most like it on what
        both have run. Valued by their own blocks alone, those who were left behind took the front:
        on artificial markets they looked 4 standard deviations steadier than they were.
        """
        gains = np.zeros((len(rows), self.figures.shape[1]))
        values = np.zeros((len(rows), OBJECTIVES))
        beyond = np.zeros(len(rows))
        for done in np.unique(self.ran[rows]):
            which = np.flatnonzero(self.ran[rows] == done)
            columns = self._seen(int(done))
            found = valued(self._completed(rows[which], columns), self.figures[0], self._scale)
            gains[which], values[which], beyond[which] = found.gains, found.values, found.violations
        return Valued(gains, values, beyond)

    def _completed(self, rows: I8, columns: I8) -> F8:
        """Return f8[n, slices, REPLAY_COLUMNS] of rows that ran on `columns`."""
        figures = self.figures[rows]
        unseen = np.setdiff1d(np.arange(self.figures.shape[1]), columns)
        if len(unseen):
            both = np.concatenate([rows, self.whole])
            held = self.figures[0, columns]
            gains = valued(self.figures[both][:, columns], held, self._scale).gains
            own, others = gains[: len(rows)], gains[len(rows) :]
            alike = ((own[:, None] - others[None]) ** 2).sum(2).argmin(1)
            figures[:, unseen] = self.figures[self.whole[alike]][:, unseen]
        return figures
