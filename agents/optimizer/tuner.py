"""The ask-and-tell searcher: a portfolio of sources that share one archive.

It knows the unit cube and nothing of markets: any number of dimensions and objectives, all
minimised, with one violation per point (feasible when <= 0). A search begins on a Sobol sequence;
then every batch is mixed from sources by what each has gained lately (`credit.py`). All of it
follows from the seed and from what was told, whatever the number of threads.
"""

from collections.abc import Callable

import numpy as np

from agents.optimizer.archive import Archive
from agents.optimizer.credit import Credit
from agents.optimizer.sources.evolution import Evolution
from agents.optimizer.sources.forest import Forest
from agents.optimizer.sources.gaussian import Gaussian
from agents.optimizer.sources.genetic import Genetic
from agents.optimizer.sources.near import Near
from agents.optimizer.sources.sobol import Sobol
from agents.optimizer.sources.source import Source
from agents.optimizer.sources.tpe import Parzen
from agents.optimizer.space import Space
from agents.optimizer.threads import one_thread
from market.types import F8

START_PER_DIMENSION = 2
"""Sobol points per dimension before anything is modelled, at least 8 in all."""
MODELLED_PER_DIMENSION = 5
"""Points per dimension from which on the model is the favourite: below, the neighbourhood of the
best was better (0.049 against 0.070 after 24 points of a rippled bowl)."""
PORTFOLIO = ("gp", "genetic", "evolution", "forest", "tpe", "near")
"""Sources mixed by default."""
MODEL, LOCAL = "gp", "near"
"""The favourites of credit, late and early."""
GIVEN = "given"
"""Stands for the source of a point that was told without having been asked for."""
PLAIN: dict[str, Callable[[], Source]] = {
    "gp": Gaussian,
    "genetic": Genetic,
    "evolution": Evolution,
    "forest": Forest,
    "tpe": Parzen,
    "near": Near,
}


class Tuner:
    """Proposes points of the unit cube and learns from their values.

    Args:
        space: what the dimensions are; points that it cannot tell apart are one point.
        objectives: how many values a point has, >= 1.
        batch: points that a caller usually asks for at once.
        seed: the same seed and the same answers give the same points.
        sources: names out of PORTFOLIO and "sobol", mixed by credit.
        more: sources of the caller's own, such as an `OptunaSource`.
    """

    def __init__(
        self,
        space: Space,
        objectives: int,
        *,
        batch: int,
        seed: int,
        sources: tuple[str, ...] = PORTFOLIO,
        more: tuple[Source, ...] = (),
    ) -> None:
        if objectives < 1 or batch < 1 or len(space) < 1:
            raise ValueError(
                "need at least one dimension, objective and point a batch, found "
                f"{len(space)}, {objectives}, {batch}"
            )
        unknown = set(sources) - {*PLAIN, Sobol.name}
        if unknown or not (sources or more):
            raise ValueError(f"sources are {', '.join(PLAIN)}, sobol; found {sorted(unknown)}")
        self.space, self.objectives, self.batch = space, objectives, batch
        self._rng = np.random.default_rng(np.random.SeedSequence(seed))
        self._sobol = Sobol(len(space), self._rng)
        self._sources: list[Source] = [
            self._sobol if name == Sobol.name else PLAIN[name]() for name in sources
        ]
        self._sources += more
        names = tuple(each.name for each in self._sources)
        self.credit = Credit(names)
        self.archive = Archive.empty(space, objectives)
        self._origins: dict[bytes, int] = {}
        self._asked = 0

    @property
    def told(self) -> int:
        """How many points have been told."""
        return len(self.archive)

    @property
    def outlook(self) -> float:
        """Share of the front's hypervolume that the model expects another batch to add."""
        for each in self._sources:
            if isinstance(each, Gaussian):
                return each.outlook
        return float("inf")

    def ask(self, count: int) -> F8:
        """Return f8[count, d] points of the unit cube to evaluate."""
        start = max(8, START_PER_DIMENSION * len(self.space))
        first = count if self.told == 0 else max(0, min(count, start - self._asked))
        self._asked += count
        parts = [self._sobol.first(first)]
        origin = [np.full(first, -1, dtype=np.int64)]
        if count > first:
            ready = self.told >= MODELLED_PER_DIMENSION * len(self.space)
            favourite = MODEL if ready else LOCAL
            quotas = self.credit.quotas(count - first, favourite)
            if self.told <= len(self.space) and LOCAL in self.credit.names:
                # Fewer points than dimensions are nothing to model: the neighbourhood takes all.
                quotas = np.where(np.array(self.credit.names) == LOCAL, quotas.sum(), 0)
            with one_thread():
                for number, quota in enumerate(quotas):
                    if quota:
                        source = self._sources[number]
                        parts.append(source.propose(self.archive, int(quota), self._rng))
                        origin.append(np.full(quota, number, dtype=np.int64))
        points = self._fresh(np.clip(np.vstack(parts), 0.0, 1.0))
        for row, number in zip(points, np.concatenate(origin), strict=True):
            self._origins[row.tobytes()] = int(number)
        return points

    def tell(self, points: F8, values: F8, violations: F8) -> None:
        """Learn from evaluated points, asked for or not.

        Args:
            points: f8[n, d].
            values: f8[n, m], minimised; finite.
            violations: f8[n], feasible when <= 0; finite.
        """
        rows = np.asarray(points, dtype=np.float64)
        found = np.asarray(values, dtype=np.float64)
        beyond = np.asarray(violations, dtype=np.float64)
        shape = (len(rows), len(self.space))
        if rows.shape != shape or found.shape != (len(rows), self.objectives):
            raise ValueError(
                f"need [n, {len(self.space)}] points and [n, {self.objectives}] values, found "
                f"{rows.shape} and {found.shape}"
            )
        if beyond.shape != (len(rows),) or not np.isfinite(found).all():
            raise ValueError(f"need one violation a point and finite values, found {beyond.shape}")
        if not np.isfinite(rows).all() or np.isnan(beyond).any():
            raise ValueError("need finite points and violations that are numbers")
        if len(rows) == 0:
            return
        beyond = np.clip(beyond, -1e12, 1e12)
        before = self.archive
        origin = [self._origins.pop(np.ascontiguousarray(row).tobytes(), -1) for row in rows]
        self.archive = before.added(self.space.snap(rows), found, beyond)
        with one_thread():
            self.credit.learn(before, self.archive, np.array(origin), self._rng)

    def sources_of(self, points: F8) -> tuple[str, ...]:
        """Return who proposed each of f8[n, d] points that were asked for and are not told yet.

        The first batch is the Sobol sequence's; what nobody asked for was given.
        """
        numbers = [self._origins.get(np.ascontiguousarray(row).tobytes()) for row in points]
        return tuple(
            GIVEN if each is None else Sobol.name if each < 0 else self.credit.names[each]
            for each in numbers
        )

    def best(self) -> F8:
        """Return f8[k, d], the feasible points that no feasible one dominates, best first."""
        points: F8 = self.archive.points[self.archive.front]
        return points

    def _fresh(self, points: F8) -> F8:
        """Return points snapped to what the space can tell apart, known ones replaced by others."""
        snapped = self.space.snap(points)
        known = {row.tobytes() for row in self.archive.points} | set(self._origins)
        for row in range(len(snapped)):
            # A small space runs out of new points: then an old one is the answer.
            for _ in range(8):
                if snapped[row].tobytes() not in known:
                    break
                moved = points[row] + self._rng.normal(0.0, 0.1, len(self.space))
                other = self._rng.random(len(self.space))
                keep = self._rng.random() < 0.5
                snapped[row] = self.space.snap(np.clip(moved if keep else other, 0, 1)[None])[0]
            known.add(snapped[row].tobytes())
        return np.ascontiguousarray(snapped)
