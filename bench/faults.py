"""Every fault at every step of the order path, over a real exchange: a table, all of it green.

python -m bench.faults [--fault NAME]... [--step NAME]... [--road socket]
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


def main() -> int:
    """Print the table, what is broken, and one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fault", action="append", choices=FAULTS)
    parser.add_argument("--step", action="append", choices=list(STEPS))
    parser.add_argument("--road", choices=list(Road), default=Road.REST, help="of the orders")
    parser.add_argument("--log", action="store_true", help="show what the venue says")
    told = parser.parse_args()
    level = logging.DEBUG if told.log else logging.CRITICAL
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(level))
    logging.getLogger("binance").setLevel(logging.CRITICAL)
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
