"""A day through the replay, and through an executor at an exchange over sockets: the same fills.

python -m bench.day [--feed DAY.npz | --folder ../shared/feeds/binance-spot-nexousdt-20240723]
                    [--hours H] [--latency measured:1.0 --latency sampled:80ms,2500ms] [--tight]
                    [--futures]

The executor is the process that a user starts; its orders go through python-binance, over HTTP and
WebSockets, to the simulated exchange in lockstep. Fills are compared one by one, the ledger by
every column. Exit 0 only if all agree, with enough fills, partial ones and cancel races among them.
`--tight` trades half of the capital under limits that bind all day; every order, refusal and change
of the risk state is then compared as well, with its time. With `--futures` the same market is a
perpetual contract with a funding every ten minutes, and those are compared as well. What the policy
saw at each decision is compared with what an agent in training sees there, byte for byte.
"""

import argparse
import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np

from agents.executor.result import journaled
from agents.facts import read_facts
from agents.session import Session, open_session, parameter_row
from agents.settings import Settings
from bench.day_seen import seen_otherwise
from bench.venue_house import ROOT, Exchange
from exchange.importers.detect import import_feed
from exchange.recording import Recording, load, save
from exchange.simulated.instrument import text
from market.breach import RISK_CHANGES
from market.layout import FUNDING_NS as FUNDING_AT
from market.layout import (
    LEDGER_BASE,
    LEDGER_QUOTE,
    REPORT_CANCEL_REJECTED,
    REPORT_FUNDING,
)
from market.replay import Record, replay_one
from market.replay_step import (
    COUNT_REFUSED,
    COUNT_REPORTS,
    FILLED_EXCH_NS,
    FILLED_LOTS,
    FILLED_MAKER,
    FILLED_ORDER_ID,
    FILLED_PRICE_TICKS,
    FILLED_SIDE,
    HEARD_EXCH_NS,
    HEARD_KIND,
    HEARD_LOTS,
    PLACED_COLUMNS,
    PLACED_ORDER_ID,
)
from market.types import I8
from risk.gate import LIMIT_NAMES
from risk.states import REASON_NAMES, changes_of

FEED = Path("../shared/feeds/binance-spot-nexousdt-20240723")
LATENCIES = ("measured:1.0", "sampled:80ms,2500ms")
FILLS_MIN = 500
MAKER_FEE_BPS = 0.0
"""Of both: narrow quotes fill often."""
WIRE_NS = 1_000
"""Resolution of a time on the wire."""
FUTURES_WIRE_NS = 1_000_000
FUNDING_NS = 600 * 10**9
UNHEARD_NS = 60 * 10**9
FUNDING_RATES = (10_000, -20_000, 37_500)
"""1e-8 of the notional, one after the other."""
FUNDING_COMPARED = [HEARD_EXCH_NS, HEARD_LOTS]
COMPARED = (
    FILLED_ORDER_ID, FILLED_SIDE, FILLED_PRICE_TICKS, FILLED_LOTS, FILLED_MAKER, FILLED_EXCH_NS,
)  # fmt: skip
PATIENCE_S = 7_200.0
TIGHT: dict[str, Any] = {
    "account": {"capital": 1_000.0},
    "parameters": {
        "spread_percentage": 0.12, "levels": 3, "base_quantity": 40.0, "max_position": 360.0,
    },
    "risk": {
        "max_position_size": 0.5,
        "stop_loss_threshold": 0.006,
        "daily_loss_limit": 0.012,
        "peak_drawdown_limit": 0.01,
        "drawdown_rest_s": 3_600,
        "volatility_cutoff": 1.8,
        "price_collar": 0.004,
        "price_age_s": 30.0,
        "open_orders_max": 6,
        "order_rate_max": 0.5,
        "order_burst_max": 4,
        "max_order_size": 0.054,
        "value_at_risk_limit": 0.004,
        "cooldown_s": 120,
    },
}  # fmt: skip
"""Half of a small capital in one position, and limits that such a day crosses."""
ACCOUNTS = """
[[account]]
name = "test"
key = "test"
secret = "test"
balances = {{ {quote} = "{quote_units}", {base} = "{base_units}" }}
"""


def main() -> int:
    """Compare; print a table and one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--feed", type=Path)
    parser.add_argument("--folder", type=Path, default=FEED)
    parser.add_argument("--hours", type=float)
    parser.add_argument("--futures", action="store_true", help="as USD-M futures, with fundings")
    parser.add_argument("--latency", action="append")
    parser.add_argument("--fills", type=int, default=FILLS_MIN)
    parser.add_argument("--tight", action="store_true")
    told = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        feed = told.feed or imported(told.folder, folder / "day.npz")
        if told.futures:
            feed = perpetual(feed, folder / "perpetual.npz")
        rows = [
            compare(feed, folder / f"day{number}", latency, hours=told.hours, tight=told.tight)
            for number, latency in enumerate(told.latency or LATENCIES)
        ]
    for row in rows:
        print(
            f"{row['latency']:<22} {row['fills']:>6} fills, {row['partial']:>4} in parts, "
            f"{row['races']:>4} cancel races, {row['fundings']:>3} fundings, "
            f"{row['observations']} observations, "
            f"{row['seconds']:>6.1f} s: " + ("agrees" if row["agrees"] else row["difference"])
        )
    held = all(row["agrees"] for row in rows)
    held &= min(row["fills"] for row in rows) >= told.fills
    held &= min(row["observations"] for row in rows) > 0
    held &= all(sum(row[name] for row in rows) > 0 for name in ("partial", "races"))
    if told.tight:
        for row in rows:
            print(f"  refused {row['refused']}, changes of state {row['changes']}")
        held &= all(row["refused"] and row["changes"] for row in rows)
    if told.futures:
        held &= min(row["fundings"] for row in rows) > 0
    print(json.dumps({"bench": "day", "futures": told.futures, "held": held, "rows": rows}))
    return 0 if held else 1


def imported(folder: Path, path: Path) -> Path:
    """Make a recording of a folder of raw lines."""
    made = import_feed([folder])
    save(path, made.recording, made.data)
    return path


def perpetual(feed: Path, path: Path) -> Path:
    """Write a recording as one of a perpetual contract, with a funding every ten minutes."""
    day = load(feed)
    first_ns, last_ns = day.meta.span_ns
    times = range(-(-first_ns // FUNDING_NS) * FUNDING_NS, last_ns, FUNDING_NS)
    rates = tuple((at_ns, FUNDING_RATES[at_ns // FUNDING_NS % 3]) for at_ns in times)
    change = {"spot": False, "fee_in_base": False, "funding": rates}
    save(path, Recording(day.meta.model_copy(update=change), day.events))
    return path


def compare(
    feed: Path, folder: Path, latency: str, *, hours: float | None, tight: bool
) -> dict[str, Any]:
    """Live through a day twice; return what was compared."""
    folder.mkdir(parents=True)
    fee = {"maker_fee_bps": MAKER_FEE_BPS}
    told = {"feed": {"path": str(feed), "hours": hours, **fee}, "executor": {"latency": latency}}
    told |= TIGHT if tight else {}
    session = heard_out(open_session(Settings.model_validate_json(json.dumps(told))))
    if hours is not None or session.meta.funding:  # the exchange lives to the end of its feed
        feed = folder / "cut.npz"
        save(feed, Recording(session.meta, session.events))
    replayed = replay(session)
    began_s = time.monotonic()
    with lockstep(session, feed, folder, latency) as exchange:
        lived, first_id = live(session, folder, exchange, latency, TIGHT if tight else {})
        balances = sorted(exchange.balances().values())
    wire_ns = WIRE_NS if session.meta.spot else FUTURES_WIRE_NS
    mine = on_the_wire(lived.filled, first_id - 1, wire_ns)
    theirs = on_the_wire(replayed.filled, 0, wire_ns)
    difference = (
        funding_difference(lived, replayed, wire_ns)
        or difference_of(mine, theirs, lived, replayed, balances)
        or judged_otherwise(lived, replayed, first_id - 1)
    )
    observations, unseen = seen_otherwise(session, folder / "run")
    difference = difference or unseen
    return {
        "latency": latency,
        "fills": len(theirs),
        "observations": observations,
        "partial": partial(replayed.filled),
        "orders": len(np.unique(replayed.placed[:, PLACED_ORDER_ID])),
        "fundings": int(replayed.counts[COUNT_REPORTS + REPORT_FUNDING]),
        "races": int(replayed.counts[COUNT_REPORTS + REPORT_CANCEL_REJECTED]),
        "seconds": round(time.monotonic() - began_s, 1),
        "refused": refused_of(replayed),
        "changes": reasons_of(replayed),
        "agrees": not difference,
        "difference": difference,
    }


def heard_out(session: Session) -> Session:
    """Return a session without the fundings at its very end: nobody would hear of them."""
    until_ns = session.last_ns - UNHEARD_NS
    told = tuple(row for row in session.meta.funding if row[0] < until_ns)
    due = session.setup.funding
    return dataclasses.replace(
        session,
        meta=session.meta.model_copy(update={"funding": told}),
        setup=session.setup._replace(funding=due[due[:, FUNDING_AT] < until_ns]),
    )


def replay(session: Session) -> Record:
    """Return the day through the replay."""
    tape = session.tape_builder().advance(session.last_ns)
    return replay_one(
        tape,
        parameter_row(session.baseline),
        session.setup,
        first_step=tape.step_at(session.first_ns),
        last_step=len(tape.steps),
    )


@contextmanager
def lockstep(session: Session, feed: Path, folder: Path, latency: str) -> Iterator[Exchange]:
    """Run the exchange, whose account holds what the session opens with."""
    quote_units, base_units, _ = (text(int(units)) for units in session.setup.opening)
    known = {"quote": session.meta.quote, "base": session.meta.base}
    accounts = folder / "accounts.toml"
    accounts.write_text(ACCOUNTS.format(quote_units=quote_units, base_units=base_units, **known))
    fee = ("--maker-fee", f"{MAKER_FEE_BPS:g}")
    told = ("--latency", latency, "--accounts", str(accounts), *fee)
    market = () if session.meta.spot else ("--futures",)
    exchange = Exchange(feed, folder, *told, *market, speed="lockstep")
    exchange.start()
    try:
        yield exchange
    finally:
        exchange.kill()


def live(
    session: Session, folder: Path, exchange: Exchange, latency: str, more: dict[str, Any]
) -> tuple[Record, int]:
    """Return the day as the executor's journal has it, and the id of its first order."""
    run = folder / "run"
    document: dict[str, Any] = {
        "venue": {
            "kind": "binance" if session.meta.spot else "binance-futures",
            "url": exchange.url,
            "symbol": exchange.symbol,
            "pace": "lockstep",
            "control": exchange.control,
        },
        **more,
        "parameters": session.baseline.model_dump(),
        "account": {
            **more.get("account", {}),
            "target_base": session.setup.opening[1] / 1e8,
        },
        "executor": {"latency": latency},
    }
    settings = Settings.model_validate_json(json.dumps(document)).located(run)
    config = folder / "config.json"
    config.write_text(settings.model_dump_json(), encoding="utf-8")
    subprocess.run(
        [sys.executable, "-m", "agents.executor", "--alone", "--config", str(config),
         "--run", str(run)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=PATIENCE_S,
        check=True,
        capture_output=True,
    )  # fmt: skip
    return journaled(run, open_session(settings)).record, read_facts(run).first_id


def judged_otherwise(lived: Record, replayed: Record, ids_before: int) -> str:
    """Return the first order, refusal or change of state that differs; empty when none does."""
    mine, theirs = lived.placed.copy(), replayed.placed
    mine[mine[:, PLACED_ORDER_ID] > 0, PLACED_ORDER_ID] -= ids_before
    for number, (one, other) in enumerate(zip(mine.tolist(), theirs.tolist(), strict=False)):
        if one[:PLACED_COLUMNS] != other[:PLACED_COLUMNS]:
            return f"order {number}: lived {one}, replayed {other}"
    if len(mine) != len(theirs):
        return f"{len(mine)} orders were lived, {len(theirs)} replayed"
    if not np.array_equal(lived.account.risk, replayed.account.risk):
        changes = changes_of(lived.account.risk), changes_of(replayed.account.risk)
        return f"the risk state: lived {changes[0][-3:]}, replayed {changes[1][-3:]}"
    return ""


def refused_of(record: Record) -> dict[str, int]:
    """Return how many orders each limit refused."""
    counts = record.counts[COUNT_REFUSED:].tolist()
    return {name: counts[code] for code, name in LIMIT_NAMES.items() if counts[code]}


def reasons_of(record: Record) -> dict[str, int]:
    """Return how often each reason led to a state, of the last changes."""
    changes = changes_of(record.account.risk)
    names = [REASON_NAMES[change.reason] or "active" for change in changes]
    told = {name: names.count(name) for name in sorted(set(names))}
    return told | {"all": int(record.account.risk[RISK_CHANGES])} if told else {}


def on_the_wire(filled: I8, ids_before: int, wire_ns: int) -> I8:
    """Return what is compared of fills, order ids counted from 1, times as the wire tells them."""
    rows = filled[:, COMPARED].copy()
    rows[:, 0] -= ids_before
    rows[:, -1] //= wire_ns
    return rows


def partial(filled: I8) -> int:
    """Return how many orders were filled in more than one part."""
    _, times = np.unique(filled[:, FILLED_ORDER_ID], return_counts=True)
    return int((times > 1).sum())


def funding_difference(lived: Record, replayed: Record, wire_ns: int) -> str:
    """Return the first funding that differs in time or amount; empty when none does."""
    both = []
    for record in (lived, replayed):
        rows = record.heard[record.heard[:, HEARD_KIND] == REPORT_FUNDING]
        both.append([(at // wire_ns, units) for at, units in rows[:, FUNDING_COMPARED].tolist()])
    for number, (one, other) in enumerate(zip_longest(*both)):
        if one != other:
            return f"funding {number}: lived {one}, replayed {other}"
    return ""


def difference_of(
    mine: I8, theirs: I8, lived: Record, replayed: Record, balances: list[str]
) -> str:
    """Return the first difference in words; empty when there is none."""
    for number, (one, other) in enumerate(zip(mine.tolist(), theirs.tolist(), strict=False)):
        if one != other:
            return f"fill {number}: lived {one}, replayed {other}"
    if len(mine) != len(theirs):
        return f"{len(mine)} fills were lived, {len(theirs)} replayed"
    ledgers = lived.account.ledger, replayed.account.ledger
    if not np.array_equal(*ledgers):
        column = int(np.flatnonzero(ledgers[0] != ledgers[1])[0])
        return f"ledger column {column}: lived {ledgers[0][column]}, replayed {ledgers[1][column]}"
    held = sorted(text(int(ledgers[0][column])) for column in (LEDGER_QUOTE, LEDGER_BASE))
    if sorted(map(float, held)) != sorted(map(float, balances)):
        return f"the exchange holds {balances}, the ledger says {held}"
    return ""


if __name__ == "__main__":
    sys.exit(main())
