"""The learner against the exact optimum, on markets that it never saw.

    python -m bench.learner [--markets 6] [--only CLASS] [--quick]

Six markets of each of seven classes with seed 0; eight of them, and eight at five times the noise,
with seeds 0, 1 and 2 (`--quick`: two of each class with seed 0 and no more). Each is learned at the
default budget through a proxy, and graded by exact dynamic programming: the fraction of the
optimum, and the share of the gap that it closes from the best blind constant quote. Exit 0 only
when every bar holds.
"""

import argparse
import json
import statistics
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass

from agents.executor.learning import study
from bench.learner_markets import CLASSES, NOISE_FACTOR, Proxy, blind, draw
from market.stylised import evaluate, solve

FRACTION_BAR = {"fat tails": 0.98}
FRACTION_BAR_ELSE = 0.99
NOISY_BAR = 0.985
GAP_BAR = 0.97
START_BAR = 0.005
SECONDS_BAR = 30.0  # of the processor, one thread: wall seconds where a core is free
COPIES = 4096
WARM = ("tame", 1_000, 0, 1.0)


@dataclass(frozen=True, slots=True)
class Case:
    """One market learned with one seed."""

    name: str
    market: int
    seed: int
    noise: float
    fraction: float
    gap: float
    start: float
    blind: float
    chosen: str
    steps: int
    wall_s: float
    processor_s: float

    @property
    def holds(self) -> bool:
        """Tell whether this case keeps every bar."""
        bar = NOISY_BAR if self.noise > 1.0 else FRACTION_BAR.get(self.name, FRACTION_BAR_ELSE)
        gap = self.gap >= GAP_BAR or self.noise > 1.0
        safe = self.fraction >= self.start - START_BAR
        return self.fraction >= bar and gap and safe and self.processor_s <= SECONDS_BAR


def learned(job: tuple[str, int, int, float]) -> Case:
    """Learn one market and grade it."""
    name, number, seed, noise = job
    market = draw(name, number, noise=noise)
    proxy = Proxy(market.environment(COPIES))
    began, worked = time.perf_counter(), time.process_time()
    found = study(proxy, seed=seed)
    wall_s, processor_s = time.perf_counter() - began, time.process_time() - worked
    _, best = solve(market)
    value, floor = evaluate(market, found.table), blind(market)
    return Case(
        name=name,
        market=number,
        seed=seed,
        noise=noise,
        fraction=value / best,
        gap=(value - floor) / (best - floor) if best - floor > 1e-9 * abs(best) else 1.0,
        start=evaluate(market, found.start) / best,
        blind=floor / best,
        chosen=found.chosen,
        steps=proxy.taken,
        wall_s=wall_s,
        processor_s=processor_s,
    )


def jobs(markets: int, only: str | None, *, quick: bool) -> list[tuple[str, int, int, float]]:
    """Return (class, market, seed, noise) of every case."""
    classes = [each for each in CLASSES if only in {None, each}]
    count = 2 if quick else markets
    first = [(name, number, 0, 1.0) for number in range(count) for name in classes]
    if quick:
        return first
    again = [(name, number, seed, 1.0) for name, number, _, _ in first[:8] for seed in (1, 2)]
    noisy = [(name, n, seed, NOISE_FACTOR) for name, n, _, _ in first[:8] for seed in (0, 1, 2)]
    return first + again + noisy


def line(title: str, cases: list[Case]) -> str:
    """Return the row of one class: worst and median of both figures."""
    fractions, gaps = [each.fraction for each in cases], [each.gap for each in cases]
    behind = max(each.start - each.fraction for each in cases)
    return (
        f"{title:<16}{len(cases):>5}{min(fractions):>11.5f}{statistics.median(fractions):>10.5f}"
        f"{min(gaps):>10.5f}{statistics.median(gaps):>10.5f}{behind:>+10.5f}"
        f"{statistics.median(each.blind for each in cases):>8.3f}"
        f"{max(each.wall_s for each in cases):>8.1f}"
        f"{max(each.processor_s for each in cases):>8.1f}"
        f"{'yes' if all(each.holds for each in cases) else 'NO':>6}"
    )


def main() -> int:
    """Learn every case, one after the other unless told; print a table and one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--markets", type=int, default=6)
    parser.add_argument("--only", choices=CLASSES)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--workers", type=int, default=1)
    told = parser.parse_args()
    learned(WARM)  # compiles; counted nowhere
    with ProcessPoolExecutor(told.workers) as pool:
        run = pool.map if told.workers > 1 else map
        cases = []
        for case in run(learned, jobs(told.markets, told.only, quick=told.quick)):
            cases.append(case)
            print(f"{'' if case.holds else 'below a bar: '}{case}", file=sys.stderr, flush=True)
    print(
        f"{'class':<16}{'runs':>5}{'fraction':>11}{'median':>10}{'gap':>10}{'median':>10}"
        f"{'behind':>10}{'blind':>8}{'wall s':>8}{'cpu s':>8}{'holds':>6}"
    )
    plain = [each for each in cases if each.noise == 1.0]
    noisy = [each for each in cases if each.noise > 1.0]
    for name in dict.fromkeys(each.name for each in plain):
        print(line(name, [each for each in plain if each.name == name]))
    if noisy:
        print(line("noise x 5", noisy))
    print(line("all", cases))
    holds = all(each.holds for each in cases)
    document = {"bench": "learner", "holds": holds, "copies": COPIES}
    document["cases"] = [asdict(each) for each in cases]
    print(json.dumps(document))
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
