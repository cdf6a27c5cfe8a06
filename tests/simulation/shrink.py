"""Makes a failing simulation small: fewer faults, the same invariant broken."""

from collections.abc import Sequence

from tests.simulation.faults import Fault
from tests.simulation.world import Outcome, World, simulate

RUNS_MAX = 60
TAIL = 60


def kind_of(outcome: Outcome) -> str:
    """Return what broke, without its figures."""
    return (outcome.violation or "").partition(":")[0]


def shrink(seed: int, *, runs: int = RUNS_MAX) -> tuple[list[Fault], Outcome]:
    """Return the fewest faults found under which a failing seed still breaks the same thing.

    Halves, quarters and so on are left out as long as it still fails without them.
    """
    kept: Sequence[Fault] = World(seed).faults
    first = simulate(seed, kept)
    size = max(1, len(kept) // 2)
    while size and runs > 0:
        place = 0
        while place < len(kept) and runs > 0:
            fewer = [*kept[:place], *kept[place + size :]]
            runs -= 1
            if kind_of(simulate(seed, fewer)) == kind_of(first):
                kept = fewer
            else:
                place += size
        size //= 2
    return list(kept), simulate(seed, kept, keep=True)


def chosen(seed: int, keep: str) -> list[Fault]:
    """Return the faults of a seed at some places of its list: `3,7`, or `none`."""
    faults = World(seed).faults
    return [] if keep == "none" else [faults[int(place)] for place in keep.split(",")]


def report(seed: int, *, runs: int = RUNS_MAX) -> str:
    """Return what a person needs of a failing seed: command, faults that matter, last lines."""
    faults, outcome = shrink(seed, runs=runs)
    places = ",".join(str(World(seed).faults.index(each)) for each in faults)
    again = f"python -m bench.simulation --from {seed} --seeds 1"
    return "\n".join(
        [
            f"{outcome}",
            "what the number of an invariant means: docs/simulation.md",
            f"again: {again} --trace",
            f"shrunk: {again} --trace --keep {places or 'none'}",
            f"{len(faults)} faults matter (simulated seconds, kind, whom, figures):",
            *(f"  {each}" for each in faults),
            f"the last {TAIL} lines of the shrunk trace:",
            *outcome.trace[-TAIL:],
        ]
    )
