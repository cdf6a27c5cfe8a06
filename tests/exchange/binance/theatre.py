"""The exchange of the table of faults: a process that can be broken in every way, and mended."""

import asyncio
import contextlib
import tempfile
from pathlib import Path

import aiohttp

from tests.agents.executor.market import session_for
from tests.exchange.binance.ground import GROUNDS
from tests.exchange.binance.stage import staged
from tests.exchange.binance.trader import Trader

SPEED = 20.0
FEED_S = 90_000
PARAMETERS = {"spread_percentage": 0.1, "levels": 1, "base_quantity": 0.12, "max_position": 10.0}
ACCOUNTS = """
[[account]]
name = "maker"
key = "test"
secret = "test"
balances = {balances}
"""
CUTS = {
    "market cut": {"kind": "market"},
    "user cut": {"kind": "user"},
    "all cut": {"kind": "all", "code": 1006},
    "farewell": {"kind": "all", "announce": True},
}


class Theatre:
    """One exchange over a market that a child could foretell.

    Args:
        folder: for the feed and the exchange's state.
        ground: which exchange it is, and how it is asked.
    """

    def __init__(self, folder, ground):
        self.folder, self.ground = Path(folder), ground
        self.speed = SPEED
        self.session = None
        self.stage = None
        self._feed = ground.feed(self.folder, FEED_S)
        self._accounts = self.folder / "accounts.toml"
        self._accounts.write_text(ACCOUNTS.replace("{balances}", ground.balances))
        self._life = contextlib.ExitStack()
        self._traders = 0
        self._symbols = {
            "break": {"status": ground.halt},
            "cancel only": {"status": "CANCEL_ONLY"},
            "tick changed": {"tick": "0.05"},
        }

    def open(self):
        """Start the exchange."""
        self.session = session_for(self._feed, parameters=PARAMETERS, executor={"warmup_s": 300})
        self._start()

    def close(self):
        """End the exchange."""
        self._life.close()

    def _start(self, port=0, control=0):
        told = (*self.ground.arguments, "--speed", str(SPEED), "--accounts", str(self._accounts))
        state = ("--state", str(self.folder / "state"))
        place = {"port": port, "control": control}
        self.stage = self._life.enter_context(staged(self._feed, *told, *state, **place))

    def token(self):
        """Return the next executor's token."""
        self._traders += 1
        return f"t{self._traders}"

    async def trader(self):
        """Return a trader that has not begun to live; the account is ready for it."""
        made = Trader(self.stage, self.session, self.token(), self.speed, self.ground)
        async with self.ground.client(self.stage) as client:
            held, made.since_ns = await self.ground.begin(client)
        quote, base = (int(each) for each in self.session.setup.opening[:2])
        made.others = held[0] - quote, held[1] - base
        return made

    async def ask(self, path, **told):
        """Ask the control port."""
        await self.stage.ask(path, **told)

    async def strike(self, fault, trader):
        """Break something that is not a single request."""
        if fault in CUTS:
            await self.ask("/disconnect", **CUTS[fault])
        elif fault in self._symbols:
            await self.ask("/symbol", **self._symbols[fault])
            await asyncio.sleep(0.3)
        elif fault == "user ended":
            await self.ask("/expire")
        elif fault == "diff lost":
            await self.ask("/withhold", diffs=1)
        elif fault == "clock off":
            await self.ask("/clock", offset_ms=-7_000)
        elif fault == "killed":
            await trader.kill()
            await trader.open()
        else:
            assert fault == "exchange killed", fault
            await asyncio.to_thread(self._restart)

    async def mend(self):
        """Take every fault away; a clock stays wrong."""
        async with aiohttp.ClientSession() as session:
            await session.delete(f"{self.stage.control}/faults")
        await self.ask("/symbol", status="TRADING", tick="0.01")

    def _restart(self):
        ports = [int(url.rpartition(":")[2]) for url in (self.stage.url, self.stage.control)]
        self.stage.process.kill()
        self.stage.process.wait()
        self._life.close()
        self._start(*ports)


@contextlib.contextmanager
def theatre(ground="spot"):
    """Run an exchange until the end of the block."""
    with tempfile.TemporaryDirectory() as folder:
        made = Theatre(folder, GROUNDS[ground])
        made.open()
        try:
            yield made
        finally:
            made.close()
