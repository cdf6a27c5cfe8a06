"""Public multi-objective test problems with their formulas, fronts and hypervolumes.

Every problem takes points of the unit cube and returns values to minimise and one violation
(feasible when <= 0). Hypervolume is taken in values scaled by the front's extremes (`ideal` and
`nadir`), against 1.1 in every objective, as a share of what the whole front has (`whole`).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agents.optimizer.fronts import hypervolume

F8 = NDArray[np.float64]
REFERENCE = 1.1


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem.

    Attributes:
        kind: what it stands for: convex, concave, ...
        dimensions, objectives: d and m.
        low, high: f8[d], bounds of the formula's own variables.
        formula: x f8[n, d] -> (values f8[n, m], violation f8[n]).
        ideal, nadir: f8[m], extremes of the front.
        whole: hypervolume of the front itself, in scaled values.
        noise: standard deviation added to what the searcher is told, in scaled values.
    """

    name: str
    kind: str
    low: F8
    high: F8
    formula: Callable[[F8], tuple[F8, F8]]
    ideal: F8
    nadir: F8
    whole: float
    noise: float = 0.0

    @property
    def dimensions(self) -> int:
        """Return d."""
        return len(self.low)

    @property
    def objectives(self) -> int:
        """Return m."""
        return len(self.ideal)

    def evaluate(self, unit: F8) -> tuple[F8, F8]:
        """Return values f8[n, m] without noise and violations f8[n] of f8[n, d] in the cube."""
        return self.formula(self.low + np.asarray(unit) * (self.high - self.low))

    def told(self, values: F8, rng: np.random.Generator) -> F8:
        """Return what the searcher is told of `values`."""
        if not self.noise:
            return values
        spread = self.noise * (self.nadir - self.ideal)
        return values + rng.normal(0.0, 1.0, values.shape) * spread

    def score(self, values: F8, violations: F8) -> float:
        """Return the share of the front's hypervolume that feasible rows of f8[n, m] have."""
        scaled = (values[violations <= 0.0] - self.ideal) / (self.nadir - self.ideal)
        return hypervolume(scaled, np.full(self.objectives, REFERENCE)) / self.whole


def _free(values: F8) -> tuple[F8, F8]:
    return values, np.zeros(len(values))


def zdt1(x: F8) -> tuple[F8, F8]:
    """Zitzler, Deb, Thiele 2000: a convex front."""
    g = 1.0 + 9.0 * x[:, 1:].mean(1)
    return _free(np.stack([x[:, 0], g * (1.0 - np.sqrt(x[:, 0] / g))], 1))


def zdt2(x: F8) -> tuple[F8, F8]:
    """Zitzler, Deb, Thiele 2000: a concave front."""
    g = 1.0 + 9.0 * x[:, 1:].mean(1)
    return _free(np.stack([x[:, 0], g * (1.0 - (x[:, 0] / g) ** 2)], 1))


def zdt3(x: F8) -> tuple[F8, F8]:
    """Zitzler, Deb, Thiele 2000: five separate pieces."""
    g = 1.0 + 9.0 * x[:, 1:].mean(1)
    share = x[:, 0] / g
    second = g * (1.0 - np.sqrt(share) - share * np.sin(10.0 * np.pi * x[:, 0]))
    return _free(np.stack([x[:, 0], second], 1))


def zdt4(x: F8) -> tuple[F8, F8]:
    """Zitzler, Deb, Thiele 2000: Rastrigin's hills before a convex front."""
    rest = x[:, 1:]
    g = 1.0 + 10.0 * rest.shape[1] + (rest**2 - 10.0 * np.cos(4.0 * np.pi * rest)).sum(1)
    return _free(np.stack([x[:, 0], g * (1.0 - np.sqrt(x[:, 0] / g))], 1))


def zdt6(x: F8) -> tuple[F8, F8]:
    """Zitzler, Deb, Thiele 2000: concave, thin near the front and uneven along it."""
    first = 1.0 - np.exp(-4.0 * x[:, 0]) * np.sin(6.0 * np.pi * x[:, 0]) ** 6
    g = 1.0 + 9.0 * x[:, 1:].mean(1) ** 0.25
    return _free(np.stack([first, g * (1.0 - (first / g) ** 2)], 1))


def dtlz2(x: F8) -> tuple[F8, F8]:
    """Deb, Thiele, Laumanns, Zitzler 2002, three objectives: a part of a sphere."""
    g = 1.0 + ((x[:, 2:] - 0.5) ** 2).sum(1)
    a, b = x[:, 0] * np.pi / 2.0, x[:, 1] * np.pi / 2.0
    return _free(np.stack([g * np.cos(a) * np.cos(b), g * np.cos(a) * np.sin(b), g * np.sin(a)], 1))


def dtlz7(x: F8) -> tuple[F8, F8]:
    """Deb, Thiele, Laumanns, Zitzler 2002, three objectives: four separate pieces."""
    g = 1.0 + 9.0 * x[:, 2:].mean(1)
    f = x[:, :2]
    bends = (f / (1.0 + g)[:, None] * (1.0 + np.sin(3.0 * np.pi * f))).sum(1)
    return _free(np.stack([f[:, 0], f[:, 1], (1.0 + g) * (3.0 - bends)], 1))


def wfg4(z: F8) -> tuple[F8, F8]:
    """Huband et al. 2006, two objectives, two positions: many hills, concave.

    z_i in [0, 2 i]; s_multi(y, 30, 10, 0.35), mean per group, x_M + S_m h_m with S = (2, 4).
    """
    y = z / (2.0 * np.arange(1, z.shape[1] + 1))
    bend = np.abs(y - 0.35) / (2.0 * (np.floor(0.35 - y) + 0.35))
    t = (1.0 + np.cos((4.0 * 30 + 2.0) * np.pi * (0.5 - bend)) + 4.0 * 10 * bend**2) / 12.0
    position, distance = t[:, :2].mean(1) * np.pi / 2.0, t[:, 2:].mean(1)
    return _free(np.stack([distance + 2 * np.sin(position), distance + 4 * np.cos(position)], 1))


def bnh(x: F8) -> tuple[F8, F8]:
    """Binh, Korn 1997: two variables, two circles."""
    a, b = x[:, 0], x[:, 1]
    values = np.stack([4.0 * (a**2 + b**2), (a - 5.0) ** 2 + (b - 5.0) ** 2], 1)
    beyond = np.maximum(
        (a - 5.0) ** 2 + b**2 - 25.0,
        7.7 - (a - 8.0) ** 2 - (b + 3.0) ** 2,
    )
    return values, beyond


def osy(x: F8) -> tuple[F8, F8]:
    """Osyczka, Kundu 1995: six variables, six constraints, a front in five pieces along them."""
    a, b, c, d, e, f = x.T
    first = -(25 * (a - 2) ** 2 + (b - 2) ** 2 + (c - 1) ** 2 + (d - 4) ** 2 + (e - 1) ** 2)
    limits = [
        (a + b) / 2 - 1,
        (6 - a - b) / 6,
        (2 - b + a) / 2,
        (2 - a + 3 * b) / 2,
        (4 - (c - 3) ** 2 - d) / 4,
        ((e - 3) ** 2 + f - 4) / 4,
    ]
    beyond = np.maximum(0.0, -np.stack(limits, 1)).sum(1)
    return np.stack([first, (x**2).sum(1)], 1), beyond


def tnk(x: F8) -> tuple[F8, F8]:
    """Tanaka et al. 1995: the front is the waved border of what is allowed."""
    a, b = x[:, 0], x[:, 1]
    angle = np.arctan2(a, np.maximum(b, 1e-12))
    wave = 1.0 + 0.1 * np.cos(16.0 * angle) - a**2 - b**2
    return x.copy(), np.maximum(wave, (a - 0.5) ** 2 + (b - 0.5) ** 2 - 0.5)


def kursawe(x: F8) -> tuple[F8, F8]:
    """Kursawe 1991: three variables, a front in four pieces, one of them a point."""
    first = (-10.0 * np.exp(-0.2 * np.sqrt(x[:, :-1] ** 2 + x[:, 1:] ** 2))).sum(1)
    return _free(np.stack([first, (np.abs(x) ** 0.8 + 5.0 * np.sin(x**3)).sum(1)], 1))


def poloni(x: F8) -> tuple[F8, F8]:
    """Poloni et al. 1996, minimised: two variables, two pieces far from each other."""
    (a, b), (sin, cos) = x.T, (np.sin, np.cos)
    one = 0.5 * sin(1.0) - 2.0 * cos(1.0) + sin(2.0) - 1.5 * cos(2.0)
    two = 1.5 * sin(1.0) - cos(1.0) + 2.0 * sin(2.0) - 0.5 * cos(2.0)
    first = one - (0.5 * sin(a) - 2.0 * cos(a) + sin(b) - 1.5 * cos(b))
    second = two - (1.5 * sin(a) - cos(a) + 2.0 * sin(b) - 0.5 * cos(b))
    return _free(np.stack([1.0 + first**2 + second**2, (a + 3.0) ** 2 + (b + 1.0) ** 2], 1))


def c2dtlz2(x: F8) -> tuple[F8, F8]:
    """Jain, Deb 2014, three objectives, r = 0.4: only pieces of the sphere are allowed."""
    values, _ = dtlz2(x)
    total, radius = (values**2).sum(1), 0.4**2
    corners = (values - 1.0) ** 2 + (total[:, None] - values**2) - radius
    middle = ((values - 1.0 / np.sqrt(3.0)) ** 2).sum(1) - radius
    return values, np.minimum(corners.min(1), middle)


def four_bars(x: F8) -> tuple[F8, F8]:
    """RE21 of Tanabe, Ishibuchi 2020: volume and displacement of a truss of four bars."""
    a, b, c, d = x.T
    force, young, length = 10.0, 2e5, 200.0
    root = np.sqrt(2.0)
    volume = length * (2.0 * a + root * b + np.sqrt(c) + d)
    bend = 2.0 / a + 2.0 * root / b - 2.0 * root / c + 2.0 / d
    return _free(np.stack([volume, force * length / young * bend], 1))


def _cube(count: int) -> tuple[F8, F8]:
    return np.zeros(count), np.ones(count)


def _f(*values: float) -> F8:
    return np.array(values)


# Wholes: by formula for ZDT1, ZDT2, ZDT4, DTLZ2 and WFG4 (areas under circles and roots); from
# dense samples of the known Pareto sets (200 000 points) for the others.
ROOT = 0.876667
SQUARE = 0.543333
PROBLEMS: dict[str, Problem] = {
    each.name: each
    for each in [
        Problem("zdt1", "convex", *_cube(10), zdt1, _f(0, 0), _f(1, 1), ROOT),
        Problem("zdt2", "concave", *_cube(10), zdt2, _f(0, 0), _f(1, 1), SQUARE),
        Problem(
            "zdt3", "disconnected", *_cube(10), zdt3, _f(0, -0.773369), _f(0.851833, 1), 0.727451
        ),
        Problem("dtlz2", "three objectives", *_cube(7), dtlz2, _f(0, 0, 0), _f(1, 1, 1), 0.807401),
        Problem(
            "osy",
            "constrained",
            _f(0, 0, 1, 0, 1, 0),
            _f(10, 10, 5, 6, 5, 10),
            osy,
            _f(-274, 4),
            _f(-42, 76),
            0.968861,
        ),
        Problem("noisy", "noisy", *_cube(6), zdt1, _f(0, 0), _f(1, 1), ROOT, noise=0.05),
        Problem(
            "wfg4",
            "many hills",
            np.zeros(6),
            2.0 * np.arange(1, 7),
            wfg4,
            _f(0, 0),
            _f(2, 4),
            0.424602,
        ),
        Problem("zdt6", "uneven", *_cube(8), zdt6, _f(0.280775, 0), _f(1, 0.921165), 0.616387),
        Problem(
            "dtlz7", "pieces", *_cube(6), dtlz7, _f(0, 0, 2.614), _f(0.8595, 0.8595, 6), 0.601987
        ),
        Problem("bnh", "constrained", _f(0, 0), _f(5, 3), bnh, _f(0, 4), _f(136, 50), 1.025428),
        Problem(
            "tnk",
            "border",
            _f(0, 0),
            _f(np.pi, np.pi),
            tnk,
            _f(0.041668, 0.041668),
            _f(1.038448, 1.038448),
            0.518883,
        ),
        Problem(
            "zdt4",
            "hills",
            np.append(0.0, np.full(4, -5.0)),
            np.append(1.0, np.full(4, 5.0)),
            zdt4,
            _f(0, 0),
            _f(1, 1),
            ROOT,
        ),
        Problem(
            "kursawe",
            "pieces and a point",
            np.full(3, -5.0),
            np.full(3, 5.0),
            kursawe,
            _f(-20, -11.626048),
            _f(-14.438405, 0),
            0.615979,
        ),
        Problem(
            "poloni",
            "two far pieces",
            np.full(2, -np.pi),
            np.full(2, np.pi),
            poloni,
            _f(1, 0),
            _f(16.758938, 24.996918),
            1.123915,
        ),
        Problem(
            "c2dtlz2", "constrained, three", *_cube(7), c2dtlz2, _f(0, 0, 0), _f(1, 1, 1), 0.7296
        ),
        Problem(
            "four_bars",
            "engineering",
            _f(1, 2**0.5, 2**0.5, 1),
            np.full(4, 3.0),
            four_bars,
            _f(1237.841423, 0.00276142),
            _f(2886.369560, 0.04),
            0.889138,
        ),
        Problem(
            "noisy3", "noisy, three", *_cube(5), dtlz2, _f(0, 0, 0), _f(1, 1, 1), 0.807401, 0.05
        ),
    ]
}
