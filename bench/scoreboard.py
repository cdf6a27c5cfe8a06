"""Does tuning pay? Placebos first, then the arms on artificial days, then on a recording.

python -m bench.scoreboard --part placebo [--feeds 200] [--workers 2]
python -m bench.scoreboard --part days [--days 12] [--mechanism value] [--fees 0] [--seed 11]
python -m bench.scoreboard --part modes [--days 6] [--seed 17]
python -m bench.scoreboard --part none [--days 12] [--hours 12] [--seed 13]
python -m bench.scoreboard --part day --feed nexo.npz

**placebo.** Short feeds on which two arms move the same set at random: neither can be better. How
often does the primary figure's interval say that the first is? Bar: at most 7 %.
**days.** `counterpoint evaluate` on days of changing climates, made here. Bar: within 60 minutes;
the full system F is better than S1 and than V in net at equal volatility and in SQN100, its
drawdown at equal volatility is not worse, and half of the way from S1 to the oracle is made.
**modes.** The optimizer in every coordination mode, by the whole stack in processes with three
optimizers: what each gains on S1. Bar: in none it is worse than S1.
**none.** Days of the toxic climate alone at 2 bps, where nobody earns. Bar: F loses less than S1
and than V, with an interval, trades less than both, and is said to have no edge.
**day.** Every arm, the stacks too, on one recording at the plan's four fees; bar: 30 minutes.

With --data a run that was stopped goes on where it was, and its time is that of the last part. The
last line is JSON.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from agents.cli.evaluate_table import text
from agents.evaluation.piece import Task, computed
from agents.evaluation.plan import Plan, the_plan
from agents.evaluation.summary import document_of
from agents.settings import Settings
from exchange.importers.synthetic import climate_recording
from exchange.recording import save
from market.comparison import Finding
from market.verdict import Edge

PLACEBO_MAX = 0.07
PLACEBO_HOURS = 6.0
PLACEBO = ("P1", "P2")
DAYS_S, DAY_S = 3600.0, 1800.0
FALL = "drawdown_equal_volatility"
GAP_MIN = 0.5
OPPONENTS = ("S1", "V")
MODES_S = 2.0 * DAYS_S
MODES_ARMS = ("N", "S1", "V", "T")
NO_EDGE_BPS, NO_EDGE_ARMS = 2.0, "N,S1,V,B,F"


def short_plan() -> Plan:
    """Return the plan with an hour of training and shorter periods, for short feeds."""
    shorter = {"train_hours": 1.0, "period_s": 300, "sets": 32, "slices": 6, "draws": 2000}
    return the_plan().model_copy(update=shorter)


def placebo_of(seed: int, *, mechanism: str) -> str:
    """Return what the primary figure says of the first placebo on one feed."""
    plan = short_plan()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "short.npz"
        save(path, climate_recording(f"climates-{mechanism}", seed, PLACEBO_HOURS))
        document = {
            "seed": seed,
            "feed": {"path": path, "maker_fee_bps": 0.0},
            "optimizer": {"threads": 1},
        }
        task = Task(0, Settings.model_validate(document), plan, PLACEBO, None, {})
        found = computed(task, "", lambda _name: None)
    (tier,) = document_of([found], plan, PLACEBO)["tiers"]
    (pair,) = tier["differences"]
    finding: str = pair["figures"][plan.primary]["finding"]
    return finding


def placebo(told: argparse.Namespace) -> dict[str, Any]:
    """Count what is said of placebos."""
    seeds = range(told.seed * 1000, told.seed * 1000 + told.feeds)
    one = partial(placebo_of, mechanism=told.mechanism)
    counts = dict.fromkeys((each.value for each in Finding), 0)
    with ProcessPoolExecutor(told.workers) as pool:
        for done, finding in enumerate(pool.map(one, seeds), start=1):
            counts[finding] += 1
            if done % 20 == 0:
                print(f"{done} of {told.feeds}: {counts}", file=sys.stderr, flush=True)
    share = counts[Finding.BETTER.value] / told.feeds
    print(f"{told.feeds} feeds of {PLACEBO_HOURS:g} h, {told.mechanism}: {counts}")
    print(f"declared better {share:.1%}, at most {PLACEBO_MAX:.0%}")
    return {"feeds": told.feeds, "counts": counts, "share": share, "held": share <= PLACEBO_MAX}


def evaluated(
    feeds: list[Path],
    data: Path,
    *,
    fees: str,
    most_s: float,
    arms: str,
    judge: Callable[[dict[str, Any]], dict[str, Any]],
) -> dict[str, Any]:
    """Run the command on recordings, twice; print its text and return what it told.

    The second time every piece is there already, and the same must come out. `judge` says of a tier
    of fees what it found, and whether the bar is `held`.
    """
    words = [sys.executable, "-m", "agents.cli.main", "evaluate", f"--fees={fees}", "--json"]
    words += [part for each in feeds for part in ("--feed", str(each))]
    words += ["--data", str(data), "--arms", arms]
    begun = time.monotonic()
    first = subprocess.run(words, stdout=subprocess.PIPE, check=True).stdout
    took_s = time.monotonic() - begun
    again = subprocess.run(words, stdout=subprocess.PIPE, check=True).stdout
    document = json.loads(first)
    print(text(document))
    print(f"{took_s:.0f} s, at most {most_s:.0f} s; the same again: {first == again}")
    primary = document["plan"]["primary"]
    told = [
        {
            "fee_bps": tier["fee_bps"],
            "days": tier["days"],
            "judged": judge(tier),
            "primary": {
                f"{pair['ours']}-{pair['theirs']}": pair["figures"][primary]
                for pair in tier["differences"]
            },
        }
        for tier in document["tiers"]
    ]
    for each in told:
        print(f"{each['fee_bps']:g} bps: {each['judged']}")
    held = took_s <= most_s and first == again and all(each["judged"]["held"] for each in told)
    return {"took_s": took_s, "tiers": told, "held": held}


def pairs_of(tier: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the figures of every pair."""
    return {(each["ours"], each["theirs"]): each["figures"] for each in tier["differences"]}


def spares(tier: dict[str, Any]) -> dict[str, Any]:
    """Say of one tier without an edge whether the full system loses and trades less."""
    pairs, arms = pairs_of(tier), tier["arms"]
    told: dict[str, Any] = {each: pairs["F", each]["net"]["finding"] for each in OPPONENTS}
    told["turnover"] = {each: arms[each]["turnover"] for each in ("F", *OPPONENTS)}
    told["verdict"] = arms["F"]["verdict"]["edge"]
    told["held"] = (
        all(told[each] == Finding.BETTER.value for each in OPPONENTS)
        and all(told["turnover"]["F"] < told["turnover"][each] for each in OPPONENTS)
        and told["verdict"] == Edge.NO_EDGE.value
    )
    return told


def moded(tier: dict[str, Any]) -> dict[str, Any]:
    """Say of one tier what tuning in each mode is against not tuning."""
    pairs, primary = pairs_of(tier), the_plan().primary
    told: dict[str, Any] = {
        f"{name} {mode.value}": pairs[name, "S1"][primary]["finding"]
        for name, mode in the_plan().modes.items()
    }
    told["held"] = Finding.WORSE.value not in told.values()
    return told


def beats(tier: dict[str, Any]) -> dict[str, Any]:
    """Say of one tier what the full system is better at, and how much of the way it made."""
    pairs, primary = pairs_of(tier), the_plan().primary
    told: dict[str, Any] = {}
    for theirs in OPPONENTS:
        found = pairs["F", theirs]
        told[theirs] = {name: found[name]["finding"] for name in (primary, "sqn100", FALL)}
    made, way = (pairs[ours, "S1"][primary]["value"] for ours in ("F", "O"))
    told["gap_closed"] = made / way if way > 0.0 else None
    better = Finding.BETTER.value
    told["held"] = (
        all(told[each][name] == better for each in OPPONENTS for name in (primary, "sqn100"))
        and all(told[each][FALL] != Finding.WORSE.value for each in OPPONENTS)
        and told["gap_closed"] is not None
        and told["gap_closed"] >= GAP_MIN
    )
    return told


def part_of(told: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Evaluate days made here, or a recording."""
    plan = the_plan()
    all_arms = ",".join(each for each in plan.arms if each not in plan.modes)
    if told.part == "day":
        fees = told.fees or ",".join(f"{fee:g}" for fee in plan.fees_bps)
        return evaluated(
            [told.feed], folder, fees=fees, most_s=DAY_S, arms=",".join(plan.arms),
            judge=lambda _tier: {"held": True},
        )  # fmt: skip
    none, modes = told.part == "none", told.part == "modes"
    feeds = [folder / f"day-{number}.npz" for number in range(told.days)]
    for number, path in enumerate(feeds):
        seed, only = told.seed * 1000 + number, "toxic" if none else None
        save(path, climate_recording(f"climates-{told.mechanism}", seed, told.hours, only=only))
    fees = told.fees or (f"{NO_EDGE_BPS:g}" if none else "0")
    if modes:
        arms = ",".join((*MODES_ARMS, *plan.modes))
        return evaluated(feeds, folder, fees=fees, most_s=MODES_S, arms=arms, judge=moded)
    arms, judge = (NO_EDGE_ARMS, spares) if none else (all_arms, beats)
    return evaluated(feeds, folder, fees=fees, most_s=DAYS_S, arms=arms, judge=judge)


def main() -> int:
    """Do one part."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--part", choices=("placebo", "days", "modes", "none", "day"), required=True
    )
    parser.add_argument("--feeds", type=int, default=200)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--days", type=int, default=12)
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--mechanism", default="value")
    parser.add_argument("--fees")
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--feed", type=Path)
    parser.add_argument("--data", type=Path, help="keep recordings and pieces here; unset: nowhere")
    told = parser.parse_args()
    if told.part == "placebo":
        result = placebo(told)
    else:
        if told.part == "day" and told.feed is None:
            parser.error("--part day needs --feed")
        with tempfile.TemporaryDirectory() as name:
            folder = told.data or Path(name)
            folder.mkdir(parents=True, exist_ok=True)
            result = part_of(told, folder)
    print(json.dumps(result))
    return 0 if result["held"] else 1


if __name__ == "__main__":
    raise SystemExit(main())
