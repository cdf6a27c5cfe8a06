"""Time the making of synthetic days: events a second by setting, kernels compiled beforehand."""

import json
import time

from market.synthetic import SETTINGS, synthetic_day

HOURS = 24.0
REPEATS = 3


def main() -> None:
    """Print a table and one JSON line."""
    started = time.perf_counter()
    synthetic_day(seed=0, hours=0.01)
    warm_s = time.perf_counter() - started
    rows = []
    for setting in SETTINGS:
        best_s, count, trades = float("inf"), 0, 0
        for _ in range(REPEATS):
            started = time.perf_counter()
            events, meta = synthetic_day(seed=1, hours=HOURS, setting=setting)
            best_s = min(best_s, time.perf_counter() - started)
            count, trades = len(events), meta["trades"]
        rows.append((setting, count, trades, best_s, count / best_s))
    print(f"{'setting':<14}{'events':>12}{'trades':>10}{'seconds':>10}{'events/s':>14}")
    for setting, count, trades, seconds, speed in rows:
        print(f"{setting:<14}{count:>12,}{trades:>10,}{seconds:>10.3f}{speed:>14,.0f}")
    print(f"load or compile: {warm_s:.2f} s")
    figures = {
        row[0]: {"events": row[1], "trades": row[2], "seconds": round(row[3], 4)} for row in rows
    }
    print(
        json.dumps(
            {
                "bench": "synthetic",
                "hours": HOURS,
                "load_s": round(warm_s, 3),
                "settings": figures,
                "events_per_s": round(min(row[4] for row in rows)),
            }
        )
    )


if __name__ == "__main__":
    main()
