"""Two executors on one capital, through the replay and through one exchange: the same fills.

python -m bench.symbols [--feed A.npz --feed B.npz] [--hours 2] [--latency measured:1.0] [--futures]

The reference is `counterpoint run --feed A --feed B`. Then two runs, one for each symbol, trade on
one account of the simulated exchange in lockstep, a key each, and hear each other over their
buses, as `docs/portfolio.md` has it. Fills are compared one by one, orders, refusals and risk
states with their times, the caps of the portfolio at every look, the ledgers by every column; both
ledgers together are what the account holds. Once with the limits of the portfolio and once
without. Exit 0 only if all agree, and the limits made a difference. With `--futures` both are
contracts on one wallet, with a funding every ten minutes.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents.executor import records
from agents.executor.judged import named
from agents.executor.recovery import open_journal
from agents.executor.result import journaled
from agents.facts import read_facts
from agents.session import Session, open_session
from agents.settings import Settings
from bench.day import FUTURES_WIRE_NS, WIRE_NS, judged_otherwise, on_the_wire, perpetual, refused_of
from bench.venue_house import ROOT, Exchange
from exchange.importers.synthetic import called, synthetic_recording
from exchange.recording import Recording, save, units
from exchange.simulated.instrument import text
from market.layout import LEDGER_BASE, LEDGER_QUOTE
from market.quotes import LOTS_HUGE
from market.replay import Record
from protocol.messages import QuoteParameters

NAMES = ("executor-1", "executor-2")
KEYS = ("test", "second")
PATIENCE_S = 3_600.0
LIMITS: dict[str, dict[str, float]] = {
    "limits on": {"correlation_pair_limit": 0.6, "correlation_portfolio_limit": 0.3},
    "limits off": {
        "correlation_pair_limit": 1.0, "correlation_portfolio_limit": 1.0, "joint_value_limit": 0.0,
    },
}  # fmt: skip
ACCOUNTS = """
[[account]]
name = "desk"
key = "test"
secret = "test"
more_keys = {{ second = "second" }}
balances = {{ {balances} }}
"""


@dataclass(frozen=True, slots=True)
class Lived:
    """What an executor lived through: its session, its record, the id before its first order."""

    session: Session
    record: Record
    ids_before: int
    caps: tuple[int, ...]


def main() -> int:
    """Compare; print a table and one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--feed", type=Path, action="append")
    parser.add_argument("--hours", type=float, default=2.0)
    parser.add_argument("--latency", default="measured:1.0")
    parser.add_argument("--futures", action="store_true")
    told = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cp") as name:
        folder = Path(name)
        feeds = told.feed or planted(folder, told.hours)
        if told.futures:
            feeds = [perpetual(path, folder / f"perpetual-{path.name}") for path in feeds]
        rows = [
            compare(feeds, folder / f"day{number}", limits, told)
            for number, limits in enumerate(LIMITS)
        ]
    for row in rows:
        for each in row["executors"]:
            print(
                f"{row['limits']:<11} {each['name']}  {each['symbol']:<9} {each['fills']:>5} fills,"
                f" {each['orders']:>5} orders, {each['refused']:>4} refused by correlation_limits,"
                f" cap (median) {each['cap']}: " + (each["difference"] or "agrees")
            )
        print(f"{row['limits']:<11} the account: {row['account'] or 'is both ledgers'}")
    on, off = rows
    pairs = zip(on["executors"], off["executors"], strict=True)
    differ = [one["fills"] != other["fills"] for one, other in pairs]
    held = all(row["agrees"] for row in rows) and any(differ)
    held &= all(each["fills"] > 0 for row in rows for each in row["executors"])
    print(json.dumps({"bench": "symbols", "held": held, "rows": rows}))
    return 0 if held else 1


def planted(folder: Path, hours: float) -> list[Path]:
    """Write two artificial days of their own with a planted edge."""
    paths = []
    for symbol, seed in (("AAA-USDT", 3), ("BBB-USDT", 4)):
        day = synthetic_recording(seed=seed, hours=hours, setting="planted_edge")
        paths.append(folder / f"{symbol}.npz")
        save(paths[-1], called(day, symbol))
    return paths


def compare(
    feeds: list[Path], folder: Path, limits: str, told: argparse.Namespace
) -> dict[str, Any]:
    """Live through a day twice; return what was compared."""
    began_s = time.monotonic()
    common = {
        "executor.latency": told.latency,
        "run.optimizers": 0,
        **{f"portfolio.{name}": value for name, value in LIMITS[limits].items()},
    }
    replayed = replay(feeds, folder / "replay", common, told.hours)
    lived, held = live(replayed, folder, common, told.latency)
    rows = []
    for name, mine, theirs in zip(NAMES, lived, replayed, strict=True):
        difference = otherwise(mine, theirs)
        rows.append(
            {
                "name": name,
                "symbol": theirs.session.meta.symbol,
                "fills": len(theirs.record.filled),
                "orders": len(theirs.record.placed),
                "cap": middle(theirs.caps),
                "refused": refused_of(theirs.record).get("correlation_limits", 0),
                "difference": difference
                or ("" if mine.caps == theirs.caps else "another cap by the portfolio"),
            }
        )
    account = account_otherwise(lived, held)
    return {
        "limits": limits,
        "executors": rows,
        "account": account,
        "seconds": round(time.monotonic() - began_s, 1),
        "agrees": not account and not any(each["difference"] for each in rows),
    }


def middle(caps: tuple[int, ...]) -> str:
    """Return the median of the caps, in words."""
    cap = sorted(caps)[len(caps) // 2]
    return "none" if cap >= LOTS_HUGE else f"{cap} lots"


def otherwise(lived: Lived, replayed: Lived) -> str:
    """Return the first difference in words; empty when there is none."""
    wire_ns = WIRE_NS if replayed.session.meta.spot else FUTURES_WIRE_NS
    mine = on_the_wire(lived.record.filled, lived.ids_before, wire_ns).tolist()
    theirs = on_the_wire(replayed.record.filled, replayed.ids_before, wire_ns).tolist()
    for number, (one, other) in enumerate(zip(mine, theirs, strict=False)):
        if one != other:
            return f"fill {number}: lived {one}, replayed {other}"
    if len(mine) != len(theirs):
        return f"{len(mine)} fills were lived, {len(theirs)} replayed"
    both = (each.record.account.ledger.tolist() for each in (lived, replayed))
    for column, (one, other) in enumerate(zip(*both, strict=True)):
        if one != other:
            return f"ledger column {column}: lived {one}, replayed {other}"
    return judged_otherwise(lived.record, replayed.record, lived.ids_before)


def account_otherwise(lived: list[Lived], held: dict[str, str]) -> str:
    """Return how the account is not what both ledgers say together; empty when it is."""
    wanted: dict[str, int] = {}
    for each in lived:
        meta, ledger = each.session.meta, each.record.account.ledger
        for asset, column in ((meta.quote, LEDGER_QUOTE), (meta.base, LEDGER_BASE)):
            wanted[asset] = wanted.get(asset, 0) + int(ledger[column])
    for asset, amount in wanted.items():
        if units(f"{float(held[asset]):.8f}") != amount:
            return f"{asset}: the account holds {held[asset]}, the ledgers say {text(amount)}"
    return ""


def replay(feeds: list[Path], folder: Path, common: dict[str, Any], hours: float) -> list[Lived]:
    """Run both on their recordings, as a user does."""
    told = [word for path in feeds for word in ("--feed", str(path))]
    told += ["--hours", f"{hours:g}", "--maker-fee", "0"]
    process = start(folder, *told, *changes(common))
    finish([process])
    return [lived_by(folder, name) for name in NAMES]


def live(
    replayed: list[Lived], folder: Path, common: dict[str, Any], latency: str
) -> tuple[list[Lived], dict[str, str]]:
    """Run both at one exchange in lockstep; return what they lived and what the account holds."""
    feeds, balances = [], dict[str, int]()
    for each in replayed:
        meta = each.session.meta
        feeds.append(folder / f"{meta.base}.npz")
        save(feeds[-1], Recording(meta, each.session.events))
        quote_units, base_units, _ = map(int, each.session.setup.opening)
        balances[meta.quote] = balances.get(meta.quote, 0) + quote_units
        if meta.spot:
            balances[meta.base] = balances.get(meta.base, 0) + base_units
    accounts = folder / "accounts.toml"
    listed = ", ".join(f'{asset} = "{text(amount)}"' for asset, amount in balances.items())
    accounts.write_text(ACCOUNTS.format(balances=listed))
    market = () if replayed[0].session.meta.spot else ("--futures",)
    exchange = Exchange(
        feeds, folder, "--latency", latency, "--accounts", str(accounts), "--maker-fee", "0",
        "--clients", "2", *market, speed="lockstep",
    )  # fmt: skip
    exchange.start()
    with tempfile.TemporaryDirectory(prefix="cp") as sockets:
        try:
            finish(
                [
                    at_exchange(each, number, folder, Path(sockets), exchange, common)
                    for number, each in enumerate(replayed)
                ]
            )
            held = exchange.balances()
        finally:
            exchange.kill()
    return [lived_by(folder / name, name) for name in NAMES], held


def at_exchange(
    replayed: Lived,
    number: int,
    folder: Path,
    sockets: Path,
    exchange: Exchange,
    common: dict[str, Any],
) -> subprocess.Popen[bytes]:
    """Start one run at the exchange, which names the other as the one that it hears."""
    name, other, session = NAMES[number], NAMES[1 - number], replayed.session
    own = sockets / name
    own.mkdir(mode=0o700)
    parameters: QuoteParameters = session.baseline
    told: dict[str, Any] = {
        **common,
        **{f"parameters.{field}": value for field, value in parameters.model_dump().items()},
        "account.executor": name,
        "account.capital": session.settings.account.capital,
        "account.target_base": session.setup.opening[1] / 1e8,
        "bus.folder": own,
        "bus.peers": f"{other}={sockets / other}",
    }
    kind = "binance" if session.meta.spot else "binance-futures"
    where = ("--venue", kind, "--url", exchange.url, "--symbol", session.meta.symbol)
    pace = ("--pace", "lockstep", "--control", exchange.control)
    key = KEYS[number]
    environ = {"COUNTERPOINT_VENUE_KEY": key, "COUNTERPOINT_VENUE_SECRET": key}
    keys = {"bus.keys": folder / "replay" / "keys"}
    return start(folder / name, *where, *pace, *changes(told | keys), **environ)


def changes(told: dict[str, Any]) -> list[str]:
    """Return settings as flags."""
    return [word for name, value in told.items() for word in ("--set", f"{name}={value}")]


def start(data: Path, *arguments: str, **environ: str) -> subprocess.Popen[bytes]:
    """Start `counterpoint run`."""
    data.mkdir(parents=True)
    with (data / "stderr").open("wb") as errors:
        return subprocess.Popen(
            [sys.executable, "-m", "agents.cli.main", "run", "--data", str(data), *arguments],
            env={**os.environ, "PYTHONPATH": str(ROOT), **environ},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
        )


def finish(processes: list[subprocess.Popen[bytes]]) -> None:
    """Wait until all have ended well; end all when one has not."""
    try:
        for each in processes:
            code = each.wait(timeout=PATIENCE_S)
            if code:
                raise SystemExit(f"a run ended with code {code}: {each.args!r}")
    finally:
        for each in processes:
            if each.poll() is None:
                each.terminate()
                each.wait()


def lived_by(data: Path, name: str) -> Lived:
    """Read what the executor of a name lived through."""
    for path in sorted((data / "runs").glob("*/config.json")):
        settings = Settings.model_validate_json(path.read_bytes())
        if settings.account.executor == name:
            run = path.parent
            break
    else:
        raise SystemExit(f"no run of {name} under {data}")
    session = open_session(settings)
    before = 0 if settings.venue.recorded else read_facts(run).first_id - 1
    with open_journal(run, readonly=True) as journal:
        rows = [row.body for row in journal.rows(records.JUDGED) if row.kind != "opened"]
    caps = tuple(int(named(body)["portfolio_lots"]) for body in rows)
    return Lived(session, journaled(run, session).record, before, caps or (LOTS_HUGE,))


if __name__ == "__main__":
    sys.exit(main())
