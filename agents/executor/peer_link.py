"""Tells the others on the same capital how we stand, and hears them, over their buses.

Each executor has a bus of its own; here it takes part in the others' too, and only listens there.
Telemetry may be lost, so what is waited for is said again until everybody went on.
"""

import asyncio
import os
import time
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

import structlog

from agents.bus import participant_of
from agents.executor.events import PeerHeard
from agents.executor.peers import Peers, Told
from agents.executor.shell import LOOK_S, Shell
from agents.executor.state import State
from agents.executor.telling import pnl_word
from agents.settings import Settings
from market.breach import RISK_PORTFOLIO_LOTS
from protocol.bus.participant import Participant, Received
from protocol.messages import PnlReport

REPORT_NS = 2 * 10**9
"""Feed time between two reports on the wall clock: several fit into the age that is allowed."""
KEPT_MAX = 16
"""Reports of one executor that are kept until their edge comes."""
LOST_S = 60.0
"""Wall seconds of silence after which an edge goes on without somebody: dead, and not restarted."""
LINGER_S = 10.0
"""Longest wait, at the end of the feed, for the others to have heard the last report."""

log = structlog.get_logger()


class PeerLink:
    """One executor among others on its capital.

    Args:
        shell: takes the events.
        peers: of its state, which it goes on to change.
        own: our part in our own bus.
    """

    def __init__(self, shell: Shell, peers: Peers, own: Participant) -> None:
        self._shell = shell
        self._own = own
        self._lockstep = peers.lockstep
        began_s = time.monotonic()
        self._heard: dict[str, OrderedDict[int, Told]] = {
            each: OrderedDict() for each in peers.names
        }
        self._heard_s = dict.fromkeys(peers.names, began_s)
        self._offered_ns = 0
        self._said_ns = 0
        self._said_s = 0.0
        self._silent = peers.silent if peers.told else peers.names

    def listen(self, me: Participant, name: str) -> None:
        """Hear one of the others on its bus; before the participant is entered."""
        me.listen("pnl_report", name, partial(self._hear, name))

    def look(self, state: State) -> None:
        """Say what is due, offer what has come, and tell the log who is silent."""
        assert state.peers is not None, "a link without others"
        if self._lockstep:
            self._offer(state, state.peers)
            self._say_again(state.peers)
        elif state.now_ns - self._said_ns >= REPORT_NS:
            self._said_ns = state.now_ns
            self._own.tell(pnl_word(state))
        self._tell_log(state, state.peers)

    def holds(self, state: State) -> bool:
        """Whether feed time waits for the others."""
        return state.peers is not None and state.peers.waits(state.now_ns)

    async def linger(self) -> None:
        """Wait at the end until the others are past our last report, a while at most."""
        peers = self._shell.state.peers
        if peers is None or not self._lockstep:
            return
        try:
            async with asyncio.timeout(LINGER_S):
                while not self._are_past(peers):
                    self._say_again(peers)
                    self._own.tell(pnl_word(self._shell.state))
                    await asyncio.sleep(LOOK_S / 2)
        except TimeoutError:
            log.info("others_behind", names=list(peers.names))
        self._own.tell(pnl_word(self._shell.state))
        await asyncio.sleep(LOOK_S)  # until it is sent

    def _are_past(self, peers: Peers) -> bool:
        """Whether nobody can wait any more for a report of ours; our last step needs none."""
        last_ns = self._shell.state.now_ns
        edges = [each["venue_time"] for each in peers.said if each["venue_time"] < last_ns]
        edge_ns = max(edges, default=0)
        heard = (next(reversed(each), 0) for each in self._heard.values())
        return all(newest > edge_ns for newest in heard)

    def _hear(self, name: str, received: Received) -> None:
        if not isinstance(received.word, PnlReport):
            return
        told = Told.of(received.word)
        held = self._heard[name]
        self._heard_s[name] = time.monotonic()
        newest = next(reversed(held), 0)
        if told.time_ns in held:
            return
        held[told.time_ns] = told
        while len(held) > KEPT_MAX:
            held.popitem(last=False)
        state = self._shell.state
        if self._lockstep:
            assert state.peers is not None, "a link without others"
            self._offer(state, state.peers)
        elif told.time_ns > newest:
            self._shell.put(PeerHeard(name, tuple(told.row())))
            self._shell.keep_up(told.time_ns)

    def _offer(self, state: State, peers: Peers) -> None:
        """Put the reports of an edge into the shell at once when all are there, in one order."""
        now_ns = state.now_ns
        if self._offered_ns == now_ns or not peers.waits(now_ns):
            return
        late_s = time.monotonic() - LOST_S
        found = {name: self._heard[name].get(now_ns) for name in peers.names}
        if any(
            found[name] is None and self._heard_s[name] > late_s for name in peers.missing(now_ns)
        ):
            return
        self._offered_ns = now_ns
        for name, told in found.items():
            if told is not None or name not in peers.lost:
                self._shell.put(PeerHeard(name, None if told is None else tuple(told.row())))

    def _say_again(self, peers: Peers) -> None:
        if not peers.said:
            return
        newest, now_s = peers.said[-1]["venue_time"], time.monotonic()
        if newest == self._said_ns and now_s - self._said_s < LOOK_S:
            return
        self._said_ns, self._said_s = newest, now_s
        for document in peers.said:
            self._own.tell(PnlReport.model_validate(document))

    def _tell_log(self, state: State, peers: Peers) -> None:
        if peers.silent == self._silent:
            return
        cap = int(state.account.risk[RISK_PORTFOLIO_LOTS])
        for name in peers.names:
            if (name in peers.silent) != (name in self._silent):
                say = log.warning if name in peers.silent else log.info
                what = "limits_count_as_used" if name in peers.silent else "report_heard_again"
                say(what, executor=name, venue_time=state.now_ns, portfolio_lots=cap)
        self._silent = peers.silent


@asynccontextmanager
async def beside(
    settings: Settings, shell: Shell, own: Participant
) -> AsyncIterator[PeerLink | None]:
    """Take part in the others' buses and give the shell its link; None without others.

    Raises:
        RosterError, BusError: an address or a key cannot be used.
    """
    peers = shell.state.peers
    if peers is None:
        yield None
        return
    link = PeerLink(shell, peers, own)
    async with AsyncExitStack() as stack:
        for name, folder in settings.peers.items():
            bus = settings.bus.model_copy(update={"folder": folder, "port": None, "connect": None})
            there = settings.model_copy(update={"bus": bus})
            me = participant_of(there, settings.account.executor, os.environ)
            link.listen(me, name)
            await stack.enter_async_context(me)
        shell.beside = link
        yield link
