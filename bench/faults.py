"""Every fault at every step of the order path, over a real exchange: a table, all of it green.

python -m bench.faults [--fault NAME]... [--step NAME]... [--road socket]
python -m bench.faults --random 200 [--seed 0] [--kills 100]

With --random, so many faults strike one trader that quotes, one upon another, --kills of them and
more being kills of the trader's life.
"""

import argparse
import asyncio
import json
import logging
import statistics
import sys
import time

import structlog

from exchange.binance.settings import Road
from market.layout import REPORT_FILL
from tests.exchange.binance.fault_soak import Soak
from tests.exchange.binance.fault_table import FAULTS, STEPS, Cell, run_cell
from tests.exchange.binance.theatre import theatre


async def table(faults: list[str], steps: list[str], road: Road) -> list[Cell]:
    """Run the cells, one after the other; print a row as soon as it is whole."""
    cells = []
    print(f"{'':<24}" + "".join(f"{step:>16}" for step in steps))
    with theatre() as stage:
        for fault in faults:
            row = [await run_cell(stage, fault, step, road) for step in steps]
            figures = ["broken" if each.broken else f"{each.resumed_s:.2f} s" for each in row]
            print(f"{fault:<24}" + "".join(f"{each:>16}" for each in figures), flush=True)
            cells += row
    return cells


def at_random(told: argparse.Namespace) -> int:
    """Strike at random; print what was struck, what is broken, and one JSON line."""
    began_s = time.monotonic()

    async def run() -> tuple[Soak, list[str]]:
        with theatre() as stage:
            soak = Soak(stage, told.seed, told.random, Road(told.road), kills=told.kills)
            return soak, await soak.run()

    soak, broken = asyncio.run(run())
    for name, count in sorted(soak.struck.items()):
        print(f"{name:<24}{count:>6}")
    for line in broken:
        print(line)
    figures = {
        "bench": "faults",
        "road": told.road,
        "seed": told.seed,
        "faults": sum(soak.struck.values()),
        "lives": soak.trader.lives,
        "orders": len(soak.trader.intents),
        "fills": len(soak.trader.rows(REPORT_FILL)),
        "broken": len(broken),
        "wall_s": round(time.monotonic() - began_s, 1),
    }
    print(json.dumps(figures))
    return 1 if broken else 0


def main() -> int:
    """Print the table, what is broken, and one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fault", action="append", choices=FAULTS)
    parser.add_argument("--step", action="append", choices=list(STEPS))
    parser.add_argument("--road", choices=list(Road), default=Road.REST, help="of the orders")
    parser.add_argument("--random", type=int, default=0, help="so many faults, one upon another")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kills", type=int, default=0, help="of the trader, among --random")
    parser.add_argument("--log", action="store_true", help="show what the venue says")
    told = parser.parse_args()
    level = logging.DEBUG if told.log else logging.CRITICAL
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(level))
    logging.getLogger("binance").setLevel(logging.CRITICAL)
    if told.random:
        return at_random(told)
    began_s = time.monotonic()
    cells = asyncio.run(
        table(told.fault or list(FAULTS), told.step or list(STEPS), Road(told.road))
    )
    broken = [each for each in cells if each.broken]
    for cell in broken:
        print(f"{cell.fault} / {cell.step}: {'; '.join(cell.broken)}")
    resumed = sorted(each.resumed_s for each in cells)
    print(
        json.dumps(
            {
                "bench": "faults",
                "road": told.road,
                "cells": len(cells),
                "green": len(cells) - len(broken),
                "resumed_s_p50": round(statistics.median(resumed), 3),
                "resumed_s_max": round(resumed[-1], 3),
                "cell_s_mean": round(statistics.fmean(each.wall_s for each in cells), 2),
                "wall_s": round(time.monotonic() - began_s, 1),
            }
        )
    )
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
