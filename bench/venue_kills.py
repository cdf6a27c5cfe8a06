"""An executor at an exchange is killed again and again; nothing is lost, doubled or left behind.

python -m bench.venue_kills [--kills 100] [--speed 20] [--seed 1]
"""

import sys
import time
from pathlib import Path

import numpy as np

from bench.planted_house import struck
from bench.venue_checks import Book, problems_of
from bench.venue_house import VenueHouse

LIMIT_S = 10.0
"""From the start of the process until it quotes again, compiling and loading included."""
EVERY = 10
"""Kills between two clean ends, after which everything is compared."""


def main() -> int:
    """Run the kills, and print a table and one JSON line."""
    return struck(run, __doc__, what="kills", count=100, each_s=15.0)


def run(feed: Path, folder: Path, kills: int, speed: float, seed: int) -> dict[str, object]:
    """Kill so many times; return the figures."""
    rng = np.random.default_rng(seed)
    back_s: list[float] = []
    problems: list[str] = []
    with VenueHouse(feed, folder / "house", speed=speed) as house:
        house.place_foreign()
        house.start()
        house.until_quoting()
        for number in range(1, kills + 1):
            time.sleep(float(rng.uniform(0.0, 3.0)))
            house.kill()
            problems += problems_of(house, ended=False)
            newest = max(Book(house).intents)
            house.start()
            try:
                back_s.append(house.until_quoting(newest))
            except AssertionError as error:
                problems.append(f"kill {number}: {error}")
                break
            if number % EVERY == 0 or number == kills:
                assert house.end() == 0, "the executor did not end cleanly"
                problems += problems_of(house, ended=True)
                print(f"{number:>4} kills, {len(Book(house).fills):>5} fills, "
                      f"quoting after {max(back_s):.1f} s at most, problems {len(problems)}",
                      flush=True)  # fmt: skip
                if number < kills:
                    newest = max(Book(house).intents)
                    house.start()
                    house.until_quoting(newest)
        fills, orders = len(Book(house).fills), len(Book(house).intents)
    for each in problems[:20]:
        print(each)
    return {
        "bench": "venue_kills",
        "kills": len(back_s),
        "orders": orders,
        "fills": fills,
        "problems": len(problems),
        "back_s_median": round(float(np.median(back_s or [0.0])), 2),
        "back_s_max": round(max(back_s, default=0.0), 2),
        "held": not problems
        and len(back_s) == kills
        and fills > kills
        and float(np.median(back_s or [0.0])) <= LIMIT_S,
    }


if __name__ == "__main__":
    sys.exit(main())
