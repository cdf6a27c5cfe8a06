"""Which source may propose how much: probability matching on hypervolume gained, with a floor.

Greedy and squared credit locked in early and lost a disconnected front (measured, see the notes
on search); matching with a floor held on fresh seeds. Small shares are saved up, so that a source
is called seldom for a handful rather than always for one point.
"""

import numpy as np

from agents.optimizer.archive import Archive
from agents.optimizer.fronts import Gains, reference
from market.types import F8, I8

DECAY = 0.6
FLOOR = 0.03
RESERVED = 0.5
"""Share of a batch that one source, the strongest at that stage, has beside its credit, as long as
its credit is at least an even share; none of it from half an even share downwards."""
LEAST = 6
"""Points that a source is called for at least."""


class Credit:
    """Shares of the sources.

    Args:
        names: of the sources, in a fixed order.
    """

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names
        self.worth = np.ones(len(names)) / len(names)
        self.owed = np.zeros(len(names))

    def shares(self, favourite: str) -> F8:
        """Return f8[s], the part of a batch that each source should have, summing to one."""
        total = self.worth.sum()
        matched = self.worth / total if total > 0 else np.ones(len(self.names)) / len(self.names)
        share = FLOOR + (1.0 - FLOOR * len(self.names)) * matched
        if favourite in self.names and len(self.names) > 1:
            place = self.names.index(favourite)
            even = float(matched[place]) * len(self.names)
            certain = RESERVED * min(1.0, max(0.0, 2.0 * even - 1.0))
            share *= 1.0 - certain
            share[place] += certain
        return share

    def quotas(self, count: int, favourite: str) -> I8:
        """Return i8[s] summing to `count`; what a source does not get now it is owed."""
        self.owed += self.shares(favourite) * count
        quota = np.floor(self.owed).astype(np.int64)
        quota[self.owed < min(LEAST, count)] = 0
        order = np.argsort(-self.owed, kind="stable")
        lead = int(order[0])
        while quota.sum() > count:
            rows = [row for row in order if quota[row] > 0]
            quota[rows[0]] -= min(quota[rows[0]], quota.sum() - count)
        quota[lead] += count - quota.sum()
        self.owed -= quota
        return quota

    def learn(self, before: Archive, after: Archive, origin: I8, rng: np.random.Generator) -> None:
        """Credit what the rows of `after` that `before` lacks have gained.

        Args:
            origin: i8[n], of each new row the number of its source; -1 of one nobody proposed.
        """
        front = before.values[before.front]
        fresh = slice(len(before), len(after))
        if len(front) == 0:
            return
        values = after.values[fresh]
        allowed = after.violations[fresh] <= 0.0
        values = np.where(allowed[:, None], values, np.inf)
        gain = np.zeros(len(values))
        if allowed.any():
            gain[allowed] = Gains(
                front, values[allowed], reference(front, values[allowed]), rng
            ).each()
        # Where gains are too small to tell, to have come onto the front counts as well.
        gain = gain / max(gain.sum(), 1e-300) + 0.2 * (after.ranks[fresh] == 0) / len(values)
        found = np.zeros(len(self.names))
        seen = np.zeros(len(self.names), dtype=bool)
        for number in range(len(self.names)):
            rows = origin == number
            seen[number] = rows.any()
            found[number] = gain[rows].mean() if seen[number] else 0.0
        if found.sum() > 0.0:
            share = found / found.sum()
            self.worth = np.where(seen, DECAY * self.worth + (1.0 - DECAY) * share, self.worth)
