"""A run whose three parts are each killed 20 times ends in the unkilled run's exact bytes.

python -m bench.kills [--feed nexo.npz] [--hours H] [--kills 20]
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

from bench.stack import run, run_killed


def main() -> int:
    """Run once in peace and once under fire; print a table and one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--feed")
    parser.add_argument("--hours", default="24")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    told = parser.parse_args()
    arguments = ["--hours", told.hours] + (["--feed", told.feed] if told.feed else [])
    with tempfile.TemporaryDirectory() as folder:
        calm = run(Path(folder) / "calm", *arguments)
        fired, kills = run_killed(
            Path(folder) / "fired", *arguments, kills=told.kills, seed=told.seed
        )
    same = calm.result_bytes == fired.result_bytes
    enough = len(kills) == 3 and all(count >= told.kills for count in kills.values())
    for name, count in sorted(kills.items()):
        print(f"{name:<14} killed {count:>3} times")
    print(f"unkilled {calm.wall_s:.1f} s, killed {fired.wall_s:.1f} s, identical: {same}")
    print(
        json.dumps(
            {
                "bench": "kills",
                "kills": kills,
                "identical": same,
                "calm_s": round(calm.wall_s, 1),
                "fired_s": round(fired.wall_s, 1),
                "boundaries": calm.result["tuning"]["boundaries"],
                "fills": calm.result["tuned"]["fills"]["count"],
            }
        )
    )
    return 0 if same and enough else 1


if __name__ == "__main__":
    sys.exit(main())
