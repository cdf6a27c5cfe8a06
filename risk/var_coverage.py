"""Tests whether a value at risk was exceeded as often as it said, and not in clusters.

Kupiec 1995, "Techniques for verifying the accuracy of risk measurement models", J. of
    Derivatives 3(2), 73-84: the likelihood ratio of the proportion of failures.
Christoffersen 1998, "Evaluating interval forecasts", International Economic Review 39, 841-862:
    sections 3.1 (LR_uc, the same as Kupiec's), 3.2 (LR_ind) and 3.3 (LR_cc).
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Coverage:
    """What the tests say of one series of exceedances.

    Attributes:
        observations: how many forecasts were judged.
        exceeded: how many losses were beyond them.
        level: what was promised.
        kupiec: p-value of the right frequency, chi-squared with 1 degree.
        independence: p-value that yesterday's exceedance says nothing of today's, 1 degree.
        conditional: p-value of both together, 2 degrees.
    """

    observations: int
    exceeded: int
    level: float
    kupiec: float
    independence: float
    conditional: float

    @property
    def rate(self) -> float:
        """The frequency of exceedances; 1 - level was promised."""
        return self.exceeded / self.observations

    def passed(self, significance: float = 0.05) -> bool:
        """Return whether no test rejects."""
        return min(self.kupiec, self.independence, self.conditional) >= significance


def likelihood(failures: int, successes: int, chance: float) -> float:
    """Return the log likelihood of draws with a chance; 0 log 0 is 0."""
    found = 0.0
    if failures:
        found += failures * math.log(chance) if chance > 0.0 else -math.inf
    if successes:
        found += successes * math.log1p(-chance) if chance < 1.0 else -math.inf
    return found


def kupiec_ratio(exceeded: int, observations: int, level: float) -> float:
    """Return -2 log [p^x (1-p)^(n-x) / (x/n)^x (1-x/n)^(n-x)] with p = 1 - level.

    Kupiec's proportion of failures; Christoffersen's LR_uc, section 3.1.
    """
    held = observations - exceeded
    best = likelihood(exceeded, held, exceeded / observations)
    return max(0.0, 2.0 * (best - likelihood(exceeded, held, 1.0 - level)))


def independence_ratio(flags: Flags) -> float:
    """Return LR_ind, section 3.2: a first-order Markov chain against independent draws.

    -2 log [(1-q)^(n00+n10) q^(n01+n11) / (1-q01)^n00 q01^n01 (1-q11)^n10 q11^n11], where nij counts
    steps from i to j, qij = nij / (ni0 + ni1) and q = (n01 + n11) / n.
    """
    before, after = flags[:-1], flags[1:]
    n11 = int(np.sum(before & after))
    n10 = int(np.sum(before & ~after))
    n01 = int(np.sum(~before & after))
    n00 = len(before) - n11 - n10 - n01
    if n11 + n10 == 0 or n01 + n00 == 0:
        return 0.0
    chain = likelihood(n01, n00, n01 / (n01 + n00)) + likelihood(n11, n10, n11 / (n11 + n10))
    alone = likelihood(n01 + n11, n00 + n10, (n01 + n11) / len(before))
    return max(0.0, 2.0 * (chain - alone))


def coverage(flags: Flags, level: float) -> Coverage:
    """Judge exceedances in their order.

    Args:
        flags: bool[n], true where the loss was beyond the value at risk.
        level: in (0.5, 1), what was promised.

    Raises:
        ValueError: fewer than two forecasts.
    """
    from scipy.stats import chi2

    if flags.ndim != 1 or len(flags) < 2:
        raise ValueError(f"at least two forecasts are needed in one row, found {flags.shape}")
    exceeded = int(flags.sum())
    frequency = kupiec_ratio(exceeded, len(flags), level)
    cluster = independence_ratio(flags)
    return Coverage(
        observations=len(flags),
        exceeded=exceeded,
        level=level,
        kupiec=float(chi2.sf(frequency, 1)),
        independence=float(chi2.sf(cluster, 1)),
        conditional=float(chi2.sf(frequency + cluster, 2)),
    )
