"""Runs parameter sets over a tape and says what each one's figures are.

A row of figures does not depend on which other sets are tried, on batches or on threads.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from agents.session import Session, parameter_row
from market.replay import replay
from market.replay_step import (
    REPLAY_COLUMNS,
    REPLAY_DRAWDOWN,
    REPLAY_EXPOSURE,
    REPLAY_FEES,
    REPLAY_FILLS,
    REPLAY_NET,
    REPLAY_ORDERS,
    REPLAY_QUOTED,
    REPLAY_QUOTED_WORTH,
    REPLAY_SPREAD,
    REPLAY_TRIPS,
    REPLAY_TURNOVER,
    REPLAY_WINS,
)
from market.tape import Tape
from market.types import F8, I8
from protocol.messages import QuoteParameters

BATCH = 8
"""Sets a thread has to run between two looks at the clock and at Ctrl-C."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of a row: f8[n, REPLAY_COLUMNS] -> f8[n], and which end of it is the better."""

    read: Callable[[F8], F8]
    money: bool = False
    lowest_first: bool = False
    description: str = ""


def _column(index: int) -> Callable[[F8], F8]:
    def read(rows: F8) -> F8:
        column: F8 = rows[:, index]
        return column

    return read


def _share(above: Callable[[F8], F8], below: Callable[[F8], F8]) -> Callable[[F8], F8]:
    def read(rows: F8) -> F8:
        divisor = below(rows)
        known = divisor > 0.0
        share: F8 = np.where(known, above(rows) / np.where(known, divisor, 1.0), np.nan)
        return share

    return read


_NET, _TURNOVER = _column(REPLAY_NET), _column(REPLAY_TURNOVER)
FIGURES = {
    "net": Figure(_NET, money=True, description="profit against holding the target"),
    "spread": Figure(_column(REPLAY_SPREAD), money=True, description="earned against mid"),
    "fees": Figure(_column(REPLAY_FEES), money=True, description="negative when paid"),
    "moves_of_mid": Figure(
        lambda rows: rows[:, REPLAY_NET] - rows[:, REPLAY_SPREAD] - rows[:, REPLAY_FEES],
        money=True,
        description="from moves of mid, the target's own left out, and funding",
    ),
    "fills": Figure(_column(REPLAY_FILLS), description="fills"),
    "round_trips": Figure(_column(REPLAY_TRIPS), description="FIFO matches"),
    "hit_rate": Figure(
        _share(_column(REPLAY_WINS), _column(REPLAY_TRIPS)), description="share of them that won"
    ),
    "drawdown": Figure(
        _column(REPLAY_DRAWDOWN),
        money=True,
        lowest_first=True,
        description="deepest fall of net below its peak",
    ),
    "turnover": Figure(_TURNOVER, money=True, description="traded"),
    "net_bps": Figure(
        _share(lambda rows: 1e4 * rows[:, REPLAY_NET], _TURNOVER),
        description="net per turnover, basis points",
    ),
    "net_over_drawdown": Figure(
        _share(_NET, _column(REPLAY_DRAWDOWN)), description="net per drawdown"
    ),
    "two_sided": Figure(_column(REPLAY_QUOTED), description="share of steps quoted on both sides"),
    "resting": Figure(
        _column(REPLAY_QUOTED_WORTH), money=True, description="mean worth of what rested"
    ),
    "exposure": Figure(
        lambda rows: np.sqrt(rows[:, REPLAY_EXPOSURE]),
        money=True,
        lowest_first=True,
        description="root mean square worth of the position",
    ),
    "orders": Figure(_column(REPLAY_ORDERS), description="orders and cancels sent or refused"),
}
"""Every figure by the name that `--sort` and JSON know it by, in the order of the table."""


@dataclass(frozen=True, slots=True)
class Span:
    """The steps [first, last) of a tape that are traded."""

    tape: Tape
    first: int
    last: int


def span_of(session: Session, tape: Tape) -> Span:
    """Return the traded steps of a session."""
    return Span(tape, tape.step_at(session.first_ns), tape.step_at(session.last_ns + 1))


class Sweep:
    """Sets and their figures so far; `run` may be interrupted and leaves whole batches.

    Attributes:
        figures: f8[n, REPLAY_COLUMNS]; rows from `done` on are not known.
    """

    def __init__(self, span: Span, session: Session, sets: Sequence[QuoteParameters]) -> None:
        self.span, self.session, self.sets = span, session, sets
        self.figures = np.zeros((len(sets), REPLAY_COLUMNS))
        self.done = 0

    def run(self, *, threads: int, on_batch: Callable[[int, int], None]) -> None:
        """Run what is left, batch by batch; `on_batch` is told how many are done, and of how many.

        Raises:
            KeyboardInterrupt: as it comes; what was done stays.
        """
        while self.done < len(self.sets):
            until = min(len(self.sets), self.done + BATCH * max(1, threads))
            rows = sliced(self.span, self.session, self.sets[self.done : until], threads=threads)
            self.figures[self.done : until] = rows[:, 0]
            self.done = until
            on_batch(self.done, len(self.sets))

    def ranked(self, name: str) -> I8:
        """Return the rows that are known, best first; equal ones in the order they were tried."""
        figure = FIGURES[name]
        values = figure.read(self.figures[: self.done])
        keys = values if figure.lowest_first else -values
        order: I8 = np.argsort(np.where(np.isnan(keys), np.inf, keys), kind="stable")
        return order


def sliced(
    span: Span, session: Session, sets: Sequence[QuoteParameters], *, threads: int, slices: int = 1
) -> F8:
    """Return f8[n, slices, REPLAY_COLUMNS] of sets over the traded steps."""
    return replay(
        span.tape,
        np.array([parameter_row(each) for each in sets]),
        session.setup,
        first_step=span.first,
        last_step=span.last,
        slices=slices,
        threads=threads,
    )
