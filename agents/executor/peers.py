"""What an executor knows of the others on its capital, and the cap that follows for it.

Part of the pure step: reports come in as rows of `heard`, the cap goes into the risk row that the
gate's kernel asks. On the wall clock a report that is too old counts as limits fully used. In
lockstep no age decides: before each decision all have told how they stand, one guard step earlier,
and only whoever is lost for good counts so.
"""

from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from agents.settings import Settings
from agents.venue_settings import VenuePace
from market.account import Account, Setup
from market.breach import LIMIT_CAPITAL, LIMIT_POSITION, RISK_PORTFOLIO_LOTS
from market.layout import BUY, LEDGER_MARK, SCALE_LOT, SCALE_TICK_LOT, SELL, UNITS
from market.ledger import position_lots
from market.own import open_lots
from market.quotes import LOTS_HUGE
from protocol.messages import PnlReport
from risk.portfolio import Exposure, Moves, PortfolioLimits, Room, moves_of, room


@dataclass(frozen=True, slots=True)
class Told:
    """How one executor stands; prices and worth in quote asset, quantities in base asset."""

    time_ns: int
    mark: float
    position: float
    open_buy: float
    open_sell: float
    limit: float
    capital: float

    @classmethod
    def of(cls, word: PnlReport) -> Self:
        """Read a report."""
        return cls(
            word.venue_time,
            *map(float, (word.mark, word.position, word.open_buy, word.open_sell)),
            *map(float, (word.position_limit, word.capital)),
        )

    def row(self) -> list[int | float]:
        """Return it as plain values, in the order of the fields."""
        return [
            self.time_ns, self.mark, self.position, self.open_buy, self.open_sell, self.limit,
            self.capital,
        ]  # fmt: skip

    def exposure(self) -> Exposure:
        """Return where it may stand with every open order of a side filled."""
        long = max(0.0, self.position + self.open_buy) * self.mark
        short = max(0.0, self.open_sell - self.position) * self.mark
        return Exposure(long, short, self.limit, self.capital)


@dataclass(slots=True)
class Peers:
    """The others on the same capital.

    Attributes:
        names: of them, in the order of the configuration.
        limits: of all together.
        cycle_ns, interval_ns: between decisions, and between guard steps.
        window: rows of prices that are kept.
        lockstep: whether all tell how they stand before each decision.
        told: the newest report of each.
        lost: whoever is not waited for any more, in lockstep.
        silent: who counts as limits fully used, as it was last reckoned.
        prices: marks at past decisions, own first, then the others in order.
        said: own reports of the last two edges, oldest first; said again until all have them.
        room: what was reckoned last; None before that.
    """

    names: tuple[str, ...]
    limits: PortfolioLimits
    cycle_ns: int
    interval_ns: int
    window: int
    lockstep: bool
    told: dict[str, Told] = field(default_factory=dict)
    lost: dict[str, None] = field(default_factory=dict)
    silent: tuple[str, ...] = ()
    prices: list[tuple[float, ...]] = field(default_factory=list)
    said: list[dict[str, Any]] = field(default_factory=list)
    room: Room | None = None

    def at_edge(self, now_ns: int) -> bool:
        """Whether the next guard step is one of a decision."""
        return (now_ns + self.interval_ns) % self.cycle_ns == 0

    def waits(self, now_ns: int) -> bool:
        """Whether the next step needs a report that has not come."""
        return self.lockstep and self.at_edge(now_ns) and bool(self.missing(now_ns))

    def missing(self, now_ns: int) -> tuple[str, ...]:
        """Return whose report of this edge has not come and is waited for."""
        return tuple(
            name
            for name in self.names
            if name not in self.lost
            and (name not in self.told or self.told[name].time_ns != now_ns)
        )

    def fold(self, name: str, row: list[int | float] | None) -> None:
        """Take in a report; None: its executor is lost. A stranger's changes nothing."""
        if name not in self.names:
            return
        if row is None:
            self.lost[name] = None
            return
        time_ns, *figures = row
        self.told[name] = Told(int(time_ns), *figures)
        self.lost.pop(name, None)

    def _is_silent(self, name: str, now_ns: int) -> bool:
        told = self.told.get(name)
        if told is None or name in self.lost:
            return True
        return not self.lockstep and now_ns - told.time_ns > self.limits.age_ns

    def note_silence(self, now_ns: int) -> bool:
        """Note who is silent now; return whether that changed."""
        silent = tuple(name for name in self.names if self._is_silent(name, now_ns))
        changed = silent != self.silent
        self.silent = silent
        return changed

    def note_prices(self, own: Told) -> None:
        """Keep the marks of a decision at which all are heard."""
        row = (own.mark, *(self.told[name].mark for name in self.names))
        if min(row) > 0.0:
            self.prices.append(row)
            del self.prices[: -self.window - 1]

    def moves(self) -> Moves:
        """Return how the symbols moved together, over the rows that are kept."""
        held = np.array(self.prices, dtype=np.float64).reshape(-1, 1 + len(self.names))
        return moves_of(held, self.cycle_ns / 1e9)

    def others(self, own: Told) -> list[Exposure]:
        """Return where the others stand; one that was never heard has our own limits."""
        found = []
        for name in self.names:
            told = self.told.get(name)
            if told is None:
                exposure = Exposure(0.0, 0.0, own.limit, own.capital)
            else:
                exposure = told.exposure()
            found.append(exposure.used_up() if name in self.silent else exposure)
        return found


def new_peers(settings: Settings, *, lockstep: bool) -> Peers | None:
    """Return what is known of the others at first; None when there are none.

    An exchange whose feed waits for us waits for the others as well.
    """
    if not settings.peers:
        return None
    lockstep |= not settings.venue.recorded and settings.venue.pace is VenuePace.LOCKSTEP
    return Peers(
        names=tuple(settings.peers),
        limits=settings.portfolio.limits(float(settings.risk.value_at_risk_s)),
        cycle_ns=settings.executor.cycle_ns,
        interval_ns=settings.executor.guard_interval_ns,
        window=settings.portfolio.window_cycles,
        lockstep=lockstep,
    )


def own_told(account: Account, setup: Setup, now_ns: int) -> Told:
    """Return how we stand."""
    scale, limits = setup.scale, setup.limits
    lot = int(scale[SCALE_LOT]) / UNITS
    half = int(account.ledger[LEDGER_MARK])
    capital = float(limits[LIMIT_CAPITAL]) / UNITS
    return Told(
        now_ns,
        0.5 * half * float(scale[SCALE_TICK_LOT]) / UNITS / lot,
        lot * int(position_lots(account.ledger, scale)),
        lot * int(open_lots(account.own, account.own_meter, BUY)),
        lot * int(open_lots(account.own, account.own_meter, SELL)),
        capital * float(limits[LIMIT_POSITION]),
        capital,
    )


def reckon(peers: Peers, account: Account, setup: Setup, now_ns: int) -> bool:
    """Write the cap that the others leave into the risk row, before a step is thought about.

    At decisions, and whenever somebody falls silent or is heard again.

    Returns:
        Whether somebody did.
    """
    shifted = peers.note_silence(now_ns)
    cycle = now_ns % peers.cycle_ns == 0
    own = own_told(account, setup, now_ns) if cycle or shifted else None
    if own is None:
        return shifted
    if own.mark <= 0.0:  # before our first mark: what a lot is worth is not known
        account.risk[RISK_PORTFOLIO_LOTS] = 0
        return shifted
    if cycle and not peers.silent:
        peers.note_prices(own)
    peers.room = room(own.exposure(), peers.others(own), peers.moves(), peers.limits)
    lot_worth = own.mark * int(setup.scale[SCALE_LOT]) / UNITS
    cap = min(float(LOTS_HUGE), peers.room.either / lot_worth)
    account.risk[RISK_PORTFOLIO_LOTS] = int(cap)
    return shifted


def freeze_peers(peers: Peers) -> dict[str, Any]:
    """Return everything that must survive as plain values."""
    return {
        "told": {name: told.row() for name, told in peers.told.items()},
        "lost": list(peers.lost),
        "silent": list(peers.silent),
        "prices": np.array(peers.prices, dtype=np.float64).tobytes(),
        "said": list(peers.said),
    }


def thaw_peers(peers: Peers, frozen: dict[str, Any]) -> None:
    """Put back what `freeze_peers` was given."""
    for name, row in frozen["told"].items():
        peers.fold(name, row)
    peers.lost = dict.fromkeys(frozen["lost"])
    peers.silent = tuple(frozen["silent"])
    held = np.frombuffer(frozen["prices"], dtype=np.float64).reshape(-1, 1 + len(peers.names))
    peers.prices = [tuple(row) for row in held.tolist()]
    peers.said = list(frozen["said"])
