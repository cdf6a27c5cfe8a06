"""A Gaussian process of one output: Matern 5/2, a length per dimension, noise learned.

Rasmussen, Williams 2006 (equations 2.25, 2.26, 5.9 and 4.17 with nu = 5/2); posterior draws by
pathwise conditioning on random Fourier features (Wilson et al. 2020): a draw is a function that
costs as little to evaluate as the mean does.
"""

import math
from dataclasses import dataclass

import numpy as np

from market.types import F8

FEATURES = 192
"""Fourier features of a prior draw."""
LENGTHS = (-3.0, 3.0)
"""Bounds of log length, in sides of the cube."""
NOISE = (-16.0, 0.7)
"""Bounds of log noise variance, outputs standardised."""
SQRT5 = math.sqrt(5.0)


@dataclass(frozen=True, slots=True)
class Scales:
    """What is learned of one output: logs of lengths f8[e], of signal and of noise variance."""

    lengths: F8
    signal: float
    noise: float

    @classmethod
    def start(cls, dimensions: int) -> "Scales":
        """Return where learning begins: lengths grow with the diagonal of the cube."""
        return cls(np.full(dimensions, math.log(0.3 * math.sqrt(dimensions))), 0.0, -7.0)

    def packed(self) -> F8:
        """Return f8[e + 2]."""
        return np.concatenate([self.lengths, [self.signal, self.noise]])


def _matern(square: F8) -> tuple[F8, F8]:
    """Return the correlation at squared distances and the factor of its gradient.

    k = (1 + s + s^2 / 3) exp(-s), s = sqrt(5 r^2); dk / d log l_j = 5/3 (1 + s) exp(-s) r_j^2.
    """
    s = np.sqrt(5.0 * np.maximum(square, 0.0))
    fall = np.exp(-s)
    return (1.0 + s + s * s / 3.0) * fall, (5.0 / 3.0) * (1.0 + s) * fall


def _squares(a: F8, b: F8) -> F8:
    """Return f8[n, k] squared distances of the rows of f8[n, e] and f8[k, e]."""
    square: F8 = (a * a).sum(1)[:, None] + (b * b).sum(1)[None, :] - 2.0 * (a @ b.T)
    return square


def _loss(packed: F8, points: F8, outputs: F8, centre: F8) -> tuple[float, F8]:
    """Return the negative log posterior of the scales and its gradient.

    Priors: log lengths normal around the start with deviation 1, log signal around 0 with 1, log
    noise around -8 with 4.
    """
    from scipy.linalg import LinAlgError, cho_factor, cho_solve

    count = len(points)
    lengths, signal, noise = packed[:-2], math.exp(packed[-2]), math.exp(packed[-1])
    x = points * np.exp(-lengths)
    correlation, factor = _matern(_squares(x, x))
    matrix = signal * correlation
    matrix[np.diag_indices(count)] += noise + 1e-8
    try:
        root = cho_factor(matrix, lower=True, check_finite=False, overwrite_a=True)
    except LinAlgError:
        return 1e25, np.zeros_like(packed)
    inverse = cho_solve(root, np.eye(count), check_finite=False)
    alpha = inverse @ outputs
    loss = 0.5 * float(outputs @ alpha) + float(np.log(np.diag(root[0])).sum())
    inner = 0.5 * (inverse - np.outer(alpha, alpha))
    weighted = inner * (signal * factor)
    rows = weighted.sum(1)
    gradient = np.empty_like(packed)
    # sum_ab W_ab (x_a - x_b)^2 for every dimension at once.
    gradient[:-2] = 2.0 * (rows @ (x * x)) - 2.0 * (x * (weighted @ x)).sum(0)
    gradient[-2] = signal * float((inner * correlation).sum())
    gradient[-1] = noise * float(np.trace(inner))
    deviation = np.append(np.ones(len(lengths)), [1.0, 4.0])
    middle = np.concatenate([centre, [0.0, -8.0]])
    z = (packed - middle) / deviation
    return loss + 0.5 * float(z @ z), gradient + z / deviation


def learned(points: F8, outputs: F8, start: Scales, steps: int) -> Scales:
    """Return scales that suit f8[n, e] points with standardised f8[n] outputs."""
    from scipy.optimize import minimize

    centre = Scales.start(points.shape[1]).lengths
    bounds = [LENGTHS] * points.shape[1] + [(-4.0, 4.0), NOISE]
    found = minimize(
        _loss,
        start.packed(),
        args=(points, outputs, centre),
        jac=True,
        method="L-BFGS-B",
        bounds=bounds,
        options={"maxiter": steps, "maxfun": 2 * steps},
    )
    return Scales(found.x[:-2], float(found.x[-2]), float(found.x[-1]))


class Process:
    """A process conditioned on points, and draws from it.

    Args:
        points: f8[n, e].
        outputs: f8[n], any scale.
        scales: learned before, of standardised outputs.
        boldness: f8[k], of each draw by how much its distance from the mean is multiplied: 0 is
            the mean itself, 1 a fair draw.
    """

    def __init__(
        self, points: F8, outputs: F8, scales: Scales, boldness: F8, rng: np.random.Generator
    ) -> None:
        from scipy.linalg import cho_factor, cho_solve

        self.middle = float(outputs.mean())
        self.spread = float(outputs.std()) or 1.0
        self.inverse_lengths = np.exp(-scales.lengths)
        self.signal = math.exp(scales.signal)
        count, dimensions = points.shape
        draws = len(boldness)
        noise = math.exp(scales.noise) + 1e-8
        self.points = points * self.inverse_lengths
        matrix = self.signal * _matern(_squares(self.points, self.points))[0]
        matrix[np.diag_indices(count)] += noise
        jitter = 1e-8
        while True:
            try:
                root = cho_factor(matrix, lower=True, check_finite=False)
                break
            except np.linalg.LinAlgError:
                matrix[np.diag_indices(count)] += jitter
                jitter *= 10.0
        # A Matern 5/2 kernel's spectrum is Student's t with 5 degrees of freedom.
        chi = rng.chisquare(5.0, FEATURES) / 5.0
        self.waves = rng.normal(size=(dimensions, FEATURES)) / np.sqrt(chi)
        self.phases = rng.uniform(0.0, 2.0 * math.pi, FEATURES)
        # A posterior draw is linear in what is random of it, so bolder draws cost nothing.
        self.weights = rng.normal(size=(FEATURES, draws)) * boldness
        shaken = rng.normal(size=(count, draws)) * (math.sqrt(noise) * boldness)
        standard = (outputs - self.middle) / self.spread
        residual = standard[:, None] - self._prior(self.points) @ self.weights - shaken
        self.solved = cho_solve(root, residual, check_finite=False)

    def _prior(self, scaled: F8) -> F8:
        wave: F8 = math.sqrt(2.0 * self.signal / FEATURES) * np.cos(
            scaled @ self.waves + self.phases
        )
        return wave

    def draw(self, points: F8, which: slice | int) -> F8:
        """Return f8[n, k] values of the draws `which` at f8[n, e]."""
        scaled = points * self.inverse_lengths
        kernel = self.signal * _matern_only(_squares(scaled, self.points))
        value = kernel @ self.solved[:, which] + self._prior(scaled) @ self.weights[:, which]
        result: F8 = self.middle + self.spread * value
        return result

    def islands(self, points: F8) -> F8:
        """Return f8[k, p] for f8[k, p, e]: every island sees the draw of its own number."""
        count, size, dimensions = points.shape
        scaled = points.reshape(-1, dimensions) * self.inverse_lengths
        kernel = self.signal * _matern_only(_squares(scaled, self.points))
        kernel = kernel.reshape(count, size, -1)
        waves = self._prior(scaled).reshape(count, size, -1)
        value = np.matmul(kernel, self.solved.T[:count, :, None])[..., 0]
        value = value + np.matmul(waves, self.weights.T[:count, :, None])[..., 0]
        result: F8 = self.middle + self.spread * value
        return result


def _matern_only(square: F8) -> F8:
    """Return the correlation alone, in place: the search inside a model spends its time here."""
    np.maximum(square, 0.0, out=square)
    square *= 5.0
    s = np.sqrt(square)
    square *= 1.0 / 3.0
    square += s
    square += 1.0
    np.negative(s, out=s)
    square *= np.exp(s, out=s)
    return square
