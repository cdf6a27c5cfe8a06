"""The exchange of the table of faults: a process that can be broken in every way, and mended."""

import asyncio
import contextlib
import tempfile
from pathlib import Path

import aiohttp

from tests.agents.executor.market import session_for
from tests.exchange.binance.fault_table import units
from tests.exchange.binance.stage import staged
from tests.exchange.simulated.client import Client
from tests.exchange.simulated.market import write

SPEED = 20.0
FEED_S = 30_000
PARAMETERS = {"spread_percentage": 0.1, "levels": 1, "base_quantity": 0.12, "max_position": 10.0}
ACCOUNTS = """
[[account]]
name = "maker"
key = "test"
secret = "test"
balances = { USDT = "200000", PLAY = "2000" }
"""
CUTS = {
    "market cut": {"kind": "market"},
    "user cut": {"kind": "user"},
    "all cut": {"kind": "all", "code": 1006},
    "farewell": {"kind": "all", "announce": True},
}
SYMBOLS = {
    "break": {"status": "BREAK"},
    "cancel only": {"status": "CANCEL_ONLY"},
    "tick changed": {"tick": "0.05"},
}


class Theatre:
    """One exchange over a market that a child could foretell.

    Args:
        folder: for the feed and the exchange's state.
    """

    def __init__(self, folder):
        self.folder = Path(folder)
        self.speed = SPEED
        self.session = None
        self.stage = None
        self._feed = write(self.folder, seconds=FEED_S)
        self._accounts = self.folder / "accounts.toml"
        self._accounts.write_text(ACCOUNTS)
        self._life = contextlib.ExitStack()
        self._cells = 0

    def open(self):
        """Start the exchange."""
        self.session = session_for(self._feed, parameters=PARAMETERS, executor={"warmup_s": 300})
        self._start()

    def close(self):
        """End the exchange."""
        self._life.close()

    def _start(self, port=0, control=0):
        told = ("--speed", str(SPEED), "--accounts", str(self._accounts))
        state = ("--state", str(self.folder / "state"))
        place = {"port": port, "control": control}
        self.stage = self._life.enter_context(staged(self._feed, *told, *state, **place))

    def token(self):
        """Return the next executor's token."""
        self._cells += 1
        return f"t{self._cells}"

    async def begin(self):
        """Make the account ready for a cell; return what it holds beyond the trader's opening."""
        async with Client(self.stage) as client:
            await client.place("BUY", "0.50", "85.00", "foreign")
            _, account = await client.ask("GET", "account")
        held = {row["asset"]: units(row["free"]) + units(row["locked"])
                for row in account["balances"]}  # fmt: skip
        quote, base = (int(each) for each in self.session.setup.opening[:2])
        return held["USDT"] - quote, held["PLAY"] - base

    async def ask(self, path, **told):
        """Ask the control port."""
        await self.stage.ask(path, **told)

    async def strike(self, fault, trader):
        """Break something that is not a single request."""
        if fault in CUTS:
            await self.ask("/disconnect", **CUTS[fault])
        elif fault in SYMBOLS:
            await self.ask("/symbol", **SYMBOLS[fault])
            await asyncio.sleep(0.3)
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
def theatre():
    """Run an exchange until the end of the block."""
    with tempfile.TemporaryDirectory() as folder:
        made = Theatre(folder)
        made.open()
        try:
            yield made
        finally:
            made.close()
