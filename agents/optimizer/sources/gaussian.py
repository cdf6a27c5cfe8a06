"""Gaussian processes, one per objective and one for the violation, and a search on their draws."""

import numpy as np

from agents.optimizer.archive import Archive
from agents.optimizer.islands import batch_of, evolved
from agents.optimizer.sources.source import folded
from agents.optimizer.surrogate import Process, Scales, learned
from market.types import F8, I8

POINTS = 320
"""Points that a process is conditioned on."""
LEARNED = 160
"""Points that scales are learned from."""
STEPS_FIRST, STEPS_LATER = 30, 8
BOLDNESS = (0.0, 1.0, 1.0, 2.5)
"""Draws searched side by side: the mean, two fair draws and one that trusts the model less. Without
it a piece of a disconnected front that was missed once stayed missed."""
POPULATION = 64
GENERATIONS = 30


class Gaussian:
    """See the module. Scales are remembered from batch to batch: learning goes on from there."""

    name = "gp"

    def __init__(self) -> None:
        self._scales: dict[int, Scales] = {}
        self.outlook = float("inf")
        """Share of the front's hypervolume that the mean promised the last batch; fair draws
        promise half of it even where a thousand points more gain nothing."""

    def propose(self, archive: Archive, count: int, rng: np.random.Generator) -> F8:
        """Return f8[count, d]."""
        rows = _chosen(archive, POINTS, rng)
        small = (
            rows if len(rows) <= LEARNED else rows[np.sort(rng.permutation(len(rows))[:LEARNED])]
        )
        outputs = archive.scaled
        limits = archive.limits
        columns = [outputs[:, each] for each in range(archive.objectives)]
        if limits is not None:
            columns.append(limits)
        # One objective has one best point a draw, so more draws are needed for as many points.
        bold = np.array(BOLDNESS * (1 if archive.objectives > 1 else 2))[:count]
        islands = len(bold)
        processes = [
            self._process(index, archive, rows, small, column, bold, rng)
            for index, column in enumerate(columns)
        ]

        def predict(points: F8) -> tuple[F8, F8]:
            shape = points.shape
            snapped = archive.space.snap(points.reshape(-1, shape[-1]))
            seen = archive.space.features(snapped).reshape(*shape[:2], -1)
            values = [each.islands(seen) for each in processes]
            beyond = values.pop() if limits is not None else np.zeros(shape[:2])
            return np.stack(values, -1), beyond

        start = _start(archive, islands, rng)
        found = evolved(predict, start, rng, generations=GENERATIONS)
        elite = archive.front[: 2 * POPULATION]
        models = processes[: archive.objectives]
        # What the model believes of the front, not what noise once said of it.
        front = np.stack([each.draw(archive.features[elite], 0) for each in models], -1)
        chosen, promised = batch_of(found, front, archive.points, count, rng)
        self.outlook = float(promised[0])
        return chosen

    def _process(
        self,
        index: int,
        archive: Archive,
        rows: I8,
        small: I8,
        column: F8,
        bold: F8,
        rng: np.random.Generator,
    ) -> Process:
        few = column[small]
        spread = float(few.std()) or 1.0
        held = self._scales.get(index)
        start = held or Scales.start(archive.features.shape[1])
        steps = STEPS_LATER if held else STEPS_FIRST
        scales = learned(archive.features[small], (few - few.mean()) / spread, start, steps)
        self._scales[index] = scales
        return Process(archive.features[rows], column[rows], scales, bold, rng)


def _chosen(archive: Archive, limit: int, rng: np.random.Generator) -> I8:
    """Return rows to model: the best three fifths, and any others so that the rest is known too."""
    if len(archive) <= limit:
        return np.arange(len(archive))
    best = limit * 3 // 5
    rest = rng.permutation(archive.order[best:])[: limit - best]
    rows: I8 = np.sort(np.concatenate([archive.order[:best], rest]))
    return rows


def _start(archive: Archive, islands: int, rng: np.random.Generator) -> F8:
    """Return f8[k, POPULATION, d]: half the best known, a quarter near them, a quarter new."""
    dimensions = archive.points.shape[1]
    points = rng.random((islands, POPULATION, dimensions))
    half, quarter = POPULATION // 2, POPULATION // 4
    elite = archive.points[archive.order[:half]]
    points[:, : len(elite)] = elite
    around = elite[rng.integers(len(elite), size=(islands, quarter))]
    points[:, half : half + quarter] = folded(around + rng.normal(0.0, 0.1, around.shape))
    return points
