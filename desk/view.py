"""The one read model: REST, page, terminal and report ask it, and nothing else.

What happened comes from the store, what is so at present from what the bus said last; every map
says which, and how old that is. All maps are plain and ready for JSON: amounts are decimal text,
times ISO text in UTC beside nanoseconds. Whatever agents said in words stays text of strangers:
who shows it escapes it.
"""

import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Final

from desk.asking import Asking
from desk.errors import DeskError, StoreError
from desk.gauges import gauges, markouts
from desk.live import Live
from desk.machines import HOUR_NS, Machines
from desk.rows import DECISIONS, decimal
from desk.schema import VERSION
from desk.store import Store
from desk.wording import Row, amounts, moment, order_state, policy, progress, share, worth
from protocol.bus.participant import COORDINATOR

API: Final = "v1"
SPLIT: Final = ("spread", "fees", "inventory", "funding")
"""What profit is made of: equity - opening is their sum."""
CYCLE_AMOUNTS: Final = (
    "opening", "equity", *SPLIT, "turnover", "peak", "drawdown", "position", "mark",
)  # fmt: skip

BALANCE: Final = ("capital", "opening", "equity", "profit", "net_of_holding")
MARKOUT_FILLS: Final = 2_000
"""Newest fills that a markout is the mean of."""
REFUSED: Final = ("refused", "rejected", "tally")


class UnknownExecutorError(DeskError):
    """Somebody was asked about who does not trade in this run."""


class View:
    """One run, as windows show it.

    Args:
        store: filled meanwhile.
        live: what the bus said last.
        run: name in the store.
        folder: the run's, for its logs; None: on another host.
        failing: why the store takes nothing at present; empty while it does.
        clock: wall time in ns.
    """

    def __init__(
        self,
        store: Store,
        live: Live,
        *,
        run: str,
        folder: Path | None = None,
        failing: Callable[[], str] = lambda: "",
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._ask = Asking(store, run)
        self._live = live
        self._run = run
        self._failing = failing
        machines = Machines(live, folder, clock)
        self.processes, self.restarts = machines.processes, machines.restarts
        self.logs, self._age = machines.logs, machines.age

    def owner(self, executor: str | None) -> str:
        """Return an executor's name; the first where none is given.

        Raises:
            UnknownExecutorError: it does not trade here.
        """
        known = self._live.executors
        if executor is None:
            return known[0]
        if executor not in known:
            raise UnknownExecutorError(f"executor must be one of {', '.join(known)}")
        return executor

    # --- how things stand ---------------------------------------------------------------------
    def version(self) -> Row:
        """Return what program this is."""
        return {"version": version("counterpoint"), "api": API, "store_schema": VERSION}

    def health(self) -> Row:
        """Return whether what is shown can be believed to be the present."""
        connected = not self._live.is_stale("heartbeat", COORDINATOR)
        stale = [each for each in self._live.executors if self._live.is_stale("status", each)]
        failing = self._failing()
        return {
            "ok": connected and not stale and not failing,
            "connected": connected,
            "coordinator_age_s": self._live.age_s("heartbeat", COORDINATOR),
            "stale": stale,
            "store_ok": not failing,
            "store_problem": failing,
        }

    def status(self, executor: str | None = None) -> Row:
        """Return what an executor does, in a few figures."""
        owner = self.owner(executor)
        told, beat = self._live.said("status", owner), self._live.said("heartbeat", owner)
        governed, opening, venue_ns = self._live.governed(owner), {}, told.get("venue_time")
        try:
            opening = self._ask.opening(owner)
            if not venue_ns:
                cycle = self._ask.last_cycle(owner)
                venue_ns = None if cycle is None else cycle["time_ns"]
        except StoreError:
            if not told:
                raise
        stops = sorted({*told.get("stops", ()), *governed.get("stops", ())})
        return {
            "run": self._run,
            "executor": owner,
            "state": "silent" if self._live.is_stale("heartbeat", owner) else beat.get("state"),
            **{name: opening.get(name) for name in ("symbol", "base", "quote")},
            **moment(venue_ns),
            "mode": governed.get("mode"),
            "generation": governed.get("generation"),
            "coordinator_epoch": governed.get("coordinator_epoch"),
            "pair": told.get("pair"),
            "parameters": told.get("parameters"),
            "policy": policy(told),
            "risk": told.get("risk"),
            "paused": told.get("paused"),
            "stopped": bool(stops),
            "stops": stops,
            "open_orders": told.get("open_orders"),
            "progress": progress(told),
            **self._age("status", owner),
        }

    def balance(self, executor: str | None = None) -> Row:
        """Return equity and what it is made of, as of the last decision that is stored."""
        owner = self.owner(executor)
        opening, cycle = self._ask.opening(owner), self._ask.last_cycle(owner)
        told: Row = {"executor": owner, "quote": opening.get("quote"), **moment(None)}
        if cycle is None:
            return {**told, **dict.fromkeys(BALANCE)}
        return {
            **told,
            **moment(cycle["time_ns"]),
            "capital": opening.get("capital"),
            **amounts(cycle, "opening", "equity"),
            "profit": decimal(cycle["equity"] - cycle["opening"]),
            "net_of_holding": decimal(cycle["net"] - self._ask.first_net(owner)),
        }

    def position(self, executor: str | None = None) -> Row:
        """Return what is held against the target: live while it is told, else as stored."""
        owner = self.owner(executor)
        told, opening, cycle = self._live.said("pnl_report", owner), {}, None
        is_live = bool(told) and not self._live.is_stale("pnl_report", owner)
        try:
            opening, cycle = self._ask.opening(owner), self._ask.last_cycle(owner)
        except StoreError:
            if not is_live:
                raise
        names = ("position", "mark", "open_buy", "open_sell", "position_limit")
        found: Row = {"executor": owner, "base": opening.get("base"), "quote": opening.get("quote")}
        if is_live:
            found |= {"source": "live", **moment(told["venue_time"])}
            found |= {name: told[name] for name in names}
        elif cycle is not None:
            found |= {"source": "store", **moment(cycle["time_ns"])}
            found |= {**dict.fromkeys(names), **amounts(cycle, "position", "mark")}
        else:
            found |= {"source": None, **moment(None), **dict.fromkeys(names)}
        stored = None if cycle is None else worth(cycle["mark"], cycle["position"])
        return {**found, "stored_value": stored, **self._age("pnl_report", owner)}

    # --- orders and fills ---------------------------------------------------------------------
    def orders(
        self,
        executor: str | None = None,
        *,
        before: int | None = None,
        limit: int = 100,
        resting: bool = False,
    ) -> Row:
        """Return the newest orders below an order id, or those of the newest that rest."""
        owner = self.owner(executor)
        rows = self._ask.resting(owner) if resting else self._ask.orders(owner, before, limit)
        told = [
            {
                "order_id": row["order_id"],
                **moment(row["time_ns"]),
                "side": row["side"],
                **amounts(row, "price", "quantity", "filled"),
                "level": row["level"],
                "taker": row["taker"],
                "state": order_state(row),
            }
            for row in rows[:limit]
        ]
        return {"executor": owner, "orders": told}

    def fills(
        self, executor: str | None = None, *, before: int | None = None, limit: int = 100
    ) -> Row:
        """Return the newest fills below a trade id; a fee that was paid is positive."""
        owner = self.owner(executor)
        told = [
            {
                "trade_id": row["trade_id"],
                "order_id": row["order_id"],
                **moment(row["time_ns"]),
                "exchange_time_ns": row["exchange_ns"],
                "side": row["side"],
                **amounts(row, "price", "quantity", "fee", "mark"),
                "maker": row["maker"],
            }
            for row in self._ask.fills(owner, before, limit)
        ]
        return {"executor": owner, "fills": told}

    # --- profit -------------------------------------------------------------------------------
    def equity(self, executor: str | None = None, *, since_ns: int = 0, points: int = 500) -> Row:
        """Return equity, its parts, position and mark over time, oldest first."""
        owner = self.owner(executor)
        first = self._ask.first_net(owner)
        told = [
            {
                **moment(row["time_ns"]),
                **amounts(row, *CYCLE_AMOUNTS),
                "net_of_holding": decimal(row["net"] - first),
            }
            for row in self._ask.equity(owner, since_ns, points)
        ]
        return {"executor": owner, "points": told}

    def performance(self, executor: str | None = None) -> Row:
        """Return the run's figures so far, each with what it was counted over."""
        owner = self.owner(executor)
        cycle, total = self._ask.last_cycle(owner), self._ask.totals(owner)
        outcomes = total.pop("outcomes")
        sent, accepted = total["orders_sent"], outcomes.get("accepted", 0)
        figures: Row = dict.fromkeys((*CYCLE_AMOUNTS, "net_of_holding"))
        if cycle is not None:
            net = decimal(cycle["net"] - self._ask.first_net(owner))
            figures = {**amounts(cycle, *CYCLE_AMOUNTS), "net_of_holding": net}
        held_s = total["held_ms"] / 1e3
        return {
            "executor": owner,
            **moment(None if cycle is None else cycle["time_ns"]),
            **figures,
            **{name: total[name] for name in ("fills", "maker_fills", "round_trips", "wins")},
            **{name: total[name] for name in ("orders_sent", "orders_refused", "orders_filled")},
            "orders_accepted": accepted,
            "orders_rejected": outcomes.get("rejected", 0),
            "orders_cancelled": outcomes.get("cancelled", 0),
            "success_rate": share(accepted, sent),
            "fill_rate": share(total["orders_filled"], sent),
            "maker_share": share(total["maker_fills"], total["fills"]),
            "win_rate": share(total["wins"], total["round_trips"]),
            "average_trade_s": held_s / total["round_trips"] if total["round_trips"] else None,
            **amounts(total, "quantity", "fees_paid", "trip_profit"),
        }

    def markouts(self, executor: str | None = None) -> Row:
        """Return what the newest fills were worth a while later, basis points, for us if positive.

        Mids are known at fills and at decisions.
        """
        owner = self.owner(executor)
        fills = self._ask.fills(owner, None, MARKOUT_FILLS)
        marks = self._ask.marks(owner, fills[-1]["time_ns"]) if fills else []
        return {"executor": owner, "markouts": markouts(fills, marks)}

    # --- decisions ----------------------------------------------------------------------------
    def parameters(self, executor: str | None = None, *, limit: int = 100) -> Row:
        """Return the set in force, those before it and verdicts on a policy, newest first."""
        owner = self.owner(executor)
        history = [
            {**moment(row["time_ns"]), "event": row["kind"], **row["body"]}
            for row in self._ask.events(owner, "parameters", (), limit)
        ]
        told = self._live.said("status", owner)
        return {
            "executor": owner,
            "in_force": told.get("parameters"),
            "pair": told.get("pair"),
            "baseline": self._ask.opening(owner).get("parameters"),
            "history": history,
            "verdicts": [
                {**moment(row["time_ns"]), **row["body"]}
                for row in self._ask.events(owner, "heard", ("policy",), limit)
            ],
            **self._age("status", owner),
        }

    def proposals(self, *, limit: int = 100) -> Row:
        """Return what was proposed, by whom, what the votes were and what came of it."""
        return {"proposals": self._ask.story(COORDINATOR, limit)[0]}

    def decisions(self, *, limit: int = 100) -> Row:
        """Return what was decided, on what grounds, and whether it came into force."""
        return {"decisions": self._ask.story(COORDINATOR, limit)[1]}

    def risk(self, executor: str | None = None, *, limit: int = 50) -> Row:
        """Return limits, the state and its changes, stops, and what the gate refused."""
        owner = self.owner(executor)
        told, opening = self._live.said("status", owner), self._ask.opening(owner)
        kinds = ("state", "stop")
        changes = [
            {**moment(row["time_ns"]), "event": row["kind"], **row["body"]}
            for row in self._ask.events(owner, "judged", kinds, limit)
        ]
        refusals = [
            {
                **moment(row["time_ns"]),
                "side": row["side"],
                **amounts(row, "price", "quantity"),
                **{name: row[name] for name in ("limit", "figure", "bound")},
            }
            for row in self._ask.refusals(owner, limit)
        ]
        return {
            "executor": owner,
            "state": told.get("risk"),
            "stops": list(told.get("stops", ())),
            "capital": opening.get("capital"),
            "limits": opening.get("limits", {}),
            "sizing": told.get("sizing"),
            "used": gauges(told, self._live.said("pnl_report", owner), opening.get("limits", {})),
            "changes": changes,
            "refusals": refusals,
            **self._age("status", owner),
        }

    def refused_lately(self) -> int:
        """Return how many updates were refused in the last hour of the venue: by the coordinator,
        with or without an entry of its own in its log, and by an executor.
        """
        told = [self._live.said("status", each) for each in self._live.executors]
        now_ns = max((each.get("venue_time") or 0 for each in told), default=0)
        found = self._ask.events_since(COORDINATOR, DECISIONS, REFUSED, now_ns - HOUR_NS)
        return sum(_refusals(row["kind"], row["body"]) for row in found)


def _refusals(kind: str, body: Row) -> int:
    """Return how many refusals an entry of the log tells of."""
    if kind != "tally":
        return 1
    return sum(sum(codes.values()) for codes in body["refused"].values())
