"""A desk without a stack: a planted store, what was said planted too, behind its real doors."""

import asyncio
import json
import math
import random
import time
from collections import defaultdict
from contextlib import asynccontextmanager

import httpx
import uvicorn

from desk.api import application
from desk.doors import Doors, Tokens
from desk.hands import Hands
from desk.live import Live
from desk.memory import Memory
from desk.serving import Server
from desk.stream import Stream
from desk.view import View
from protocol.messages import JournalRow
from tests.desk.waiting import PATIENCE_S

EXECUTOR = "executor-1"
SEAT = "optimizer-1"
HOSTILE = '<img src=x onerror="window.hurt=1"><script>window.hurt=2</script>\\x1b[31m&lt;'
SECOND = 10**9
BEGAN = 1_790_000_000 * SECOND
CYCLE_S = 30
TOKENS = {"read": "r" * 43, "act": "a" * 43}
BASELINE = {
    "spread_percentage": 0.021, "levels": 3, "base_quantity": 1.5, "max_position": 9.0,
}  # fmt: skip
OPENING = {
    "symbol": "SYN-USDT", "base": "SYN", "quote": "USDT", "capital": 100000.0,
    "parameters": BASELINE,
    "limits": {
        "max_position_size": 0.01, "peak_drawdown_limit": 0.1, "daily_loss_limit": 0.05,
        "open_orders_max": 200.0, "stop_loss_threshold": 0.02,
    },
}  # fmt: skip
PARTS = ("spread", "fees", "inventory", "funding")


def text(value):
    """An amount as decimal text."""
    return f"{value:.8f}".rstrip("0").rstrip(".") or "0"


class Planted:
    """What a run left so far, and more when a test says so.

    Args:
        store: filled.
        seed: of the walk of the price and the luck of the fills.
    """

    def __init__(self, store, *, folder=None, seed=1):
        self.store, self.luck = store, random.Random(seed)
        self.live = Live((EXECUTOR,), (SEAT,))
        self.view = View(store, self.live, run="r", folder=folder)
        self.stream = Stream(self.view, (EXECUTOR,))
        self.live.on_news = self.stream.news
        self.port, self.server = 0, None
        self.now_s, self.mid = 0, 100.0
        self.sequence = dict.fromkeys(("intents", "reports", "cycles", "parameters", "log"), 0)
        self.orders = self.trades = self.trips = self.wins = 0
        self.position, self.peak = 0.0, 100000.0
        self.parts = dict.fromkeys(PARTS, 0.0)
        self.pair, self.params = [0, 0], dict(BASELINE)
        self.said = {}
        self.waiting = None
        self._take(EXECUTOR, "judged", 1, "opened", OPENING)

    @property
    def now_ns(self):
        """Venue time."""
        return BEGAN + self.now_s * SECOND

    @property
    def url(self):
        """Where it is served."""
        return f"http://127.0.0.1:{self.port}"

    def _take(self, owner, table, seq, kind, body):
        row = JournalRow(seq=seq, time_ns=self.now_ns, kind=kind, body=json.loads(json.dumps(body)))
        if self.waiting is not None:
            self.waiting[owner, table].append(row)
            return
        self.store.take("r", owner, table, [row])
        self.stream.rows(owner, table)

    def write(self, table, kind="step", *, owner=EXECUTOR, **body):
        """One more row of a journal."""
        self.sequence[table] += 1
        self._take(owner, table, self.sequence[table], kind, body)

    def order(self, side, quantity=1.5, level=0):
        """Send an order that the venue accepts; return it."""
        self.orders += 1
        half = self.params["spread_percentage"] / 200.0 * (1 + level)
        price = round(self.mid * (1 - half if side == "buy" else 1 + half), 2)
        sent = {"order_id": self.orders, "side": side, "price": text(price), "level": level,
                "quantity": text(quantity), "taker": False}  # fmt: skip
        self.write("intents", orders=[sent], cancels=[])
        accepted = {"outcome": "accepted", "order_id": self.orders, "exchange_time": self.now_ns}
        self.write("reports", fills=[], outcomes=[accepted])
        return sent

    def fill(self, order, mark=None):
        """Fill an order whole; return the fill."""
        self.trades += 1
        price, quantity = float(order["price"]), float(order["quantity"])
        sign, mark = (1 if order["side"] == "buy" else -1), self.mid if mark is None else mark
        fee = round(price * quantity * 0.00002, 8)
        told = {"order_id": order["order_id"], "trade_id": self.trades, "side": order["side"],
                "price": order["price"], "quantity": order["quantity"], "maker": True,
                "fee": text(fee), "mark": text(mark), "exchange_time": self.now_ns}  # fmt: skip
        self.position += sign * quantity
        self.parts["spread"] += sign * (mark - price) * quantity
        self.parts["fees"] -= fee
        self.write("reports", fills=[told], outcomes=[])
        return told

    def cancel(self, *orders):
        """End orders."""
        outcomes = [
            {"outcome": "cancelled", "order_id": each["order_id"], "exchange_time": self.now_ns}
            for each in orders
        ]
        self.write("reports", fills=[], outcomes=outcomes)

    def cycle(self, trips=()):
        """Decide: what all stands at."""
        equity = 100000.0 + sum(self.parts.values())
        self.peak = max(self.peak, equity)
        body = {name: text(value) for name, value in self.parts.items()}
        body |= {"opening": "100000", "equity": text(equity), "turnover": "0"}
        body |= {"peak": text(self.peak), "drawdown": text(self.peak - equity)}
        body |= {"net": text(equity - 100000.0), "position": text(self.position)}
        body |= {"mark": text(self.mid), "fills": self.trades, "round_trips": self.trips}
        self.write("cycles", "cycle", **body, wins=self.wins, observation=[], trips=list(trips))

    def say(self, **changes):
        """Say what the executor and the others say of themselves every second."""
        equity = 100000.0 + sum(self.parts.values())
        status = {"executor": EXECUTOR, "symbol": "SYN-USDT", "venue_time": self.now_ns,
                  "first_ns": BEGAN, "last_ns": BEGAN + 86_400 * SECOND, "paused": False,
                  "stops": [], "risk": "active", "risk_reason": 0, "parameters": self.params,
                  "pair": self.pair, "open_orders": 6,
                  "used": {"peak_drawdown_limit": round((self.peak - equity) / 10000.0, 6),
                           "daily_loss_limit": 0.0, "stop_loss_threshold": 0.64,
                           "open_orders_max": 0.03}}  # fmt: skip
        self.said = status | self.said | changes
        self.said["venue_time"] = self.now_ns
        self.live.take("status", EXECUTOR, self.said)
        pnl = {"venue_time": self.now_ns, "position": text(self.position), "mark": text(self.mid),
               "open_buy": "4.5", "open_sell": "4.5", "position_limit": "5000"}  # fmt: skip
        self.live.take("pnl_report", EXECUTOR, pnl)
        held = {"executor": EXECUTOR, "mode": "master-slave", "generation": 0, "stops": []}
        self.live.take("heartbeat", "coordinator", {"state": "up", "epoch": 1, "executors": [held]})
        self.live.take("heartbeat", EXECUTOR, {"state": "trading", "lag_ms": 0.4})
        self.live.take("heartbeat", SEAT, {"state": "waiting", "lag_ms": 1.2})
        seat = {"weight": 1, "wins": 3, "outcomes": 4, "faults": 0, "benched_until": None}
        seats = [{"name": EXECUTOR, **seat, "wins": 0, "outcomes": 0}, {"name": SEAT, **seat}]
        self.live.take("status", "coordinator", {"conduct": seats})
        self.live.take("status", SEAT, {"state": "waiting", "answered": 24, "name": SEAT})

    def propose(self, name, confidence, *, spread, approved, reason="", sqn=1.0, drawdown=0.01):
        """Tell a proposal, the votes on it, and what came of it."""
        params = self.params | {"spread_percentage": spread}
        metrics = {"sqn_score": sqn, "sharpe_ratio": 1.0, "max_drawdown": drawdown}
        update = {"data": {"optimized_params": params, "performance_metrics": metrics,
                           "confidence_score": confidence}}  # fmt: skip
        self.write("log", "answer", owner="coordinator", id=name, seat=SEAT, update=update)
        self.write("log", "round", owner="coordinator", sets=[name])
        vote = {"voter": EXECUTOR, "choice": "approve" if approved else "reject", "reason": reason}
        self.write("log", "vote", owner="coordinator", **vote)
        if not approved:
            told = {"id": name, "code": "E_NOT_CHOSEN", "detail": reason}
            self.write("log", "refused", owner="coordinator", **told)
            return
        self.pair, self.params = [1, self.pair[1] + 1], params
        told = {"pair": self.pair, "params": params, "basis": [name], "seat": SEAT,
                "mode": "master-slave", "generation": 0, "not_before": self.now_ns,
                "not_after": self.now_ns + 7200 * SECOND}  # fmt: skip
        self.write("log", "decision", owner="coordinator", **told)
        told = {"pair": self.pair, "params": params, "code": None, "detail": ""}
        self.write("parameters", "applied", **told)

    def live_on(self, cycles):
        """Let a market pass: quotes, some fills, hourly proposals; stored all at once."""
        self.waiting = defaultdict(list)
        for _ in range(cycles):
            self.now_s += CYCLE_S
            drift = self.luck.gauss(0.0, 0.02) + 0.01 * math.sin(self.now_s / 4000.0)
            self.parts["inventory"] += self.position * drift
            self.mid = round(self.mid + drift, 2)
            sent = [self.order(side) for side in ("buy", "sell")]
            for each in sent:
                if self.luck.random() < 0.15:
                    self.fill(each)
                else:
                    self.cancel(each)
            if self.now_s % 3600 == 0:
                confidence = round(self.luck.uniform(0.4, 0.95), 2)
                self.propose(f"p{self.now_s}", confidence, approved=confidence > 0.6,
                             spread=round(self.luck.uniform(0.015, 0.03), 4),
                             reason="" if confidence > 0.6 else "confidence is below 0.6",
                             sqn=self.luck.uniform(0.5, 3.0),
                             drawdown=self.luck.uniform(0.001, 0.02))  # fmt: skip
            self.cycle()
        stored, self.waiting = self.waiting, None
        for (owner, table), rows in stored.items():
            self.store.take("r", owner, table, rows)
        self.say()

    @asynccontextmanager
    async def open(self, port=0):
        """Serve it, until the block ends."""
        hands = Hands(
            None, self.live, Memory(self.store, "r"), folder=None, clock=time.time_ns, answer_s=1.0
        )
        tokens = Tokens(TOKENS)
        app = Doors(
            application(self.view, hands, self.stream, tokens),
            tokens=tokens,
            hosts=(),
            steady=time.monotonic_ns,
        )
        self.server = Server(
            uvicorn.Config(app, port=port, log_config=None, lifespan="off", ws="websockets-sansio",
                           timeout_graceful_shutdown=1)
        )  # fmt: skip
        works = [asyncio.create_task(each) for each in (self.server.serve(), self.stream.pump())]
        async with asyncio.timeout(PATIENCE_S):
            while not self.server.started:  # noqa: ASYNC110 - uvicorn has no event for it
                await asyncio.sleep(0.01)
        self.port = self.server.servers[0].sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            self.server.should_exit = True
            await works[0]
            works[1].cancel()

    def client(self):
        """Who asks it."""
        headers = {"authorization": f"Bearer {TOKENS['read']}"}
        return httpx.AsyncClient(base_url=f"{self.url}/api/v1/", headers=headers, timeout=30.0)
