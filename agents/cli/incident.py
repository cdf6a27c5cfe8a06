"""`counterpoint incident`: one screen at three in the morning, of the newest run or a named one.

What happened, where the money is, which orders were open, what was decided last, and the next
command. It reads files alone, so it works with everything dead; how old they are it says too.
"""

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agents.cli.options import Config, Data, Json
from agents.cli.output import put
from agents.cli.promote import settings_of
from protocol.errors import printable

if TYPE_CHECKING:
    from agents.executor.state import State
    from agents.settings import Settings

EVENTS, DECISIONS, ORDERS = 8, 3, 6
"""How many lines of each fit the screen."""
TAIL_BYTES = 256 * 1024
"""Of each log, from its end."""
OLD_S = 30.0
"""A journal that was not written for so long is of an executor that does nothing."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """What the next command follows from.

    Attributes:
        alive: names of the run's live processes; None where they cannot be seen, as those of
            other containers.
        ended: whether the run came to its end, and has a result.
        stops: active stop ids.
        risk: active, reducing or halted.
        open_orders: as the executor knew them last.
        at_venue: whether they rest at an exchange.
        old_s: seconds since the journal was written.
    """

    alive: tuple[str, ...] | None
    ended: bool
    stops: tuple[str, ...]
    risk: str
    open_orders: int
    at_venue: bool
    old_s: float


def incident(
    *,
    run: Annotated[
        str | None, typer.Option("--run", help="folder of a run; default: the newest")
    ] = None,
    data: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Tell on one screen what happened to a run, where its money is, and what to type next."""
    from agents.cli.flags import resolve_at_any_rate
    from agents.cli.report import folder_of

    settings = resolve_at_any_rate(config, data).settings
    folder = folder_of(settings.data, run)
    told = document(folder, settings_of(folder, settings))
    put(json.dumps(told) if as_json else "\n".join(lines(told)))


def document(folder: Path, settings: "Settings") -> dict[str, Any]:
    """Return everything as plain JSON values.

    Args:
        settings: of the run.
    """
    from agents.cli.log_command import lines_of
    from agents.cli.stack import PROCESSES, alive
    from agents.cli.verdicts import verdicts_in
    from agents.executor.recovery import JOURNAL_NAME
    from agents.executor.telling import RISK_STATES
    from market.breach import RISK_STATE

    state = state_of(folder, settings)
    written = max(path.stat().st_mtime for path in folder.glob(f"{JOURNAL_NAME}*"))
    risk = RISK_STATES[int(state.account.risk[RISK_STATE])] if state is not None else "active"
    trouble = Trouble(
        alive=tuple(sorted(alive(folder))) if (folder / PROCESSES).exists() else None,
        ended=(folder / "result.json").exists(),
        stops=() if state is None else tuple(state.stops),
        risk=risk,
        open_orders=0 if state is None else state.open_orders,
        at_venue=settings.venue.guarded,
        old_s=round(max(0.0, time.time() - written), 1),
    )
    command, why = next_command(trouble)
    return {
        "run": str(folder),
        "alive": None if trouble.alive is None else list(trouble.alive),
        "ended": trouble.ended,
        "journal_age_s": trouble.old_s,
        "risk": risk,
        "stops": list(trouble.stops),
        **({} if state is None else money_of(state)),
        "open_orders": trouble.open_orders,
        "orders": [] if state is None else orders_of(state),
        "policy": [line for each in verdicts_in(folder) for line in lines_of(each)],
        "decisions": decisions_of(folder),
        "events": events_of(folder.glob("*.log")),
        "next": command,
        "why": why,
    }


def next_command(trouble: Trouble) -> tuple[str, str]:
    """Return what to type next, and why: the worst first."""
    unseen = trouble.alive is None
    living = trouble.alive or ()
    executor = unseen or any(name.startswith("executor") for name in living)
    if unseen and not trouble.ended and trouble.old_s > OLD_S:
        return "docker-compose ps", "its processes are elsewhere and have written nothing for long"
    if not executor and not trouble.ended and trouble.open_orders and trouble.at_venue:
        if "guardian" in living:
            return (
                "tail -3 guardian.log",
                "the executor is dead with orders open; its guardian must say that none rests",
            )
        return (
            "counterpoint guardian",
            "the executor is dead with orders open and nobody guards them: it cancels them",
        )
    if trouble.stops:
        return "counterpoint rearm", "it is stopped; once the reason above is gone, lift that"
    if trouble.risk == "halted":
        return "counterpoint risk status", "a limit has halted it: which, and until when"
    if trouble.ended:
        return "counterpoint report", "the run has ended; its report says how"
    if not executor:
        return "counterpoint doctor", "nothing trades; see whether this machine could"
    if trouble.old_s > OLD_S:
        return "counterpoint stop", "it lives and has written nothing for long: it hangs"
    if not unseen and "supervisor" not in living:
        return "counterpoint down", "nobody starts again what dies; end it, then start it anew"
    if trouble.risk == "reducing":
        return "counterpoint risk status", "a limit lets it only shrink its position"
    return "counterpoint status", "nothing is wrong that its files tell of"


# --- found ------------------------------------------------------------------------------------
def state_of(folder: Path, settings: "Settings") -> "State | None":
    """Return the executor's state as it was put on disk last, None before its first decision."""
    from agents.executor import records
    from agents.executor.recovery import open_journal
    from agents.executor.state import thaw
    from agents.session import open_session

    with open_journal(folder, readonly=True) as journal:
        frozen = journal.get(records.STATE)
    if frozen is None:
        return None
    return thaw(open_session(settings), frozen)


def money_of(state: "State") -> dict[str, Any]:
    """Return position, profit and limits as the executor told them last."""
    from agents.executor.showing import limits_used
    from agents.executor.telling import pnl_word
    from protocol.messages import utc_text

    word = pnl_word(state)
    return {
        "symbol": word.symbol,
        "venue_time": utc_text(state.now_ns),
        "position": word.position,
        "mark": word.mark,
        "equity": word.equity,
        "opening": word.opening,
        "fills": word.fills,
        "round_trips": word.round_trips,
        "limits_used": {name: round(used, 4) for name, used in limits_used(state).items()},
        "parameters": state.incumbent.model_dump(),
        "pair": list(state.applied_pair),
    }


def orders_of(state: "State") -> list[dict[str, str]]:
    """Return the open orders, the innermost first."""
    from decimal import Decimal

    from agents.executor.telling import text
    from market.layout import BUY, OWN_PRICE_TICKS, OWN_REMAINING, OWN_SIDE

    tick, lot = Decimal(state.session.meta.tick), Decimal(state.session.meta.lot)
    rows = state.account.own[: state.open_orders]
    mid = float(rows[:, OWN_PRICE_TICKS].mean()) if len(rows) else 0.0
    near = sorted(rows.tolist(), key=lambda row: abs(row[OWN_PRICE_TICKS] - mid))
    return [
        {
            "side": "buy" if row[OWN_SIDE] == BUY else "sell",
            "price": text(tick * row[OWN_PRICE_TICKS]),
            "quantity": text(lot * row[OWN_REMAINING]),
        }
        for row in near
    ]


def decisions_of(folder: Path) -> list[str]:
    """Return the newest chapters of the decision log, a line each; none without a coordinator."""
    from agents.cli.chronicle import Chronicle
    from agents.cli.log_command import applied_in, lines_of, mode_of
    from agents.coordinator.log import FILE, read_records

    if not (folder / FILE).exists():
        return []
    records = read_records(folder)
    told = Chronicle(records, mode_of(folder, records), applied_in(folder)).told()
    return [" ".join(each.strip() for each in lines_of(chapter)) for chapter in told[-DECISIONS:]]


def events_of(logs: Iterable[Path]) -> list[str]:
    """Return the newest warnings and errors of all logs, in the order of time."""
    found: list[tuple[str, str]] = []
    for path in logs:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - TAIL_BYTES))
            tail = file.read().decode("utf-8", "replace").splitlines()
        for line in tail:
            try:
                row = json.loads(line)
            except ValueError:
                continue  # the first may be cut
            if row.get("level") not in {"warning", "error"}:
                continue
            known = {"time", "level", "component", "event", "exception"}
            facts = " ".join(f"{key}={value}" for key, value in row.items() if key not in known)
            found.append((row["time"], f"{row['component']} {row['event']} {facts}".rstrip()))
    newest = sorted(found)[-EVENTS:]
    return [f"{moment[:19].replace('T', ' ')}  {printable(said)}" for moment, said in newest]


# --- shown ------------------------------------------------------------------------------------
def lines(told: dict[str, Any]) -> list[str]:
    """Return the screen, 108 columns wide at most."""
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")
    out = [f"{now}  {told['run']}"]
    alive = "elsewhere, as in other containers"
    if told["alive"] is not None:
        alive = ", ".join(told["alive"]) or "nothing of it"
    state = "ended" if told["ended"] else f"journal written {told['journal_age_s']:g} s ago"
    out.append(f"lives       {alive}; {state}")
    stops = ", ".join(told["stops"]) or "none"
    out.append(f"risk        {told['risk']}; stops: {stops}")
    if "symbol" in told:
        used = ", ".join(f"{name} {share:.0%}" for name, share in told["limits_used"].items())
        profit = float(told["equity"]) - float(told["opening"])
        held = f"{told['position']} {told['symbol'].partition('-')[0]} at {told['mark']}"
        money = f"equity {told['equity']} ({profit:+.4f}), {told['fills']} fills"
        out += [f"position    {held}, {money}", f"limits      {used}"]
    out.append(f"open orders {told['open_orders']}")
    out += [f"            {each['side']:<4} {each['quantity']} at {each['price']}"
            for each in told["orders"][:ORDERS]]  # fmt: skip
    if told["policy"]:
        out += ["policy", *(f"  {each}" for each in told["policy"])]
    out.append("decisions" if told["decisions"] else "decisions   none in its log")
    out += [f"  {each}" for each in told["decisions"]]
    out.append("happened" if told["events"] else "happened    nothing that a log warns of")
    out += [f"  {each}" for each in told["events"]]
    out.append(f"next        {told['next']}")
    out.append(f"            {told['why']}")
    return [each if len(each) <= 108 else each[:105] + "..." for each in out]
