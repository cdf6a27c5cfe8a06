"""Days of changing climates beside recordings: how alike they are in what can be measured.

python -m bench.climates [--feed nexo.npz ...] [--hours 24] [--seeds 1,2]

Facts in units that do not depend on the symbol: ticks, mean spreads, hours. The last line is JSON;
the exit code says whether every fact of the made days lies within the bounds of FACTS.
"""

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np

from agents.session import Session, open_session
from agents.settings import Settings
from exchange.importers.synthetic import CLIMATES, climate_recording
from exchange.recording import save
from market.layout import (
    BUY,
    EVENT_EXCH_NS,
    EVENT_KIND,
    EVENT_LOCAL_NS,
    EVENT_PRICE_TICKS,
    EVENT_SIDE,
    KIND_TRADE,
    STEP_ASK,
    STEP_BID,
    STEP_NOW_NS,
    VIEW_IMBALANCE,
    VIEW_READY,
)
from market.types import F8

CYCLE = 30
AHEAD = 10

FACTS = {
    "spread_ticks": (1.0, 6.0),
    "move_30s_spreads": (0.3, 2.5),
    "kurtosis_30s": (3.5, 40.0),
    "move_size_memory": (0.05, 0.6),
    "trades_an_hour": (200.0, 8000.0),
    "sign_memory": (0.05, 0.95),
    "trade_markout_half_spreads": (-1.5, 1.0),
    "imbalance_foretells": (0.02, 0.6),
}
"""Bounds of liquid markets (Cont 2001), chosen before the first run; NEXO-USDT has fatter tails."""


def opened(path: Path) -> Session:
    """Return the session of a recording with all defaults."""
    return open_session(Settings.model_validate({"feed": {"path": path}}))


def correlation(one: F8, other: F8) -> float:
    """Return the correlation of two series; 0 where one does not vary."""
    if one.std() == 0.0 or other.std() == 0.0:
        return 0.0
    return float(np.corrcoef(one, other)[0, 1])


def facts_of(session: Session) -> dict[str, float]:
    """Return every fact of a recording, by name of FACTS."""
    tape = session.tapes().advance(session.last_ns)
    first = int(np.flatnonzero(tape.views[:, VIEW_READY] > 0.5)[0])
    steps, views = tape.steps[first:], tape.views[first:]
    mid = (steps[:, STEP_BID] + steps[:, STEP_ASK]) / 2.0
    spread = float((steps[:, STEP_ASK] - steps[:, STEP_BID]).mean())
    moves = np.diff(mid[::CYCLE])
    centred = moves - moves.mean()
    # Signs are told once for each order: prints of one moment are one order.
    trades = session.events[session.events[:, EVENT_KIND] == KIND_TRADE]
    trades = trades[np.append(True, np.diff(trades[:, EVENT_EXCH_NS]) > 0)]
    trades = trades[trades[:, EVENT_LOCAL_NS] > steps[0, STEP_NOW_NS]]
    sign = np.where(trades[:, EVENT_SIDE] == BUY, 1.0, -1.0)
    at = np.searchsorted(steps[:, STEP_NOW_NS], trades[:, EVENT_LOCAL_NS])
    known = at + AHEAD < len(mid)
    later = mid[at[known] + AHEAD]
    markout = sign[known] * (trades[known, EVENT_PRICE_TICKS] - later)
    sizes = np.abs(centred)
    ahead = mid[AHEAD::AHEAD] - mid[:-AHEAD:AHEAD]
    foretold = views[:-AHEAD:AHEAD, VIEW_IMBALANCE]
    return {
        "spread_ticks": spread,
        "move_30s_spreads": float(moves.std()) / spread,
        "kurtosis_30s": float((centred**4).mean() / (centred**2).mean() ** 2),
        "move_size_memory": correlation(sizes[1:], sizes[:-1]),
        "trades_an_hour": len(trades) / (len(mid) / 3600.0),
        "sign_memory": correlation(sign[1:], sign[:-1]),
        "trade_markout_half_spreads": float(markout.mean()) / (spread / 2.0),
        "imbalance_foretells": correlation(foretold[: len(ahead)], ahead[: len(foretold)]),
    }


def columns(feeds: list[Path], hours: float, seeds: list[int]) -> dict[str, dict[str, float]]:
    """Return the facts of every recording and of the made days, by title."""
    found = {path.stem: facts_of(opened(path)) for path in feeds}
    with tempfile.TemporaryDirectory() as folder:
        for setting in CLIMATES:
            days = []
            for seed in seeds:
                path = Path(folder) / f"{setting}-{seed}.npz"
                save(path, climate_recording(setting, seed, hours))
                days.append(facts_of(opened(path)))
            found[setting] = {name: float(np.mean([day[name] for day in days])) for name in FACTS}
    return found


def main() -> int:
    """Print the table and one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--feed", type=Path, action="append", default=[])
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--seeds", default="1,2")
    told = parser.parse_args()
    found = columns(told.feed, told.hours, [int(each) for each in told.seeds.split(",")])
    print(f"{'':<28}" + "".join(f"{name[:16]:>18}" for name in found) + f"{'bounds':>18}")
    for name, (low, high) in FACTS.items():
        cells = "".join(f"{facts[name]:>18.3f}" for facts in found.values())
        print(f"{name:<28}{cells}{f'{low:g} to {high:g}':>18}")
    held = all(
        low <= found[setting][name] <= high
        for setting in CLIMATES
        for name, (low, high) in FACTS.items()
    )
    print(json.dumps({"facts": found, "held": held}))
    return 0 if held else 1


if __name__ == "__main__":
    raise SystemExit(main())
