"""Covariances that hold with few rows: shrunk towards a multiple of the identity."""

from dataclasses import dataclass

import numpy as np

from market.types import F8


@dataclass(frozen=True, slots=True)
class Shrunk:
    """A covariance and how far it was shrunk.

    Attributes:
        matrix: f8[symbols, symbols], positive semidefinite; in squared units of the returns.
        shrinkage: 0 is the sample's own, 1 the target alone.
    """

    matrix: F8
    shrinkage: float


def shrunk_covariance(returns: F8) -> Shrunk:
    """Shrink the covariance of f8[n, symbols] (Ledoit and Wolf 2004, J. Multivariate Analysis 88).

    The matrix is (1 - s) S + s m I with m the mean variance and s the share of that paper's lemma
    3.3, estimated by scikit-learn. Returns are taken as having mean 0, as RiskMetrics does: over
    short horizons a sample's mean is noise.

    Raises:
        ValueError: no rows, or figures that are not finite.
    """
    from sklearn.covariance import ledoit_wolf

    if returns.ndim != 2 or returns.size == 0 or not np.isfinite(returns).all():
        raise ValueError(f"returns must be finite f8[n, symbols], found shape {returns.shape}")
    matrix, shrinkage = ledoit_wolf(returns, assume_centered=True)
    return Shrunk(np.asarray(matrix, dtype=np.float64), float(shrinkage))


def shrunk_correlation(residuals: F8) -> F8:
    """Return the shrunk correlation f8[symbols, symbols] of residuals f8[n, symbols].

    The unit of each residual is its own mean square, so that the mean variance is 1 and shrinking
    towards it is shrinking towards no correlation.
    """
    count = residuals.shape[1]
    if count == 1:
        return np.ones((1, 1))
    sizes = np.sqrt(np.mean(residuals**2, axis=0))
    return shrunk_covariance(residuals / np.where(sizes > 0.0, sizes, 1.0)).matrix
