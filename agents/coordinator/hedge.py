"""Hedge (Freund, Schapire 1997): weights on strategies by losses in [0, 1], and who may run.

Pure and small. Losses are integers of 1e-8, so sums are exact; weights are floats that follow from
the sums alone. The regret of the weights against the best strategy is at most sqrt(T ln K / 2)
after T windows, whatever the losses are; that of the one that runs has no such bound, since it
changes seldom on purpose, and is reported beside it.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

LOSS_UNITS = 100_000_000


@dataclass(frozen=True, slots=True)
class Hedge:
    """Cumulative losses of K strategies over at most T windows.

    Attributes:
        experts: names; the first of equals comes first.
        horizon: T, fixed in advance; after so many windows all begins anew.
        lost: cumulative loss of each, 1e-8.
        windows: how many were counted, < horizon.
    """

    experts: tuple[str, ...]
    horizon: int
    lost: tuple[int, ...]
    windows: int = 0

    @property
    def rate(self) -> float:
        """The learning rate sqrt(8 ln K / T)."""
        return math.sqrt(8.0 * math.log(len(self.experts)) / self.horizon)

    def weights(self) -> tuple[float, ...]:
        """Return one weight a strategy; they sum to 1."""
        least = min(self.lost)  # differences alone matter, and none overflows
        raw = [math.exp(-self.rate * (each - least) / LOSS_UNITS) for each in self.lost]
        total = sum(raw)
        return tuple(each / total for each in raw)

    def after(self, losses: Mapping[str, int]) -> "Hedge":
        """Return the state after one more window; whose loss is missing lost everything."""
        taken = [losses.get(name, LOSS_UNITS) for name in self.experts]
        assert all(0 <= each <= LOSS_UNITS for each in taken), f"losses outside [0, 1]: {taken}"
        if self.windows + 1 == self.horizon:
            return begun(self.experts, self.horizon)
        lost = tuple(held + each for held, each in zip(self.lost, taken, strict=True))
        return replace(self, lost=lost, windows=self.windows + 1)


def begun(experts: tuple[str, ...], horizon: int) -> Hedge:
    """Return the state before the first window."""
    return Hedge(experts, horizon, (0,) * len(experts))


@dataclass(frozen=True, slots=True)
class Running:
    """Which strategy runs, and who is about to take over.

    Attributes:
        expert: whose sets come into force; None before the first window.
        since_ns: venue time at which it took over.
        rival: who has led by the margin, and for how many windows in a row.
        switches: how often another took over.
    """

    expert: str | None = None
    since_ns: int = 0
    rival: str | None = None
    streak: int = 0
    switches: int = 0


@dataclass(frozen=True, slots=True)
class Patience:
    """What it takes to replace the strategy that runs.

    Attributes:
        margin: of the weight that another must lead by.
        windows: in a row for which it must.
        dwell_ns: venue time that the present one stays in any case.
    """

    margin: float
    windows: int
    dwell_ns: int


def running_after(held: Running, hedge: Hedge, now_ns: int, patience: Patience) -> Running:
    """Return who runs after the weights have changed; the first of equals leads."""
    weights = dict(zip(hedge.experts, hedge.weights(), strict=True))
    leader = max(hedge.experts, key=lambda name: weights[name])
    if held.expert not in weights:
        return Running(expert=leader, since_ns=now_ns, switches=held.switches)
    if not weights[leader] - weights[held.expert] > patience.margin:
        return replace(held, rival=None, streak=0)
    streak = held.streak + 1 if held.rival == leader else 1
    if streak < patience.windows or now_ns - held.since_ns < patience.dwell_ns:
        return replace(held, rival=leader, streak=streak)
    return Running(expert=leader, since_ns=now_ns, switches=held.switches + 1)


def losses_of(nets: Mapping[str, float], reference: float) -> dict[str, int]:
    """Return losses in 1e-8 of net profits beside that of the set that was in force.

    That set itself would lose 1/2; whoever differs most from it loses 0 or 1. So a window counts
    alike in wild and in quiet markets. No difference at all: 1/2 for everybody.

    Args:
        nets: net profit against holding, any currency; a NaN or infinity loses everything.
        reference: of the set that was in force, finite.
    """
    gains = {name: net - reference for name, net in nets.items()}
    known = [abs(gain) for gain in gains.values() if math.isfinite(gain)]
    scale = max(known, default=0.0)
    losses = {}
    for name, gain in gains.items():
        if not math.isfinite(gain):
            losses[name] = LOSS_UNITS
        else:
            share = gain / scale if scale > 0.0 else 0.0
            losses[name] = round(LOSS_UNITS * (0.5 - share / 2.0))
    return losses
