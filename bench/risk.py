"""Holds every value at risk against what came: coverage on real series, with p-values.

    python -m bench.risk [--feeds ../shared/feeds]

Each forecast knows the rows before it only. The decay is picked on the first half of the forecasts
(`in`), at 99 %, and kept for the second (`out`). `passed` means that neither Kupiec's test nor
Christoffersen's two (clusters, both together) rejects at 5 %.

The bar, at 99 % with the default: in and out, long and short, passed on two of the three main
series and on two thirds of all that are judged, each half with at least 500 forecasts; the same
forecasts halved are rejected by Kupiec's test on every main series; no other method passes on
more. A horizon of 30 minutes (where exceedances cluster) and an hour that is made of twelve steps
are shown, not judged (docs/risk.md).
"""

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from exchange.importers.bars import CLOSE, Bars, import_bars
from exchange.importers.bars_recorded import bars_of_recording
from exchange.importers.detect import import_feed
from market.types import F8
from risk.var import DEFAULT, Method, Model, tail
from risk.var_coverage import Coverage
from risk.var_returns import Closes, returns_of
from risk.var_walk import Walk, calibrate, walk

BITTREX = "ohlcv-bittrex-5m-20171119"
PAIRS = ("ADA", "BCC", "DASH", "ETC", "ETH", "LTC", "NEO", "OMG", "XLM", "XMR", "XRP", "ZEC")
SECOND_NS = 10**9
CYCLE_NS, HALF_HOUR_NS, HOUR_NS = 30 * SECOND_NS, 1800 * SECOND_NS, 3600 * SECOND_NS
LEVELS = (0.95, 0.99)
FORECASTS_MIN = 500
STEPS = 12
SIGNIFICANCE = 0.05
MAIN = ("NEXO-USDT 30 s", "BTC-USD 30 s", "ETH-BTC 1 h")
SHOWN = ("ETH-BTC 30 min", "LTC-BTC 30 min")


@dataclass(frozen=True, slots=True)
class Series:
    """Returns f8[n, symbols] over one horizon, and what is held of each symbol."""

    name: str
    returns: F8
    held: F8


@dataclass(frozen=True, slots=True)
class Row:
    """One method on one series, side, level and half."""

    series: str
    side: str
    method: Method
    level: float
    half: str
    decay: float
    coverage: Coverage
    halved: Coverage
    shortfall_ratio: float | None

    @property
    def passed(self) -> bool:
        """Whether no test rejects."""
        return self.coverage.passed(SIGNIFICANCE)


def closes(bars: Bars) -> Closes:
    """Return the closes of bars with the times at which they were known."""
    return Closes(bars.times_ns + bars.meta.period_ns, bars.figures[:, CLOSE])


def series(feeds: Path) -> list[Series]:
    """Return all series: two recordings by the cycle, twelve pairs and their sum by the hour."""
    one = np.ones(1)
    recorded = {
        MAIN[0]: feeds / "binance-spot-nexousdt-20240723",
        MAIN[1]: feeds / "bitstamp-spot-btcusd-20150501" / "2015-05-01.log.bz2",
    }
    found = []
    for name, path in recorded.items():
        bars = bars_of_recording(import_feed([path]).recording, period_ns=CYCLE_NS)
        found.append(Series(name, returns_of([closes(bars)], CYCLE_NS).figures, one))
    pairs = {
        pair: closes(import_bars([feeds / BITTREX / f"BTC_{pair}-5.json.gz"])) for pair in PAIRS
    }
    for pair, held in pairs.items():
        found.append(Series(f"{pair}-BTC 1 h", returns_of([held], HOUR_NS).figures, one))
    together = returns_of(list(pairs.values()), HOUR_NS).figures
    found.append(Series("12 pairs 1 h", together, np.full(len(PAIRS), 1.0 / len(PAIRS))))
    for name in SHOWN:
        pair = pairs[name.split("-")[0]]
        found.append(Series(name, returns_of([pair], HALF_HOUR_NS).figures, one))
    return found


def judge(given: Series, method: Method) -> list[Row]:
    """Forecast one series by one method, on both sides and levels, and test both halves."""
    rows = []
    first, last = DEFAULT.window, len(given.returns)
    middle = first + (last - first) // 2
    for side, held in (("long", given.held), ("short", -given.held)):
        model = calibrate(
            given.returns, held, level=0.99, model=Model(method=method), first=first, last=middle
        )
        for level in LEVELS:
            whole = walk(given.returns, held, level=level, model=model, first=first, last=last)
            halves = {
                "in": whole.part(0, middle - first),
                "out": whole.part(middle - first, last - first),
            }
            decay = model.age_decay if method is Method.HISTORICAL else model.decay
            rows += [
                row(given.name, side, method, half, decay, part) for half, part in halves.items()
            ]
    return rows


def row(name: str, side: str, method: Method, half: str, decay: float, part: Walk) -> Row:
    """Return the tests of one half."""
    return Row(
        series=name,
        side=side,
        method=method,
        level=part.level,
        half=half,
        decay=decay,
        coverage=part.coverage(),
        halved=part.coverage(scale=0.5),
        shortfall_ratio=part.shortfall_ratio(),
    )


def several_steps(feeds: Path) -> dict[str, float]:
    """Return how often an hour made of twelve steps was exceeded on ETH-BTC at 99 %, by side."""
    path = feeds / BITTREX / "BTC_ETH-5.json.gz"
    fine = returns_of([closes(import_bars([path]))], HOUR_NS // STEPS).figures
    rng = np.random.default_rng(1)
    found = {}
    for side, held in (("long", np.ones(1)), ("short", -np.ones(1))):
        flags = []
        for row in range(2 * DEFAULT.window, len(fine) - STEPS, STEPS):
            asked = tail(fine[:row], held, level=0.99, model=DEFAULT, steps=STEPS, rng=rng)
            came = float(np.prod(1.0 + fine[row : row + STEPS]) - 1.0)
            flags.append(-came * held[0] > asked.value_at_risk)
        found[side] = round(float(np.mean(flags)), 4)
    return found


def show(found: Row) -> str:
    """Return one line of the table."""
    c = found.coverage
    ratio = "-" if found.shortfall_ratio is None else f"{found.shortfall_ratio:.2f}"
    return (
        f"{found.series:<15} {found.side:<5} {found.method:<10} {found.level:.0%} {found.half:<3} "
        f"{found.decay:5.3f} {c.observations:5d} {c.exceeded:4d} {c.rate:7.2%} {c.kupiec:7.3f} "
        f"{c.independence:8.3f} {c.conditional:6.3f} {'passed' if found.passed else 'REJECTED':<8} "
        f"{found.halved.kupiec:9.1e} {ratio:>6}"
    )


def passes(rows: list[Row], name: str, method: Method, level: float) -> bool:
    """Return whether a method passes on a series: both sides, both halves."""
    return all(
        each.passed
        for each in rows
        if (each.series, each.method, each.level) == (name, method, level)
    )


def verdict(rows: list[Row]) -> dict[str, object]:
    """Return the figures of the bar and whether it holds."""
    judged = [name for name in dict.fromkeys(each.series for each in rows) if name not in SHOWN]
    counts = {
        method: {
            f"{level:.0%}": sum(passes(rows, name, method, level) for name in judged)
            for level in LEVELS
        }
        for method in Method
    }
    default = [
        each for each in rows
        if each.method is DEFAULT.method and each.level == 0.99 and each.series in judged
    ]  # fmt: skip
    main = [name for name in MAIN if passes(rows, name, DEFAULT.method, 0.99)]
    fewest = min(each.coverage.observations for each in default)
    halved = max(each.halved.kupiec for each in default if each.series in MAIN)
    best = max(count["99%"] for count in counts.values())
    bars = {
        "main_series": len(main) >= 2,
        "two_thirds_of_all": 3 * counts[DEFAULT.method]["99%"] >= 2 * len(judged),
        "forecasts": fewest >= FORECASTS_MIN,
        "halved_rejected": halved < SIGNIFICANCE,
        "default_is_best": counts[DEFAULT.method]["99%"] == best,
    }
    return {
        "series": len(judged),
        "passed_by_method": counts,
        "main_passed": main,
        "forecasts_min": fewest,
        "halved_kupiec_p_max": halved,
        "exceeded_99": sum(each.coverage.exceeded for each in default),
        "forecasts_99": sum(each.coverage.observations for each in default),
        "tests_rejected_99": sum(
            p < SIGNIFICANCE
            for each in default
            for p in (each.coverage.kupiec, each.coverage.independence, each.coverage.conditional)
        ),
        "tests_99": 3 * len(default),
        "bars": bars,
        "passed": all(bars.values()),
    }


def main() -> None:
    """Print the table and the verdict; end with 0 when the bar holds."""
    parser = argparse.ArgumentParser(description=__doc__)
    beside = Path(__file__).parents[2] / "shared" / "feeds"
    parser.add_argument("--feeds", type=Path, default=beside)
    told = parser.parse_args()
    print("series          side  method     lvl half decay     n   >v    rate  Kupiec "
          "clusters   both verdict  halved p  loss/es")  # fmt: skip
    rows: list[Row] = []
    for given in series(told.feeds):
        for method in Method:
            made = judge(given, method)
            rows += made
            for each in made:
                print(show(each), flush=True)
    found = verdict(rows) | {"exceeded_in_twelve_steps_99": several_steps(told.feeds)}
    print(json.dumps(found))
    sys.exit(0 if found["passed"] else 1)


if __name__ == "__main__":
    main()
