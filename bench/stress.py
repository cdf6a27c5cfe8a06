"""The named historical scenarios, measured again on the bars that they come from.

python -m bench.stress [--feeds ../shared/feeds]

Of each symbol the deepest fall and the highest rise of closes within a day, an hour and five
minutes are looked for, from January to 6 February 2018. Exit 0 only when the worst of all symbols
are those of `risk.stress.HISTORY`, to four places.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np

from exchange.importers.bars import CLOSE, import_bars
from protocol.messages import utc_ns
from risk.stress import HISTORY, SPANS_S, worst_moves

FOLDER = "ohlcv-bittrex-5m-20171119"
FIRST, LAST = "2018-01-01T00:00:00Z", "2018-02-07T00:00:00Z"
PLACES = 4


def main() -> int:
    """Measure; print a table and one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--feeds", type=Path, default=Path(__file__).parents[2] / "shared/feeds")
    told = parser.parse_args()
    first_ns, last_ns = utc_ns(FIRST), utc_ns(LAST)
    series = [import_bars([path]) for path in sorted((told.feeds / FOLDER).glob("*.gz"))]
    found: dict[str, tuple[float, str]] = {}
    for name, seconds in SPANS_S:
        moves = []
        for bars in series:
            kept = np.flatnonzero((bars.times_ns >= first_ns) & (bars.times_ns < last_ns))
            times, closes = bars.times_ns[kept], bars.figures[kept, CLOSE]
            moves.append((*worst_moves(times, closes, seconds * 10**9), bars.meta.symbol))
        fall, rise = min(moves), max(moves, key=lambda each: each[1])
        found[f"{'crash' if seconds == SPANS_S[-1][1] else 'fall'} of 2018 within {name}"] = (
            round(fall[0], PLACES), fall[2],
        )  # fmt: skip
        found[f"rise of 2018 within {name}"] = round(rise[1], PLACES), rise[2]
    named = {each.name: (each.moves[0], each.source.partition(",")[0]) for each in HISTORY}
    for name, (move, symbol) in found.items():
        print(f"{name:<32} {move:>8.2%}  {symbol}")
    measured = {name: (move, symbol.partition("-")[0]) for name, (move, symbol) in found.items()}
    held = measured == named
    print(json.dumps({"bench": "stress", "held": held, "moves": found}))
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
