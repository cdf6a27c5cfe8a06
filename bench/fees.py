"""One recording at several maker fees through the whole stack, and what it says about each.

    python -m bench.fees --feed nexo.npz [--fees -0.5,0,2,10]

The bar: every run answers its boundaries, and its balances add up. There is no bar on profit.
"""

import argparse
import json
import sys
import tempfile
from decimal import Decimal
from pathlib import Path
from typing import Any

from bench.stack import run

BOUNDARIES_MIN = 100


def row(fee: str, result: dict[str, Any], wall_s: float) -> dict[str, Any]:
    """Return the line of one fee."""
    tuned, untuned = result["tuned"], result["untuned"]
    profit = {name: Decimal(text) for name, text in tuned["profit"].items()}
    return {
        "fee_bps": float(fee),
        "net": float(profit["net_of_holding"]),
        "spread": float(profit["spread"]),
        "fees": float(profit["fees"]),
        "untuned_net": float(untuned["profit"]["net_of_holding"]),
        "verdict": tuned["verdict"]["edge"],
        "lower": tuned["verdict"]["lower"],
        "upper": tuned["verdict"]["upper"],
        "round_trips": tuned["fills"]["round_trips"],
        "quoted": float(tuned["quoted"]["sent_quote"]),
        "boundaries": result["tuning"]["boundaries"],
        "applied": sum(each["fate"] == "applied" for each in result["tuning"]["decisions"]),
        "exact": profit["total"] == profit["spread"] + profit["fees"] + profit["inventory"],
        "wall_s": round(wall_s, 1),
    }


def main() -> int:
    """Run each fee in turn; print a table and one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--feed", required=True)
    parser.add_argument("--fees", default="-0.5,0,2,10")
    told = parser.parse_args()
    rows = []
    print(
        f"{'fee bps':>8}{'net':>10}{'untuned':>10}{'spread':>10}{'fees':>10}{'trips':>7}"
        f"{'applied':>9}{'quoted':>12}  verdict"
    )
    for fee in told.fees.split(","):
        with tempfile.TemporaryDirectory() as folder:
            outcome = run(Path(folder), "--feed", told.feed, f"--maker-fee={fee}")
        found = row(fee, outcome.result, outcome.wall_s)
        rows.append(found)
        print(
            f"{found['fee_bps']:>8g}{found['net']:>10.2f}{found['untuned_net']:>10.2f}"
            f"{found['spread']:>10.2f}{found['fees']:>10.2f}{found['round_trips']:>7}"
            f"{found['applied']:>9}{found['quoted']:>12,.0f}  {found['verdict']} "
            f"[{found['lower']:+.2f}, {found['upper']:+.2f}]",
            flush=True,
        )
    good = all(each["exact"] and each["boundaries"] >= BOUNDARIES_MIN for each in rows)
    print(json.dumps({"bench": "fees", "rows": rows}))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
