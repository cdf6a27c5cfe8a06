"""hftbacktest's exchange in compatibility mode: candidates of its grid over a tape.

For comparisons only: it fills whole orders, lets one trade fill many of them, and forgets what it
filled. What we believe of fills is `fills.py` and `tape_fills.py`. Candidates are the four tuned
parameters plus fixed dials, and a decision falls at every guard step.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from market.compat_book import MODEL_COLUMNS, MODEL_LOTS, MODEL_POWER, QUEUE_COLUMNS, new_edges
from market.compat_events import (
    CLOCK_COLUMNS,
    FILL_COLUMNS,
    REST_COLUMNS,
    REST_MAX,
    TIME_COLUMNS,
    TIME_ENTRY_NS,
    TIME_FIRST_NS,
    TIME_INTERVAL_NS,
    TIME_RESPONSE_NS,
    walk,
)
from market.compat_grid import (
    DIAL_COLUMNS,
    DIAL_INTERVAL,
    DIAL_LEVELS,
    DIAL_LOTS,
    DIAL_MAX_LOTS,
    DIAL_SKEW,
    DIAL_SPREAD,
    WINDOW_COLUMNS,
)
from market.compat_money import COST_COLUMNS, COST_LOTS, COST_MAKER, COST_TICK, RESULT_COLUMNS
from market.compat_orders import new_walker
from market.compat_road import Road, road_of
from market.compat_walk import Candidate, walk_batch, walk_road
from market.latency import ConstantLatency
from market.layout import (
    LEVELS_MAX,
    PARAMETER_BASE_QUANTITY,
    PARAMETER_LEVELS,
    PARAMETER_MAX_POSITION,
    PARAMETER_SPREAD,
    STEP_NOW_NS,
)
from market.tape import Tape
from market.types import F8, I8

POWER = 3.0  # of the power-probability queue


@dataclass(frozen=True, slots=True)
class Terms:
    """What a comparison fixes for all candidates.

    Fees are shares of the notional, `lots_a_unit` is 10^k: one over the lot.
    """

    tick: float
    lots_a_unit: int
    maker_fee: float
    power: float  # exponent of the power-probability queue; 0: risk-averse
    entry_ns: int = 5_000_000
    response_ns: int = 5_000_000

    @property
    def latency(self) -> ConstantLatency:
        """Return the latency that a tape for these terms is made with."""
        return ConstantLatency(
            order_ns=self.entry_ns, cancel_ns=self.entry_ns, response_ns=self.response_ns
        )

    def model(self) -> F8:
        """Return f8[MODEL_COLUMNS]."""
        model = np.zeros(MODEL_COLUMNS)
        model[MODEL_POWER] = self.power
        model[MODEL_LOTS] = self.lots_a_unit
        return model

    def costs(self) -> F8:
        """Return f8[COST_COLUMNS]."""
        costs = np.zeros(COST_COLUMNS)
        costs[COST_TICK] = self.tick
        costs[COST_LOTS] = self.lots_a_unit
        costs[COST_MAKER] = self.maker_fee
        return costs


def dials_of(parameters: F8, *, lots_a_unit: int, interval_ticks: int, skew: float) -> F8:
    """Return f8[n, DIAL_COLUMNS] of tuned parameters f8[n, PARAMETER_COLUMNS].

    Raises:
        ValueError: more levels than LEVELS_MAX, or less than one lot, level or tick.
    """
    dials = np.zeros((parameters.shape[0], DIAL_COLUMNS))
    dials[:, DIAL_SPREAD] = parameters[:, PARAMETER_SPREAD]
    dials[:, DIAL_LEVELS] = np.rint(parameters[:, PARAMETER_LEVELS])
    dials[:, DIAL_LOTS] = np.rint(parameters[:, PARAMETER_BASE_QUANTITY] * lots_a_unit)
    dials[:, DIAL_MAX_LOTS] = np.rint(parameters[:, PARAMETER_MAX_POSITION] * lots_a_unit)
    dials[:, DIAL_INTERVAL] = interval_ticks
    dials[:, DIAL_SKEW] = skew
    least = dials[:, [DIAL_LEVELS, DIAL_LOTS, DIAL_MAX_LOTS, DIAL_INTERVAL]].min(initial=1.0)
    most = dials[:, DIAL_LEVELS].max(initial=1.0)
    if not (least >= 1.0 and most <= LEVELS_MAX):
        raise ValueError(
            f"levels must be in [1, {LEVELS_MAX}], lots and ticks at least 1, "
            f"found a least of {least:g} and {most:g} levels"
        )
    return dials


def demand_settled(terms: Terms, interval_ns: int) -> None:
    """Refuse an interval in which an order's answer does not come back.

    Raises:
        ValueError: entry and response together last as long as an interval or longer.
    """
    if terms.entry_ns + terms.response_ns >= interval_ns:
        raise ValueError(
            f"entry and response must be shorter than the interval, found {terms.entry_ns} + "
            f"{terms.response_ns} ns in {interval_ns} ns"
        )


def compat_road(tape: Tape, terms: Terms, *, events: I8 | None = None) -> Road:
    """Return what the peer's exchange shows on a tape made with `terms.latency`.

    `events`, when the recording's book crosses: the peer's book goes its own way then.

    Raises:
        ValueError: the interval is too short.
    """
    demand_settled(terms, tape.interval_ns)
    return road_of(tape, response_ns=terms.response_ns, events=events)


def compat_one(road: Road, dials: F8, terms: Terms) -> F8:
    """Return f8[steps, RESULT_COLUMNS] of one candidate f8[DIAL_COLUMNS], a row a step."""
    rows = np.zeros((road.road.shape[0], RESULT_COLUMNS))
    walk_road(road, new_walker(), Candidate(dials, terms.model(), terms.costs()), rows)
    return rows


def compat(road: Road, dials: F8, terms: Terms, *, threads: int = 1) -> F8:
    """Return f8[n, RESULT_COLUMNS] of candidates f8[n, DIAL_COLUMNS].

    The result does not depend on the number of threads.
    """
    results = np.zeros((dials.shape[0], RESULT_COLUMNS))
    model, costs = terms.model(), terms.costs()

    def work(first: int) -> None:
        mine = Candidate(np.ascontiguousarray(dials[first::threads]), model, costs)
        part = np.zeros((mine.dials.shape[0], RESULT_COLUMNS))
        walk_batch(road, new_walker(), mine, part)
        results[first::threads] = part

    if threads == 1:
        work(0)
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(work, range(threads)))
    return results


def compat_events(events: I8, tape: Tape, dials: F8, terms: Terms) -> F8:
    """Return the rows of `compat_one`, got the slow way: event by event."""
    demand_settled(terms, tape.interval_ns)
    times = np.zeros(TIME_COLUMNS, np.int64)
    times[TIME_FIRST_NS] = tape.steps[0, STEP_NOW_NS]
    times[TIME_INTERVAL_NS] = tape.interval_ns
    times[TIME_ENTRY_NS] = terms.entry_ns
    times[TIME_RESPONSE_NS] = terms.response_ns
    model, costs = terms.model(), terms.costs()
    rows = np.zeros((tape.steps.shape[0], RESULT_COLUMNS))
    walk(
        events,
        tape.base,
        np.zeros((2, 2, tape.width), np.int64),
        np.stack([new_edges(), new_edges()]),
        np.zeros((REST_MAX, REST_COLUMNS), np.int64),
        np.zeros((REST_MAX, QUEUE_COLUMNS)),
        np.zeros((REST_MAX, FILL_COLUMNS), np.int64),
        np.zeros(CLOCK_COLUMNS, np.int64),
        np.zeros(WINDOW_COLUMNS, np.int64),
        dials,
        model,
        costs,
        times,
        np.zeros(RESULT_COLUMNS),
        rows,
    )
    return rows
