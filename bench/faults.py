"""Every fault at every step of the order path, over a real exchange: a table, all of it green.

python -m bench.faults [--ground spot] [--fault NAME]... [--step NAME]...
python -m bench.faults --random 200 [--ground futures] [--seed 0] [--kills 100]

Grounds are spot over REST, spot over the WebSocket API (socket) and USD-M futures; without --ground
all of them, at the same time. A cell that a ground cannot have is named with its reason.
With --random, so many faults strike one trader that quotes, one upon another, --kills of them and
more being kills of the trader's life.
"""

import argparse
import asyncio
import contextlib
import json
import logging
import statistics
import sys
import time

import structlog

from market.layout import REPORT_FILL, REPORT_FUNDING
from tests.exchange.binance.fault_soak import Soak
from tests.exchange.binance.fault_table import FAULTS, STEPS, Cell, cells_of, run_cell
from tests.exchange.binance.ground import GROUNDS
from tests.exchange.binance.theatre import Theatre, theatre


async def table(name: str, stage: Theatre, faults: list[str], steps: list[str]) -> list[Cell]:
    """Run the cells of a ground, one after the other; print a row as soon as it is whole."""
    cells = []
    for fault in faults:
        wanted = cells_of(stage.ground, [fault], steps)
        if not wanted:
            print(f"{name:<8} {fault:<22}  none: {stage.ground.missing[fault]}", flush=True)
            continue
        row = [await run_cell(stage, *cell) for cell in wanted]
        figures = ["broken" if each.broken else f"{each.resumed_s:.2f} s" for each in row]
        cells += row
        print(f"{name:<8} {fault:<22}" + "".join(f"{each:>16}" for each in figures), flush=True)
        for cell in row:
            if cell.broken:
                print(f"{'':<9}{cell.step}: {'; '.join(cell.broken)}", flush=True)
    return cells


async def tables(names: list[str], faults: list[str], steps: list[str]) -> list[list[Cell]]:
    """Run the cells of all grounds, each at its own exchange."""
    print(f"{'':<31}" + "".join(f"{step:>16}" for step in steps))
    with contextlib.ExitStack() as stack:  # all stand before one is asked: starting takes seconds
        stages = [stack.enter_context(theatre(name)) for name in names]
        places = zip(names, stages, strict=True)
        return await asyncio.gather(*(table(*place, faults, steps) for place in places))


def summary(cells: list[Cell]) -> dict[str, object]:
    """Return the figures of the cells of a ground."""
    resumed = sorted(each.resumed_s for each in cells)
    return {
        "cells": len(cells),
        "green": sum(not each.broken for each in cells),
        "resumed_s_p50": round(statistics.median(resumed), 3),
        "resumed_s_max": round(resumed[-1], 3),
        "cell_s_mean": round(statistics.fmean(each.wall_s for each in cells), 2),
    }


def at_random(told: argparse.Namespace) -> int:
    """Strike at random; print what was struck, what is broken, and one JSON line."""
    began_s = time.monotonic()
    (name,) = told.ground

    async def run() -> tuple[Soak, list[str]]:
        with theatre(name) as stage:
            soak = Soak(stage, told.seed, told.random, kills=told.kills)
            return soak, await soak.run()

    soak, broken = asyncio.run(run())
    for fault, count in sorted(soak.struck.items()):
        print(f"{fault:<24}{count:>6}")
    for line in broken:
        print(line)
    figures = {
        "bench": "faults",
        "ground": name,
        "seed": told.seed,
        "faults": sum(soak.struck.values()),
        "lives": soak.trader.lives,
        "orders": len(soak.trader.intents),
        "fills": len(soak.trader.rows(REPORT_FILL)),
        "fundings": len(soak.trader.rows(REPORT_FUNDING)),
        "broken": len(broken),
        "wall_s": round(time.monotonic() - began_s, 1),
    }
    print(json.dumps(figures))
    return 1 if broken else 0


def main() -> int:
    """Print the table, what is broken, and one JSON line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--ground", action="append", choices=list(GROUNDS))
    parser.add_argument("--fault", action="append", choices=FAULTS)
    parser.add_argument("--step", action="append", choices=list(STEPS))
    parser.add_argument("--random", type=int, default=0, help="so many faults, one upon another")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kills", type=int, default=0, help="of the trader, among --random")
    parser.add_argument("--log", action="store_true", help="show what the venue says")
    told = parser.parse_args()
    level = logging.DEBUG if told.log else logging.CRITICAL
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(level))
    logging.getLogger("binance").setLevel(logging.CRITICAL)
    told.ground = told.ground or (["spot"] if told.random else list(GROUNDS))
    if told.random:
        if len(told.ground) > 1:
            parser.error("--random takes one --ground")
        return at_random(told)
    began_s = time.monotonic()
    made = asyncio.run(tables(told.ground, told.fault or list(FAULTS), told.step or list(STEPS)))
    by_ground = {name: summary(row) for name, row in zip(told.ground, made, strict=True) if row}
    cells = [cell for row in made for cell in row]
    green = sum(not each.broken for each in cells)
    wall_s = round(time.monotonic() - began_s, 1)
    print(
        json.dumps(
            {
                "bench": "faults",
                "cells": len(cells),
                "green": green,
                "grounds": by_ground,
                "wall_s": wall_s,
            }
        )
    )
    return 0 if green == len(cells) > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
